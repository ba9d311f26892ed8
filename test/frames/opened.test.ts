// A frame whose maker tells what is in it: nobody has to read it again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients, encodeGradientsOpened } from '../../src/frames/gradients.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { refused } from '../support/refused.ts';

const model = layout({ 'dense/kernel': [3, 5], 'ö "quoted"\\': [4], scalar: [] });
const identity = { model: 'default', producer: 'w "1" \\ ö', producerEpoch: 3, sequence: 2 ** 53 - 1, base: 0 };
const batches = [
  { gradients: { scalar: Float32Array.of(-0), 'ö "quoted"\\': Float32Array.of(1e-45, -1, 0, 1e9) }, examples: 0, loss: 1e-7 },
  { gradients: { 'dense/kernel': { rows: Int32Array.of(2, 0, 2), values: new Float32Array(15).fill(0.1) } }, time: 1.5 },
  { gradients: { 'dense/kernel': new Float32Array(15).fill(-3) }, loss: Number.NaN },
];

test('what the maker of a frame tells of it is what a reader finds', () => {
  for (const batch of batches) {
    const { frame, opened } = encodeGradientsOpened(model, identity, batch);
    assert.equal(frame, encodeGradients(model, identity, batch));
    const read = deserialize(frame);
    assert.equal(opened.metadata, { ...read.metadata });
    assert.equal([...opened.tensors], [...read.tensors]);
  }
});

test('it stays so whatever becomes of the arrays that were given', () => {
  const values = new Float32Array(15).fill(2);
  const { frame, opened } = encodeGradientsOpened(model, identity, { gradients: { 'dense/kernel': values } });
  values.fill(7);
  assert.is(opened.tensors.get('dense/kernel')?.data.buffer, frame.buffer);
  assert.equal(opened.tensors.get('dense/kernel')?.data, new Float32Array(15).fill(2));
});

test('what does not fit is refused as ever', () => {
  const make = (gradients: Record<string, Float32Array>) => () =>
    encodeGradientsOpened(model, identity, { gradients: gradients as never }, { maxAbs: 1 });
  refused('E_RANGE', make({ scalar: Float32Array.of(2) }));
  refused('E_UNKNOWN', make({ other: Float32Array.of(0) }));
});

test.run();
