// Records of format 2: how a batch was folded where not as it came.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { readRecord, stampCheckedGradients, stampGradients, unstamped } from '../../src/frames/record.ts';
import { deserialize, withMetadata } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { refused } from '../support/refused.ts';

const model = layout({ w: [2] });
const identity = { producer: 'p', producerEpoch: 2, sequence: 7, base: 3 };
const frame = encodeGradients(model, identity, { gradients: { w: Float32Array.of(1, 2) }, examples: 4 });
const stamp = { run: 'r', epoch: 1, version: 9, durableUpTo: 8, payload: digestOf(frame) };
const parts = [
  { producer: 'a"b', producerEpoch: 0, sequence: 5, payload: '0123456789abcdef' },
  { producer: 'ö', producerEpoch: 3, sequence: 2 ** 53 - 1, payload: 'fedcba9876543210' },
];

test('a factor reads back to the same number, whatever its age, and the batch is folded under it', () => {
  for (let tau = 2; tau < 2000; tau = Math.ceil(tau * 1.3)) {
    const { stamp: read, gradients } = readRecord(stampGradients(frame, { ...stamp, factor: 1 / tau }), model);
    assert.is(read.factor, 1 / tau);
    assert.is(gradients.rateFactor, 1 / tau);
  }
});

test('the parts of a round read back as they were, in their order', () => {
  assert.equal(readRecord(stampGradients(frame, { ...stamp, parts }), model).stamp.parts, parts);
});

test('both ways of stamping give the same bytes, and the frame comes back as it arrived', () => {
  for (const folding of [{ factor: 0.5 }, { parts }, { factor: 0.5, parts }, { factor: 1 }, {}]) {
    const record = stampGradients(frame, { ...stamp, ...folding });
    const [head, ...data] = stampCheckedGradients(frame, { ...stamp, ...folding });
    assert.equal(deserialize(Buffer.concat([head, ...data])).metadata, deserialize(record).metadata);
    assert.is(digestOf(unstamped(record)), stamp.payload);
  }
});

test('a batch that was folded as it came has a record of format 1, as every release reads it', () => {
  for (const folding of [{}, { factor: 1 }])
    assert.is(deserialize(stampGradients(frame, { ...stamp, ...folding })).metadata.gradwire, '1');
});

test('any other record is of format 2, which a reader of format 1 refuses, and which no producer may send', () => {
  const record = stampGradients(frame, { ...stamp, factor: 0.5 });
  assert.is(deserialize(record).metadata.gradwire, '2');
  refused('E_FORMAT', () => decodeGradients(record, model), /frame format "2", this release reads "1"; use a newer release/);
});

test('in a record of format 1 the words mean nothing: an old recording keeps its bits', () => {
  const odd = withMetadata(frame, { factor: '0.5', parts: '[]' });
  const record = stampGradients(odd, { ...stamp, payload: digestOf(odd) });
  const { stamp: read, gradients } = readRecord(record, model);
  assert.equal([read.factor, read.parts, gradients.rateFactor], [undefined, undefined, 1]);
  assert.is(digestOf(unstamped(record)), digestOf(odd));
});

test('a record whose factor or parts cannot be is refused', () => {
  const record = stampGradients(frame, { ...stamp, factor: 0.5, parts });
  const wrong = (metadata: Record<string, string>) => () => readRecord(withMetadata(record, metadata), model);
  for (const factor of ['0', '-1', '1.5', 'NaN', '1e400', 'x']) refused('E_FRAME', wrong({ factor }), /factor/);
  const [good] = parts.map((each) => Object.values(each));
  for (const list of [[], {}, null, [[]], [good.slice(1)], [[...good, 1]], [['', ...good.slice(1)]], [['a\n', ...good.slice(1)]]])
    refused('E_FRAME', wrong({ parts: JSON.stringify(list) }), /parts/);
  refused('E_FRAME', wrong({ parts: JSON.stringify([[good[0], -1, good[2], good[3]]]) }), /parts/);
  refused('E_FRAME', wrong({ parts: JSON.stringify([[...good.slice(0, 3), 'xyz']]) }), /parts/);
  refused('E_FRAME', wrong({ parts: '[' }), /parts/);
});

test.run();
