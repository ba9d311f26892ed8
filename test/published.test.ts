// Published weights: in every encoding a replica that folds the frames has the trainer's published bits, and nothing is lost.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { largest } from '../src/encodings/largest.ts';
import { type EncodingName, type EncodingOptions, encodingNames } from '../src/encodings/names.ts';
import { deserialize } from '../src/frames/safetensors.ts';
import { encodeUpdate } from '../src/frames/update.ts';
import { encodeWeights } from '../src/frames/weights.ts';
import { layout } from '../src/layout.ts';
import { Published } from '../src/published.ts';
import type { Touched } from '../src/rmsprop/fold/fold.ts';
import { Replica } from '../src/strict-replica.ts';
import { Tensors } from '../src/tensors.ts';
import { sameBits } from './support/bits.ts';
import { chance, pick, type Random, seed, whole } from './support/random.ts';
import { refused } from './support/refused.ts';

const model = layout({ table: [24, 3], wide: [60], bias: [5], scale: [] });
const position = { model: 'm', run: 'r', epoch: 1 };
const largestFloat = 3.4028234663852886e38;
const nasty = [0, -0, 1e-45, -1e-45, 1.1754942e-38, -3e-40, largestFloat, -largestFloat, 2e38, 1e30, 65_504, 65_520, 1e-7];
const lossy = encodingNames.filter((name) => name !== 'f32');

/** Parameters, the published weights beside them, and a replica that has got nothing but frames. */
class Pair {
  readonly parameters = new Tensors(model);
  readonly published: Published;
  readonly replica = new Replica();
  version = 0;

  constructor(options: EncodingOptions) {
    this.published = new Published(this.parameters, options);
    this.replica.accept(encodeWeights({ ...position, version: 0 }, this.published.weights));
  }

  publish(touched: readonly Touched[]): Uint8Array {
    const from = this.version;
    this.version += 1;
    const forms = this.published.take(touched, this.parameters);
    return this.#send(from, this.published.encoding.name, forms);
  }

  settle(): Uint8Array {
    return this.#send(this.version, 'f32', this.published.settle(this.parameters));
  }

  #send(from: number, encoding: EncodingName, forms: Parameters<typeof encodeUpdate>[1]): Uint8Array {
    const header = { ...position, from, version: this.version, encoding, learningRate: 1, folded: [] };
    const frame = encodeUpdate(header, forms);
    assert.is(this.replica.accept(frame), 'applied');
    sameBits(this.replica.weights.flat, this.published.weights.flat, `${encoding} at ${this.version}`);
    return frame;
  }
}

/** Moves some parameters as a step would, and says which. */
function move(parameters: Tensors, random: Random, wild: boolean): Touched[] {
  const value = (old: number) =>
    wild && random() < 0.2 ? pick(random, nasty) : old + (random() - 0.5) * 10 ** (2 - 6 * random());
  return model.tensors.flatMap((tensor): Touched[] => {
    if (random() < 0.4) return [];
    const values = parameters.get(tensor.name);
    const rows = Int32Array.from({ length: tensor.rows }, (_, i) => i).filter(() => random() < 0.15);
    const sparse = tensor.shape.length > 0 && random() < 0.6;
    for (let i = 0; i < tensor.length; i++)
      if (!sparse || rows.includes(Math.floor(i / tensor.rowLength))) values[i] = value(values[i]);
    return [{ tensor, rows: sparse ? rows : undefined }];
  });
}

for (const encoding of encodingNames) {
  test(`${encoding}: over random steps, dense, rows and merged, the replica has the published bits, all of them finite`, () => {
    const cases = fc.record({
      from: fc.nat(),
      share: fc.constantFrom(0.01, 0.2, 1),
      blockLength: fc.constantFrom(1, 7, 512),
      wild: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ from, share, blockLength, wild }) => {
        const random = chance(from);
        const pair = new Pair({ encoding, share, blockLength });
        for (let i = 0; i < 12; i++) {
          for (let merged = whole(random, 0, 3); merged > 0; merged--) pair.published.note(move(pair.parameters, random, wild));
          pair.publish(move(pair.parameters, random, wild));
          assert.ok(pair.published.weights.flat.every(Number.isFinite), 'a published weight is not finite');
          if (encoding === 'f32') sameBits(pair.published.weights.flat, pair.parameters.flat);
          if (random() < 0.1) pair.settle();
        }
        pair.settle();
        sameBits(pair.replica.weights.flat, pair.parameters.flat, 'settled');
        assert.is(pair.published.owes, false);
      }),
      // the example lost a sign of zero in a row that was sent along
      {
        numRuns: Number(process.env.GRADWIRE_RUNS ?? 60),
        seed,
        examples: [[{ from: 28, share: 0.01, blockLength: 512, wild: true }]],
      },
    );
  });
}

for (const encoding of lossy) {
  test(`${encoding}: what a publication drops the next ones bring, so that the error shrinks to nothing without any new values`, () => {
    const random = chance(seed);
    const pair = new Pair({ encoding, share: 0.2 });
    const everything = model.tensors.map((tensor) => ({ tensor, rows: undefined }));
    for (let i = 0; i < pair.parameters.flat.length; i++) pair.parameters.flat[i] = random() - 0.5;
    const error = () => Math.max(...pair.parameters.flat.map((value, i) => Math.abs(value - pair.published.weights.flat[i])));
    const errors = [error()];
    for (let i = 0; i < 8; i++) {
      pair.publish(i === 0 ? everything : encoding === 'topk' ? [] : everything);
      errors.push(error());
    }
    for (let i = 1; i < errors.length; i++) assert.ok(errors[i] <= errors[i - 1], `the error grew: ${errors}`);
    // f16 knows nothing smaller than 2^-25
    assert.ok(errors[8] <= (encoding === 'f16' ? 2 ** -25 : 0), `seed ${seed}: ${errors}`);
  });

  test(`${encoding}: over a thousand steps the error stays that of one publication, and does not add up`, () => {
    const random = chance(seed + 1);
    const options = { encoding, share: 0.5, blockLength: 16 };
    const pair = new Pair(options);
    const control = { worst: 0 };
    const forgetful = new Tensors(model);
    for (let i = 0; i < 1000; i++) {
      const before = pair.parameters.flat.slice();
      const touched = model.tensors.map((tensor) => ({ tensor, rows: undefined }));
      for (let j = 0; j < before.length; j++) pair.parameters.flat[j] += (random() - 0.45) * 0.01;
      pair.publish(touched);
      // the control sends each step rounded, and never looks back
      const alone = new Published(new Tensors(model, before), options);
      alone.take(touched, pair.parameters);
      for (let j = 0; j < before.length; j++) forgetful.flat[j] += alone.weights.flat[j] - before[j];
    }
    const worstOf = (weights: Tensors) => Math.max(...weights.flat.map((value, j) => Math.abs(value - pair.parameters.flat[j])));
    control.worst = worstOf(forgetful);
    const worst = worstOf(pair.published.weights);
    assert.ok(worst < 0.02, `${worst}`);
    assert.ok(control.worst > worst * 2, `the control is off by ${control.worst}, the published weights by ${worst}`);
  });
}

test('rows take the place of the whole tensor where they are fewer bytes, by each encoding’s own count', () => {
  const wide = layout({ t: [100, 4] });
  for (const [encoding, most] of [
    ['f32', 79],
    ['f16', 66],
    ['int8', 49],
  ] as const) {
    for (const count of [most, most + 1]) {
      const parameters = new Tensors(wide);
      const published = new Published(parameters, { encoding });
      for (let i = 0; i < count * 4; i++) parameters.flat[i] = i + 1;
      const [{ rows }] = published.take(
        [{ tensor: wide.tensors[0], rows: Int32Array.from({ length: count }, (_, i) => i) }],
        parameters,
      );
      assert.is(rows === undefined, count > most, `${encoding} ${count}`);
    }
  }
});

test('a sparse batch publishes the rows that it touched, and a few of those that still owe something', () => {
  const tall = layout({ t: [10_000, 8] });
  const parameters = new Tensors(tall);
  const published = new Published(parameters, { encoding: 'int8' });
  const [tensor] = tall.tensors;
  const random = chance(4);
  for (let i = 0; i < 50; i++) {
    const rows = Int32Array.from(new Set(Array.from({ length: 80 }, () => whole(random, 0, 9_999)))).sort();
    for (const row of rows) for (let j = 0; j < 8; j++) parameters.flat[row * 8 + j] += random() - 0.5;
    const [form] = published.take([{ tensor, rows }], parameters);
    assert.equal([...(form.rows ?? [])].slice(0, rows.length), [...rows]);
    assert.ok((form.rows as Int32Array).length <= rows.length + Math.ceil(rows.length / 8) + 63, `${form.rows?.length}`);
  }
});

test('topk sends the largest of what is missing, of equal ones the first, and leaves out tensors that lack nothing', () => {
  // places of a tensor whose rows are single values are its rows
  const pair = new Pair({ encoding: 'topk', share: 0.05 });
  pair.parameters.get('wide').set([0, 3, -4, 3, 3, 1]);
  const touched = model.tensors.map((tensor) => ({ tensor, rows: undefined }));
  const { tensors } = deserialize(pair.publish(touched));
  assert.equal([...tensors.keys()].sort(), ['wide#rows', 'wide#values']);
  assert.equal([...(tensors.get('wide#rows')?.data ?? [])], [1, 2, 3]);
  assert.equal([...(tensors.get('wide#values')?.data ?? [])], [3, -4, 3]);
  const rest = deserialize(pair.publish([])).tensors;
  assert.equal([...(rest.get('wide#rows')?.data ?? [])], [4, 5]);
  assert.is(deserialize(pair.publish([])).tensors.size, 0);
});

test('the largest magnitudes are those that sorting finds', () => {
  const values = fc.array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 2)), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 60 }), (given, count) => {
      const floats = Float32Array.from(given);
      const order = Array.from(floats, (_, i) => i).filter((i) => floats[i] !== 0);
      const expected = order.sort((i, j) => Math.abs(floats[j]) - Math.abs(floats[i]) || i - j).slice(0, count);
      assert.equal(
        [...largest(floats, count)],
        expected.sort((i, j) => i - j),
      );
    }),
    { seed },
  );
});

test('a frame in each encoding has the bytes that it had when the format was fixed', () => {
  const w = layout({ w: [4, 2], b: [3] });
  const hex = (bytes: ArrayBufferView) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  const found = encodingNames.map((encoding) => {
    const parameters = new Tensors(w);
    const published = new Published(parameters, { encoding, share: 0.25, blockLength: 4 });
    parameters.flat.set([1, -0.3, 2.5, 1e-3, 0, 7, 1e-9, -2, 1e6, 0.1, -65_519]);
    const forms = published.take(
      w.tensors.map((tensor) => ({ tensor, rows: undefined })),
      parameters,
    );
    const { tensors } = deserialize(
      encodeUpdate({ ...position, from: 0, version: 1, encoding, learningRate: 1, folded: [] }, forms),
    );
    return [encoding, Object.fromEntries(Array.from(tensors, ([name, { dtype, data }]) => [name, `${dtype} ${hex(data)}`]))];
  });
  assert.equal(Object.fromEntries(found), golden);
});

const golden: Record<string, Record<string, string>> = {
  f32: { w: 'F32 0000803f9a9999be000020406f12833a000000000000e0405f708930000000c0', b: 'F32 00247449cdcccc3d00ef7fc7' },
  f16: { w: 'F16 003ccdb40041191400000047000000c0', b: 'F16 ff7b662efffb' },
  bf16: { w: 'BF16 803f9abe2040833a0000e040893000c0', b: 'BF16 7449cd3d80c7' },
  int8: {
    'w#scale': 'F32 8542a13c87c3613d',
    'b#scale': 'F32 2010f645',
    'w#codes': 'I8 33f17f00007f00dc',
    'b#codes': 'I8 7f00f8',
  },
  topk: {
    'w#indices': 'I32 0200000005000000',
    'w#values': 'F32 000020400000e040',
    'b#rows': 'I32 00000000',
    'b#values': 'F32 00247449',
  },
};

test('options of an encoding that cannot be meant are refused', () => {
  const weights = new Tensors(model);
  refused('E_CONFIG', () => new Published(weights, { encoding: 'zip' as never }), /"zip"/);
  refused('E_CONFIG', () => new Published(weights, { encoding: 'topk', share: 0 }), /share/);
  refused('E_CONFIG', () => new Published(weights, { encoding: 'int8', blockLength: 1.5 }), /blockLength/);
});

test('an update in an encoding that this release does not know is refused by its name', () => {
  const pair = new Pair({});
  const header = { ...position, from: 0, version: 1, encoding: 'zip' as never, learningRate: 1, folded: [] };
  refused('E_FORMAT', () => pair.replica.accept(encodeUpdate(header, [])), /"zip"/);
});

test('what settles a version may be applied twice, what adds to it may not', () => {
  const pair = new Pair({ encoding: 'int8' });
  pair.parameters.flat.fill(0.37).set([1], 3);
  const update = pair.publish(model.tensors.map((tensor) => ({ tensor, rows: undefined })));
  assert.is(pair.replica.accept(update), 'stale');
  const settled = pair.settle();
  assert.is(pair.replica.accept(settled), 'applied');
  sameBits(pair.replica.weights.flat, pair.parameters.flat);
  assert.is(pair.replica.version, 1);
});

test.run();
