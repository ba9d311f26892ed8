// The kernels against an independent float32 reference, as bits, and against numbers that others published.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { makeArena } from '../../src/rmsprop/kernel/arena.ts';
import { at, passes } from '../../src/rmsprop/kernel/control.ts';
import { scalarKernel, simdKernel } from '../../src/rmsprop/kernel/kernel.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';
import type { ReferenceOptions } from '../support/reference.options.ts';
import { Reference } from '../support/reference.ts';

const kernels = ['simd', 'scalar'] as const;

test("TensorFlow's published legacy-decay case holds within float32's error", () => {
  const expected = [
    [0.968377323398, 1.9683772733982372],
    [0.9530829762276013, 1.9530829086840393],
    [0.9434782602978091, 1.9434781835291814],
  ];
  for (const kernel of kernels) {
    const options = { lr: 0.01, rho: 0.9, epsilon: 1e-7, decay: 0.5, kernel, initial: { var0: Float32Array.of(1, 2) } };
    const optimizer = new RMSprop(layout({ var0: [2] }), options);
    for (const row of expected) {
      optimizer.step({ var0: Float32Array.of(0.1, 0.2) });
      row.forEach((value, i) => {
        const found = optimizer.parameters.get('var0')[i];
        assert.ok(Math.abs(found - value) <= 2 ** -23 * value * 2, `${found} for ${value}`);
      });
    }
  }
});

// torch.optim.RMSprop's documented algorithm with momentum 0, centered false, weight_decay 0 (lr 0.01, alpha 0.99, eps 1e-8), in float64.
test("PyTorch's plain RMSprop has the same formula: its numbers hold within float32's error", () => {
  const gradient = [0.1, -0.2, 3];
  const p = [1, -2, 0.5];
  const a = [0, 0, 0];
  const optimizer = new RMSprop(layout({ w: [3] }), { lr: 0.01, rho: 0.99, epsilon: 1e-8, initial: { w: Float32Array.from(p) } });
  for (let step = 0; step < 100; step++) {
    optimizer.step({ w: Float32Array.from(gradient) });
    gradient.forEach((g, i) => {
      a[i] = 0.99 * a[i] + 0.01 * g * g;
      p[i] -= (0.01 * g) / (Math.sqrt(a[i]) + 1e-8);
      const found = optimizer.parameters.get('w')[i];
      assert.ok(Math.abs(found - p[i]) < 2e-6 * Math.max(1, Math.abs(p[i])), `step ${step}: ${found} for ${p[i]}`);
    });
  }
  // the first step of RMSprop is lr / sqrt(1 - alpha), whatever the gradient: 0.1 here
  const first = new RMSprop(layout({ w: [1] }), { lr: 0.01, rho: 0.99, initial: { w: Float32Array.of(1) } });
  first.step({ w: Float32Array.of(123) });
  assert.ok(Math.abs(first.parameters.get('w')[0] - 0.9) < 1e-6);
});

const nasty = [0, -0, 1e-45, -1e-45, 1.1754942e-38, 1e-20, 1, -1, 0.1, 1e9, -1e9, 3.4e38, -3.4e38, 1.5e-39];
const value = fc.oneof(
  fc.constantFrom(...nasty.map(Math.fround)),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
);
const gradientValue = value.filter((each) => Math.abs(each) <= 1e9);

/** Folds the same dense batches with both kernels and the reference; compares parameters and accumulators as bits. */
function compare(
  lengths: number[],
  batches: Record<string, Float32Array>[],
  initial: Record<string, Float32Array>,
  options: ReferenceOptions,
): void {
  const model = layout(Object.fromEntries(lengths.map((length, i) => [`t${i}`, [length]])));
  const reference = new Reference(model, options, initial);
  const optimizers = kernels.map((kernel) => new RMSprop(model, { ...options, kernel, initial }));
  batches.forEach((batch, t) => {
    reference.step(batch);
    for (const optimizer of optimizers) optimizer.step(batch);
    for (const [i, { name }] of model.tensors.entries()) {
      const { p, a } = reference.get(name);
      for (const [k, optimizer] of optimizers.entries()) {
        sameBits(optimizer.parameters.get(name), p, `${kernels[k]} p of ${name} at ${t}`);
        sameBits(optimizer.getWeights()[i], a, `${kernels[k]} a of ${name} at ${t}`);
      }
    }
  });
}

test('SIMD, scalar and the reference agree as bits on every tail of 1 to 9 elements, at every offset, on nasty values', () => {
  const options = { lr: 0.01, rho: 0.9, epsilon: 1e-8, decay: 0.01 };
  for (let first = 1; first <= 9; first++) {
    for (let second = 1; second <= 9; second++) {
      const fill = (length: number, from: number) =>
        Float32Array.from({ length }, (_, i) => nasty.filter((each) => Math.abs(each) <= 1e9)[(i + from) % 12]);
      const batches = [0, 3, 5].map((from) => ({ t0: fill(first, from), t1: fill(second, from + 1) }));
      compare([first, second], batches, { t0: fill(first, 2), t1: fill(second, 7) }, options);
    }
  }
});

test('SIMD, scalar and the reference agree as bits on random options, shapes, partial batches and clipping', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 21 }), { minLength: 1, maxLength: 4 });
  const options = fc.record({
    lr: fc.constantFrom(0.001, 0.01, 1, 1e-5),
    rho: fc.constantFrom(0, 0.9, 0.99, 0.999, 0.5),
    epsilon: fc.constantFrom(1e-8, 1e-7, 1e-3),
    decay: fc.constantFrom(0, 0.5, 1e-4),
    clipnorm: fc.constantFrom(0, 1, 0.01, 1e6),
    clipvalue: fc.constantFrom(0, 0.5, 100),
  });
  const cases = lengths.chain((list) => {
    const tensor = (i: number, each: fc.Arbitrary<number>) =>
      fc
        .float32Array({ minLength: list[i], maxLength: list[i] })
        .chain(() => fc.array(each, { minLength: list[i], maxLength: list[i] }).map((values) => Float32Array.from(values)));
    const batch = fc.record(Object.fromEntries(list.map((_, i) => [`t${i}`, tensor(i, gradientValue)])), {
      requiredKeys: ['t0'],
    });
    const initial = fc.record(Object.fromEntries(list.map((_, i) => [`t${i}`, tensor(i, value)])));
    return fc.tuple(fc.constant(list), fc.array(batch, { minLength: 1, maxLength: 4 }), initial, options);
  });
  fc.assert(
    fc.property(cases, ([list, batches, initial, chosen]) =>
      compare(list, batches as Record<string, Float32Array>[], initial as Record<string, Float32Array>, chosen),
    ),
    { numRuns: 200, seed: 7 },
  );
});

test('a variance that rounding brings below 0 counts as 0, in both kernels', () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => 0.1 + i / 7);
  const model = layout({ w: [64] });
  const options = { preset: 'tf1', centered: true, lr: 0.01, rho: 0.5, epsilon: 1e-20 } as const;
  const reference = new Reference(model, options);
  const optimizers = kernels.map((kernel) => new RMSprop(model, { ...options, kernel }));
  let below = 0;
  for (let t = 0; t < 40; t++) {
    reference.step({ w: values });
    for (const optimizer of optimizers) optimizer.step({ w: values });
    const { p, a, m = a } = reference.get('w');
    below += a.filter((each, i) => Math.fround(each - Math.fround(m[i] * m[i])) < 0).length;
    for (const optimizer of optimizers) sameBits(optimizer.parameters.get('w'), p, `at ${t}`);
  }
  assert.ok(below > 0, 'no variance was below 0');
});

test('a pass that sums nothing gives 0, in both kernels', () => {
  const arena = makeArena(layout({ w: [9] }), {
    centered: false,
    momentum: false,
    average: false,
    gradientSum: true,
    shared: false,
  });
  arena.gradients.fill(2);
  arena.constants[at.maxAbs] = 10;
  for (const kernel of [scalarKernel(arena, 0), simdKernel(arena, 0, undefined)]) {
    assert.is(kernel.run(passes.check, 0, 9), 36);
    assert.is(kernel.run(passes.accumulate, 0, 9), 0);
  }
});

test('the learning rate of each step is computed in float64 and rounded once to float32', () => {
  const optimizer = new RMSprop(layout({ w: [1] }), { lr: 0.1, decay: 1e-3 });
  for (let t = 0; t < 100; t++)
    assert.is(optimizer.step({ w: Float32Array.of(1) }).learningRate, Math.fround(0.1 / (1 + 1e-3 * t)));
});

test.run();
