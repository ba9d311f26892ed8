// The four frames and the journal record: what they carry, what they refuse.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { readRecord, stampCheckedGradients, stampGradients } from '../../src/frames/record.ts';
import { deserialize, serialize } from '../../src/frames/safetensors.ts';
import { decodeSnapshot, encodeSnapshot } from '../../src/frames/snapshot.ts';
import { encodeUpdate, readUpdate } from '../../src/frames/update.ts';
import { encodeWeights, readWeights } from '../../src/frames/weights.ts';
import { checkGradients } from '../../src/gradients/check.ts';
import { layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { Replica } from '../../src/strict-replica.ts';
import { Tensors } from '../../src/tensors.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';

const model = layout({ kernel: [2, 3], bias: [3], scale: [] });
const f = (...values: number[]) => Float32Array.from(values);
const identity = { model: 'm', producer: 'w1', producerEpoch: 2, sequence: 7, base: 5 };
const gradients = { bias: f(1, -0, 1e-45), kernel: { rows: Int32Array.of(1), values: f(4, 5, 6) } };
const frame = encodeGradients(model, identity, { gradients, examples: 32, loss: 0.25, time: 1700000000000 });

/** A gradients frame with other metadata or tensors than ours would have. */
function framed(tensors: Parameters<typeof serialize>[0], metadata: Record<string, string> = {}): Uint8Array {
  return serialize(tensors, {
    gradwire: '1',
    kind: 'gradients',
    producer: 'w',
    producerEpoch: '0',
    sequence: '1',
    base: '0',
    ...metadata,
  });
}

test('a gradients frame is a safetensors buffer whose metadata are the strings of docs/FORMAT.md', () => {
  const { metadata, tensors } = deserialize(frame);
  assert.equal(
    { ...metadata },
    {
      gradwire: '1',
      kind: 'gradients',
      model: 'm',
      producer: 'w1',
      producerEpoch: '2',
      sequence: '7',
      base: '5',
      examples: '32',
      loss: '0.25',
      time: '1700000000000',
    },
  );
  assert.equal(
    [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]),
    [
      ['kernel#rows', 'I32', [1]],
      ['kernel#values', 'F32', [1, 3]],
      ['bias', 'F32', [3]],
    ],
  );
});

test('a gradients frame read back has the bits that were written, and its header', () => {
  const { header, gradients: read } = decodeGradients(frame, model);
  assert.equal(header, { ...identity, examples: 32, loss: 0.25, time: 1700000000000 });
  const [kernel, bias] = read.tensors;
  assert.equal([...(kernel.rows ?? [])], [1]);
  sameBits(kernel.values, gradients.kernel.values);
  sameBits(bias.values, gradients.bias);
});

test('what another program writes is read: I64 rows, any order of tensors, no model, no producerEpoch, a loss in exponent form', () => {
  const bytes = serialize(
    [
      ['bias', f(1, 2, 3)],
      ['kernel#values', { dtype: 'F32', shape: [2, 3], data: f(1, 2, 3, 4, 5, 6) }],
      ['kernel#rows', { dtype: 'I64', shape: [2], data: BigInt64Array.of(1n, 0n) }],
    ],
    { kind: 'gradients', gradwire: '1', producer: 'py', sequence: '0', base: '0', loss: '1.5e-3' },
  );
  const { header, gradients: read } = decodeGradients(bytes, model);
  assert.equal([header.model, header.producerEpoch, header.loss], [undefined, 0, 0.0015]);
  assert.equal([...(read.tensors[0].rows ?? [])], [0, 1]);
  assert.equal([...read.tensors[0].values], [4, 5, 6, 1, 2, 3]);
});

test('a frame that does not fit is refused with a code, and the message says what was expected', () => {
  const wrong: [string, Uint8Array, RegExp][] = [
    [
      'E_SHAPE',
      framed({ kernel: { dtype: 'F32', shape: [3, 2], data: new Float32Array(6) } }),
      /"kernel" is \[3,2\], the model has \[2,3\]/,
    ],
    ['E_SHAPE', framed({ kernel: { dtype: 'F32', shape: [6], data: new Float32Array(6) } }), /"kernel"/],
    ['E_DTYPE', framed({ bias: new Float64Array(3) }), /"bias" is F64, this model takes F32/],
    ['E_DTYPE', framed({ bias: { dtype: 'F8_E5M2', shape: [3], data: new Uint8Array(3) } }), /F8_E5M2/],
    [
      'E_DTYPE',
      framed({ 'kernel#rows': new Float32Array(1), 'kernel#values': { dtype: 'F32', shape: [1, 3], data: f(1, 2, 3) } }),
      /I32 or I64/,
    ],
    ['E_UNKNOWN', framed({ b9: f(1) }), /"b9": the model has 3 tensors/],
    ['E_BATCH_EMPTY', framed({}), /no gradients/],
    ['E_BATCH', framed({ 'kernel#rows': Int32Array.of(0) }), /without #values/],
    ['E_BATCH', framed({ 'kernel#values': f(1) }), /without #rows/],
    ['E_BATCH', framed({ 'kernel#rest': f(1) }), /#rows and #values/],
    ['E_BATCH', framed({ 'kernel#scale': f(1) }), /without #codes/],
    [
      'E_BATCH',
      framed({
        kernel: { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
        'kernel#rows': Int32Array.of(0),
        'kernel#values': f(1),
      }),
      /dense and rows/,
    ],
    ['E_ROWS', framed({ 'scale#rows': Int32Array.of(0), 'scale#values': f(1) }), /scalar/],
    [
      'E_ROWS',
      framed({ 'kernel#rows': Int32Array.of(2), 'kernel#values': { dtype: 'F32', shape: [1, 3], data: f(1, 2, 3) } }),
      /no row 2/,
    ],
    [
      'E_ROWS',
      framed({ 'kernel#rows': BigInt64Array.of(-1n), 'kernel#values': { dtype: 'F32', shape: [1, 3], data: f(1, 2, 3) } }),
      /no row -1/,
    ],
    ['E_NONFINITE', framed({ bias: f(1, Number.NaN, 3) }), /"bias"\[1\] is NaN \(1 of 3 values\)/],
    ['E_RANGE', framed({ bias: f(1, 1e20, 3) }), /limit/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { kind: 'update' }), /kind "update", expected "gradients"/],
    ['E_FORMAT', framed({ bias: f(1, 2, 3) }, { gradwire: '2' }), /format "2", this release reads "1"/],
    ['E_FRAME', serialize({ bias: f(1, 2, 3) }), /no "gradwire" key/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { sequence: '-1' }), /"sequence" is "-1"/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { sequence: '9007199254740992' }), /2\^53-1/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { base: '01' }), /"base"/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { producer: '' }), /"producer"/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { producer: 'a\u0007' }), /control characters/],
    ['E_FRAME', framed({ bias: f(1, 2, 3) }, { loss: 'NaN' }), /"loss"/],
  ];
  for (const [code, bytes, text] of wrong) refused(code as 'E_FRAME', () => decodeGradients(bytes, model), text);
});

test('a journal record is its gradients frame with a stamp, and shows every flipped byte of its tensors', () => {
  const stamp = { run: 'r', epoch: 3, version: 8, durableUpTo: 6, payload: digestOf(frame) };
  const record = stampGradients(frame, stamp);
  const read = readRecord(record, model);
  assert.equal(read.stamp, stamp);
  assert.is(read.header.sequence, 7);
  const { data } = deserialize(record);
  const start = data.byteOffset - record.byteOffset;
  for (let i = start; i < record.byteLength; i++) {
    const flipped = record.slice();
    flipped[i] ^= 1;
    refused('E_CHECK', () => readRecord(flipped, model), /version 8/);
  }
});

test('an update frame carries new values and a check that finds every flipped byte', () => {
  const forms = checkGradients(model, gradients).tensors;
  const header = {
    model: 'm',
    run: 'r',
    epoch: 1,
    from: 4,
    version: 5,
    encoding: 'f32',
    learningRate: 0.5,
    digest: '0123456789abcdef',
    folded: [['w1', 2, 7]],
  } as const;
  const bytes = encodeUpdate(header, forms);
  const read = readUpdate(deserialize(bytes), model);
  assert.equal(read.header, header);
  sameBits(read.forms[0].values as Float32Array, forms[0].values);
  const { data, metadata } = deserialize(bytes);
  assert.is(metadata.check, digestOf(data));
  for (let i = data.byteOffset - bytes.byteOffset; i < bytes.byteLength; i++) {
    const flipped = bytes.slice();
    flipped[i] ^= 128;
    refused('E_CHECK', () => readUpdate(deserialize(flipped), model));
  }
});

test('a header that was changed on its way is refused by its own check, whatever it says now', () => {
  const replica = new Replica();
  const weights = new Tensors(model, f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  const place = { model: 'm', run: 'r', epoch: 1 };
  const joined = encodeWeights({ ...place, version: 4 }, weights);
  const header = { ...place, from: 4, version: 5, encoding: 'f32', learningRate: 0.5, folded: [] } as const;
  const update = encodeUpdate(header, checkGradients(model, gradients).tensors);
  const changed = (frame: Uint8Array, from: string, to: string): Uint8Array =>
    Uint8Array.from(Buffer.from(Buffer.from(frame).toString('latin1').replace(from, to), 'latin1'));
  const digits = deserialize(update).metadata.header;
  const own = Buffer.from(update.slice(0, deserialize(update).data.byteOffset)).fill('0', 35, 51);
  assert.is(digits, digestOf(own), 'as docs/FORMAT.md says');
  refused('E_CHECK', () => replica.accept(changed(joined, '"version":"4"', '"version":"9"')));
  refused('E_CHECK', () => replica.accept(changed(joined, '"run":"r"', '"run":"q"')));
  assert.is(replica.accept(joined), 'applied');
  refused('E_CHECK', () => replica.accept(changed(update, '"version":"5"', '"version":"6"')));
  refused('E_CHECK', () => replica.accept(changed(update, `"header":"${digits}"`, `"header":"${'0'.repeat(16)}"`)));
  assert.equal([replica.version, replica.counts.refused], [4, 4]);
  assert.is(replica.accept(changed(update, '"header"', '"Header"')), 'applied', 'a frame without it is read');
});

test('a weights frame is every parameter in layout order, and its digest is that of its data section', () => {
  const weights = new Tensors(model, f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  const bytes = encodeWeights({ model: 'm', run: 'r', epoch: 1, version: 5 }, weights);
  const file = deserialize(bytes);
  assert.is(file.metadata.digest, digestOf(file.data));
  assert.is(file.metadata.digest, digestOf(bytesOf(weights.flat)));
  const read = readWeights(file);
  assert.equal(read.header, { model: 'm', run: 'r', epoch: 1, version: 5 });
  assert.equal(JSON.stringify(read.weights.layout), JSON.stringify(model));
  sameBits(read.weights.flat, weights.flat);
  const flipped = bytes.slice();
  flipped[flipped.length - 1] ^= 1;
  refused('E_DIGEST', () => readWeights(deserialize(flipped)));
});

test('a snapshot brings back the optimizer, what its rows owe, and the producers, to the bit', () => {
  const optimizer = new RMSprop(model, { lr: 0.1, decay: 0.01 });
  const producers = new Producers();
  for (let i = 1; i <= 20; i++) {
    optimizer.step({ kernel: { rows: Int32Array.of(i % 2), values: f(i, 1, 2) }, bias: f(1, i, 3) });
    producers.note({ producer: `w${i % 3}`, producerEpoch: 1, sequence: i }, digestOf(Uint8Array.of(i)), i);
  }
  const state = optimizer.state();
  const parameters = new Tensors(model, state.parameters);
  const bytes = encodeSnapshot({
    model: 'm',
    run: 'r',
    epoch: 2,
    version: 20,
    optimizer: optimizer.getConfig(),
    parameters,
    state,
    producers,
    examples: 640,
  });
  const read = decodeSnapshot(bytes);
  assert.equal([read.model, read.run, read.epoch, read.version, read.examples], ['m', 'r', 2, 20, 640]);
  const again = RMSprop.fromConfig(read.optimizer, model);
  again.restore(read.state);
  const step = { kernel: { rows: Int32Array.of(0, 1), values: f(1, 2, 3, 4, 5, 6) } };
  again.step(step);
  optimizer.step(step);
  sameBits(again.state().accumulator, optimizer.state().accumulator);
  assert.is(again.digest(), optimizer.digest());
  assert.equal(read.producers.toList(), producers.toList());
  const examples = bytes.slice();
  examples[new TextDecoder('latin1').decode(bytes).indexOf('"640"') + 1] += 1;
  refused('E_CHECK', () => decodeSnapshot(examples));
  for (let i = bytes.byteLength - deserialize(bytes).data.byteLength; i < bytes.byteLength; i += 3) {
    const flipped = bytes.slice();
    flipped[i] ^= 4;
    refused('E_CHECK', () => decodeSnapshot(flipped));
  }
});

test('the bytes of a snapshot are those that earlier releases wrote, however it is made', () => {
  const large = layout({ table: [70_000, 5], w: [300_001], b: [3] });
  const producers = new Producers();
  for (let i = 1; i <= 6000; i++) {
    const payload = digestOf(Uint8Array.of(i & 255, i >> 8));
    producers.note({ producer: `w${i % 4}`, producerEpoch: 1, sequence: i }, payload, i);
  }
  const dense = { w: new Float32Array(300_001).fill(0.25), b: f(1, 2, 3) };
  const rows = { table: { rows: Int32Array.of(3, 69_999), values: new Float32Array(10).fill(-1) } };
  const momentum = new RMSprop(large, { lr: 0.1, momentum: 0.9, centered: true, preset: 'keras3' });
  momentum.step(dense);
  const exact = new RMSprop(large, { lr: 0.1, sparse: 'exact' });
  exact.step(dense);
  exact.step(rows);
  const digests = [momentum, exact].map((optimizer) => {
    const state = optimizer.state();
    const parameters = new Tensors(large, state.parameters);
    const place = { model: 'm', run: 'r', epoch: 2, version: optimizer.version, producers, examples: 640 };
    return digestOf(encodeSnapshot({ ...place, optimizer: optimizer.getConfig(), parameters, state }));
  });
  assert.equal(digests, ['5d3f05069527501c', 'be1f1b23749c80cc']);
});

test('a frame whose header fills the limit can still be stamped and read back', () => {
  const free = 1 << 20;
  const padded = (length: number) => framed({ bias: f(1, 2, 3) }, { note: 'x'.repeat(length) });
  const header = padded(0).byteLength - 8 - 12;
  const full = padded(free - header - 16);
  decodeGradients(full, model);
  const record = stampGradients(full, { run: 'r'.repeat(32), epoch: 1, version: 1, durableUpTo: 0, payload: digestOf(full) });
  assert.is(readRecord(record, model).stamp.version, 1);
});

test('a checked frame is stamped without being read again: the same record, whatever its header looks like', () => {
  const text = (header: string, data: Uint8Array): Uint8Array => {
    const bytes = new TextEncoder().encode(header);
    const length = Uint8Array.of(bytes.byteLength & 255, bytes.byteLength >> 8, 0, 0, 0, 0, 0, 0);
    return Buffer.concat([length, bytes, data]);
  };
  for (const length of [3, 100_000]) {
    const large = layout({ bias: [length] });
    const frame = encodeGradients(large, identity, { gradients: { bias: new Float32Array(length).fill(0.5) } });
    const stamp = { run: 'r', epoch: 1, version: 7, durableUpTo: 3, payload: digestOf(frame) };
    const parts = stampCheckedGradients(frame, stamp);
    assert.is(parts.at(-1)?.buffer, frame.buffer, 'no tensor is copied');
    const { metadata, tensors, data } = deserialize(frame);
    const entry = `"bias":{"dtype":"F32","shape":[${length}],"data_offsets":[0,${data.byteLength}]}`;
    const fields = JSON.stringify(metadata);
    const forms = [
      frame,
      text(`{"__metadata__":${fields},${entry}}`, data),
      text(`{${entry},"__metadata__":${fields}}`, data),
      text(`{"__metadata__":{"\\u0072un":"an escape spells run",${fields.slice(1)},${entry}}`, data),
      text(`{"__metadata__":{"note":"C:\\\\run",${fields.slice(1)},${entry}}`, data),
      text(`  {"__metadata__" : ${fields}, ${entry}}`, data),
      text(`{"__metadata__":${JSON.stringify({ ...metadata, run: 'other', check: 'x', note: 'ü "run" }' })},${entry}}`, data),
    ];
    for (const form of forms) {
      const record = Buffer.concat(stampCheckedGradients(form, stamp));
      const [found, expected] = [deserialize(record), deserialize(stampGradients(form, stamp))];
      assert.equal({ ...found.metadata }, { ...expected.metadata });
      assert.is(found.data.byteOffset % 8, record.byteOffset % 8);
      sameBits(found.tensors.get('bias')?.data as Float32Array, tensors.get('bias')?.data as Float32Array);
      assert.equal(readRecord(record, large).stamp, stamp);
    }
  }
});

test('random batches survive their frame bit for bit', () => {
  const values = (length: number) =>
    fc
      .array(fc.float({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: length, maxLength: length })
      .map((list) => Float32Array.from(list));
  const record = fc.record({ kernel: values(6), bias: values(3), scale: values(1) }, { requiredKeys: ['bias'] });
  fc.assert(
    fc.property(record, fc.nat(), (batch, sequence) => {
      const read = decodeGradients(encodeGradients(model, { ...identity, sequence }, { gradients: batch }), model);
      assert.is(read.header.sequence, sequence);
      for (const { tensor, values: found } of read.gradients.tensors) sameBits(found, batch[tensor.name] as Float32Array);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test.run();
