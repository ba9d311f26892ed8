// Batches of rows: lazy leaves the other rows alone, exact gives what the dense batch with zeros would.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradientRecord, Rows } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';

const rows = 7;
const options = { lr: 0.01, rho: 0.9, epsilon: 1e-8, decay: 1e-3 };

const batchOf = (width: number) =>
  fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: rows - 1 }),
        fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: width, maxLength: width }),
      ),
      {
        minLength: 1,
        maxLength: 6,
      },
    )
    .map(
      (entries): Rows => ({
        rows: Int32Array.from(entries, ([row]) => row),
        values: Float32Array.from(entries.flatMap(([, values]) => values)),
      }),
    );

/** The dense tensor of a batch of rows, duplicates added in float32 in their order. */
function dense({ rows: indices, values }: Rows, width: number): Float32Array {
  const full = new Float32Array(rows * width);
  indices.forEach((row, i) => {
    for (let j = 0; j < width; j++) full[row * width + j] += values[i * width + j];
  });
  return full;
}

test('both kernels give the same bits for rows of every width, lazy and exact, with duplicates and dense batches between', () => {
  for (const sparse of ['lazy', 'exact'] as const) {
    for (const width of [1, 2, 3, 4, 5, 7, 8, 9, 16]) {
      const model = layout({ before: [3], table: width === 1 ? [rows] : [rows, width] });
      fc.assert(
        fc.property(fc.array(batchOf(width), { minLength: 1, maxLength: 8 }), (batches) => {
          const [simd, scalar] = (['simd', 'scalar'] as const).map(
            (kernel) => new RMSprop(model, { ...options, sparse, kernel }),
          );
          batches.forEach((batch, i) => {
            const record: GradientRecord<'table'> = { table: i % 4 === 3 ? dense(batch, width) : batch };
            for (const optimizer of [simd, scalar]) optimizer.step(record);
          });
          sameBits(simd.parameters.flat, scalar.parameters.flat, 'p');
          sameBits(simd.state().accumulator, scalar.state().accumulator, 'a');
        }),
        { numRuns: Number(process.env.GRADWIRE_RUNS ?? 20), seed: width },
      );
    }
  }
});

test('an exact batch of rows gives what the dense batch with zeros elsewhere gives, within 1e-6 relative', () => {
  const width = 3;
  const model = layout({ table: [rows, width] });
  fc.assert(
    fc.property(fc.array(batchOf(width), { minLength: 1, maxLength: 30 }), (batches) => {
      const exact = new RMSprop(model, { ...options, sparse: 'exact' });
      const full = new RMSprop(model, options);
      for (const batch of batches) {
        exact.step({ table: batch });
        full.step({ table: dense(batch, width) });
      }
      close(exact.parameters.get('table'), full.parameters.get('table'), 1e-6);
      close(exact.getWeights()[0], full.getWeights()[0], 1e-6);
    }),
    { numRuns: Number(process.env.GRADWIRE_RUNS ?? 100), seed: 3 },
  );
});

test('a lazy batch of rows leaves the rows that it does not name, and their accumulators, as they are', () => {
  const model = layout({ table: [4, 2] });
  const optimizer = new RMSprop(model, {
    ...options,
    sparse: 'lazy',
    initial: { table: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  });
  optimizer.step({ table: new Float32Array(8).fill(1) });
  const p = optimizer.parameters.copy('table');
  const [a] = optimizer.getWeights();
  optimizer.step({ table: { rows: Int32Array.of(2), values: Float32Array.of(1, 1) } });
  const same = (from: number, to: number) => {
    sameBits(optimizer.parameters.get('table').subarray(from, to), p.subarray(from, to), 'p');
    sameBits(optimizer.getWeights()[0].subarray(from, to), a.subarray(from, to), 'a');
  };
  same(0, 4);
  same(6, 8);
  assert.is.not(optimizer.parameters.get('table')[4], p[4]);
});

test('an unnamed row owes rho to the power of the batches of its tensor alone, batches without the tensor do not count', () => {
  const model = layout({ table: [2], other: [1] });
  const optimizer = new RMSprop(model, { ...options, rho: 0.5 });
  optimizer.step({ table: Float32Array.of(2, 2) });
  for (let i = 0; i < 3; i++) optimizer.step({ table: { rows: Int32Array.of(0), values: Float32Array.of(0) } });
  for (let i = 0; i < 5; i++) optimizer.step({ other: Float32Array.of(1) });
  assert.equal([...optimizer.getWeights()[0]], [2 / 8, 2 / 8]);
});

test('reading what rows owe does not pay it: a fold that is read at every step gives the same bits as one that is not', () => {
  const model = layout({ table: [50] });
  const [read, unread] = [0, 1].map(() => new RMSprop(model, { ...options, rho: 0.99 }));
  for (let i = 0; i < 200; i++) {
    const batch = { table: { rows: Int32Array.of((i * 7) % 50), values: Float32Array.of(i % 3) } };
    read.step(batch);
    unread.step(batch);
    read.getWeights();
    read.state();
  }
  sameBits(read.state().accumulator, unread.state().accumulator);
  sameBits(read.parameters.flat, unread.parameters.flat);
});

test('a row left out of thousands of batches still decays as it should', () => {
  const optimizer = new RMSprop(layout({ table: [2] }), { ...options, rho: 0.999 });
  optimizer.step({ table: Float32Array.of(1, 1) });
  for (let i = 0; i < 5000; i++) optimizer.step({ table: { rows: Int32Array.of(0), values: Float32Array.of(1) } });
  const [, left] = optimizer.getWeights()[0];
  const expected = (1 - 0.999) * 0.999 ** 5000;
  assert.ok(Math.abs(left / expected - 1) < 1e-3, `${left} for ${expected}`);
});

function close(found: Float32Array, expected: Float32Array, tolerance: number): void {
  found.forEach((value, i) => {
    const scale = Math.max(Math.abs(expected[i]), 1e-30);
    assert.ok(Math.abs(value - expected[i]) <= tolerance * scale, `[${i}] ${value} for ${expected[i]}`);
  });
}

test('a batch of more rows than the kernel takes at a time gives the bits of the dense batch', () => {
  for (const [count, width] of [
    [10_001, 1],
    [9000, 3],
  ]) {
    const wide = layout({ before: [5], table: width === 1 ? [count] : [count, width] });
    const values = Float32Array.from({ length: count * width }, (_, i) => Math.sin(i));
    const all = Int32Array.from({ length: count }, (_, row) => row);
    for (const kernel of ['simd', 'scalar'] as const) {
      for (const sparse of ['exact', 'lazy'] as const) {
        const some = new RMSprop(wide, { kernel, sparse });
        const full = new RMSprop(wide, { kernel });
        for (let step = 0; step < 3; step++) {
          some.step({ table: { rows: all, values } });
          full.step({ table: values });
        }
        sameBits(some.parameters.flat, full.parameters.flat, `${kernel} ${sparse} p`);
        sameBits(some.getWeights()[1], full.getWeights()[1], `${kernel} ${sparse} a`);
      }
    }
  }
});

test('the norms that a batch of rows tells are the same of both kernels, to the bit, for rows of every width', () => {
  for (const width of [1, 2, 3, 4, 5]) {
    const wide = layout({ table: width === 1 ? [3000] : [3000, width] });
    const all = Int32Array.from({ length: 2500 }, (_, row) => row);
    const values = Float32Array.from({ length: 2500 * width }, (_, i) => Math.sin(i * i) * 3);
    const [simd, scalar] = (['simd', 'scalar'] as const).map((kernel) => new RMSprop(wide, { kernel, rho: 0.5 }));
    for (let step = 0; step < 4; step++) {
      const batch = { table: { rows: all, values: values.map((value) => value * (step + 1)) } };
      const [found, expected] = [simd.step(batch), scalar.step(batch)];
      assert.is(found.updateNorm, expected.updateNorm, `width ${width}`);
      assert.is(found.gradientNorm, expected.gradientNorm, `width ${width}`);
    }
  }
});

test.run();
