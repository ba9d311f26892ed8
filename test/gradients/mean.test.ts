// The mean of several batches: its bits, its forms, and what it says of its examples.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkGradients, type Gradients } from '../../src/gradients/check.ts';
import { labelsOfMean, meanOf } from '../../src/gradients/mean.ts';
import { layout } from '../../src/layout.ts';
import { sameBits } from '../support/bits.ts';
import { seed } from '../support/random.ts';

const model = layout({ table: [4, 2], w: [3] });
const batch = (record: Parameters<typeof checkGradients<'table' | 'w'>>[1]): Gradients<'table' | 'w'> =>
  checkGradients(model, record);
const dense = (...values: number[]) => Float32Array.from(values);

test('a value is the sum of the float32 values in float64, divided by the number of batches, rounded once', () => {
  const { w } = meanOf([batch({ w: dense(0.1, 1, -3) }), batch({ w: dense(0.2, 2, 5) }), batch({ w: dense(0.7, 4, 0) })]);
  const [a, b, c] = dense(0.1, 0.2, 0.7);
  sameBits(w as Float32Array, dense((a + b + c) / 3, 7 / 3, 2 / 3));
});

test('the mean of one batch is that batch, to the bit', () => {
  const w = dense(-0, 1e-45, -1e9);
  sameBits(meanOf([batch({ w })]).w as Float32Array, w);
});

test('what a batch leaves out counts as zero', () => {
  const { w, table } = meanOf([batch({ w: dense(3, 6, 9) }), batch({ table: dense(1, 2, 3, 4, 5, 6, 7, 8) })]);
  sameBits(w as Float32Array, dense(1.5, 3, 4.5));
  sameBits(table as Float32Array, dense(0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4));
});

test('rows of all who have a tensor give the union of the rows; one dense batch makes it dense', () => {
  const one = batch({ table: { rows: Int32Array.of(1, 3), values: dense(1, 2, 3, 4) } });
  const other = batch({ table: { rows: Int32Array.of(0, 3), values: dense(5, 6, 7, 8) } });
  const rows = meanOf([one, other]).table as { rows: Int32Array; values: Float32Array };
  assert.equal([...rows.rows], [0, 1, 3]);
  sameBits(rows.values, dense(2.5, 3, 0.5, 1, 5, 6));
  const mixed = meanOf([one, other, batch({ table: new Float32Array(8).fill(3) })]).table as Float32Array;
  sameBits(mixed, dense(8 / 3, 3, 4 / 3, 5 / 3, 1, 1, 13 / 3, 5));
  sameBits(meanOf([one, other], { dense: true }).table as Float32Array, dense(2.5, 3, 0.5, 1, -0, -0, 5, 6));
});

test('no mean is larger than the largest of its values: what passed maxAbs alone passes it together', () => {
  const largest = fc.float({ noNaN: true, min: Math.fround(-1e9), max: Math.fround(1e9) });
  const values = fc.array(fc.oneof(largest, fc.constantFrom(1e9, -1e9)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(values, (all) => {
      const batches = all.map((value) => batch({ w: dense(value, value, value) }));
      const [mean] = meanOf(batches).w as Float32Array;
      assert.ok(
        Math.abs(mean) <=
          Math.max(
            ...batches.map(
              ({
                tensors: [
                  {
                    values: [first],
                  },
                ],
              }) => Math.abs(first),
            ),
          ),
      );
    }),
    { seed },
  );
});

test('the mean of equal batches is one of them, to the bit', () => {
  const w = dense(1e9 - 64, 0.1, -1 / 3);
  sameBits(meanOf(Array.from({ length: 40 }, () => batch({ w }))).w as Float32Array, w);
});

test('control: a sum rounded to float32 at each step is larger than its largest value', () => {
  const value = Math.fround(1e9 - 64);
  let sum = 0;
  for (let i = 0; i < 40; i++) sum = Math.fround(sum + value);
  assert.ok(Math.abs(Math.fround(sum / 40) - value) > 0);
});

test('examples are summed, and the loss is averaged over them', () => {
  const labels = (examples?: number, loss?: number) => ({ examples, loss });
  assert.equal(labelsOfMean([labels(10, 1), labels(30, 2)]), labels(40, 1.75));
  assert.equal(labelsOfMean([labels(undefined, 1), labels(undefined, 2)]), labels(undefined, 1.5));
  assert.equal(labelsOfMean([labels(), labels(8)]), labels(8));
  assert.equal(labelsOfMean([labels(0, 3)]), labels(0));
  assert.equal(labelsOfMean([labels(2 ** 53 - 1), labels(1)]), labels());
});

test.run();
