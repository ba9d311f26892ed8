// The learning rate of a single step multiplied by a factor: in every preset, on every kernel, with any number of threads.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkGradients } from '../../src/gradients/check.ts';
import { layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { startThreads } from '../../streams/threads/index.ts';
import { refused } from '../support/refused.ts';
import { sameState } from '../support/states.ts';

const model = layout({ table: [40_000, 8], bias: [5] });
type Name = 'table' | 'bias';
const factors = [1, 1 / 3, 0.125, 1 / 7, 1];
const floats = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(seed * 31 + i));
const batches = factors.map((factor, i) =>
  checkGradients<Name>(model, {
    bias: floats(5, i),
    table: i % 2 === 0 ? floats(320_000, i) : { rows: Int32Array.of(1, 7, 39_999), values: floats(24, i) },
  }).withRateFactor(factor),
);

const optimizers: readonly RMSpropOptions<Name>[] = [
  { lr: 0.1 },
  { preset: 'keras3', lr: 0.1, momentum: 0.9, centered: true, weightDecay: 0.1, sparse: 'lazy' },
  { preset: 'tf1', lr: 0.1, momentum: 0.9, sparse: 'lazy' },
  { preset: 'torch', lr: 0.1, momentum: 0.5, sparse: 'lazy', globalClipnorm: 1 },
  { preset: 'optax', lr: 0.1, momentum: 0.9, nesterov: true, sparse: 'lazy', groups: [{ match: 'bias', lrMultiplier: 0.5 }] },
  { preset: 'tfjs', lr: 0.1 },
];

for (const options of optimizers)
  test(`a factor gives the bits of a learning rate that is as much smaller in that step: ${JSON.stringify(options)}`, () => {
    const expected = new RMSprop<Name>(model, { ...options, lr: (t) => 0.1 * factors[t] });
    const threads = startThreads(2);
    const made = [{}, { kernel: 'scalar' as const }, { threads }].map(
      (rest) => new RMSprop<Name>(model, { ...options, ...rest }),
    );
    for (const [i, batch] of batches.entries()) {
      const { learningRate, updateNorm } = expected.step(batch.withRateFactor(1));
      for (const each of made) {
        const step = each.step(batch);
        assert.equal([step.learningRate, step.updateNorm], [learningRate, updateNorm], `step ${i}`);
      }
    }
    for (const each of made) sameState(each.state(), expected.state(), 'the state');
    threads.close();
  });

test('the step says the rate that it took, the optimizer the rate of a step without a factor', () => {
  const optimizer = new RMSprop(layout({ w: [1] }), { lr: 0.5 });
  const batch = checkGradients(optimizer.layout, { w: Float32Array.of(1) });
  assert.is(optimizer.step(batch.withRateFactor(0.25)).learningRate, 0.125);
  assert.is(optimizer.learningRate, 0.5);
  assert.is(optimizer.step(batch).learningRate, 0.5);
});

test('a schedule and decay go on by their own count, whatever the factors were', () => {
  const optimizer = new RMSprop(layout({ w: [1] }), { lr: 0.5, decay: 0.25 });
  const batch = checkGradients(optimizer.layout, { w: Float32Array.of(1) });
  for (const [t, factor] of factors.entries())
    assert.is(optimizer.step(batch.withRateFactor(factor)).learningRate, Math.fround((0.5 * factor) / (1 + 0.25 * t)));
});

test('control: the factor counts', () => {
  const [one, other] = [1, 0.5].map((factor) => {
    const optimizer = new RMSprop(model, optimizers[0]);
    optimizer.step(batches[0].withRateFactor(factor));
    return optimizer.digest();
  });
  assert.is.not(one, other);
});

test('a factor is a number above 0, at most 1', () => {
  for (const wrong of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    refused('E_CONFIG', () => batches[0].withRateFactor(wrong), /the factor of a learning rate/);
});

test('gradients of an equal layout that is another object keep their factor', () => {
  const again = layout({ table: [40_000, 8], bias: [5] });
  const [one, other] = [model, again].map((each) => {
    const optimizer = new RMSprop(each, optimizers[0]);
    optimizer.step(batches[1]);
    return optimizer.digest();
  });
  assert.is(one, other);
});

test.run();
