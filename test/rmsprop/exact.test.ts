// `sparse: 'exact'` after 10,000 random batches: within 1e-6 of the dense result, for every preset that allows it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { chance } from '../support/random.ts';

const batches = 10_000;
const [rows, width] = [50, 4];
const model = layout({ table: [rows, width] });

const cases: RMSpropOptions<'table'>[] = [
  { lr: 1e-3 },
  { lr: 1e-3, rho: 0.999, decay: 1e-4 },
  { preset: 'keras3' },
  { preset: 'tf1', lr: 1e-3 },
  { preset: 'torch', lr: 1e-3 },
  { preset: 'optax', lr: 1e-3, centered: true },
  { preset: 'keras3', rho: 0.99, centered: true },
];

/** One to eight different rows, most of them among the first, and their values. */
function draw(random: () => number): { rows: Int32Array; values: Float32Array } {
  const drawn = Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(rows * random() ** 3));
  const indices = Int32Array.from(new Set(drawn));
  return { rows: indices, values: Float32Array.from({ length: indices.length * width }, () => random() * 2 - 1) };
}

for (const options of cases)
  test(`10,000 random batches of rows give the dense result within 1e-6 relative: ${JSON.stringify(options)}`, () => {
    const initial = { table: new Float32Array(rows * width).fill(10) };
    const exact = new RMSprop(model, { ...options, initial });
    const dense = new RMSprop(model, { ...options, initial });
    const random = chance(7);
    const full = new Float32Array(rows * width);
    for (let i = 0; i < batches; i++) {
      const batch = draw(random);
      full.fill(0);
      for (const [r, row] of batch.rows.entries()) full.set(batch.values.subarray(r * width, (r + 1) * width), row * width);
      exact.step({ table: batch });
      dense.step({ table: full });
    }
    let moved = 0;
    exact.parameters.get('table').forEach((value, i) => {
      const other = dense.parameters.flat[i];
      assert.ok(Math.abs(value - other) <= 1e-6 * Math.abs(other), `${i}: ${value} for ${other}`);
      moved += Number(value !== 10);
    });
    assert.is(moved, rows * width, 'every row was trained');
  });

test.run();
