// What each step tells of itself: norms, clip factor, share of rows; and the ways to hand over a batch.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';

const model = layout({ table: [6, 2], bias: [3], scale: [] });
const f32 = Math.fround;

test('a step tells the norms of gradient and update, the clip factor, and the share of rows that it held', () => {
  const optimizer = new RMSprop(model, { lr: 0.5, rho: 0, epsilon: 1e-8, clipnorm: 2.5 });
  const step = optimizer.step({ bias: Float32Array.of(3, 0, 4) });
  assert.is(step.gradientNorm, 5);
  assert.is(step.clipFactor, 0.5);
  // with rho 0 each parameter that has a gradient moves by lr
  assert.ok(Math.abs(step.updateNorm - 0.5 * Math.SQRT2) < 1e-6, String(step.updateNorm));
  assert.is(step.rowsTouched, 3 / 10);
  assert.is(step.learningRate, 0.5);
  assert.equal(
    step.touched.map(({ tensor, rows }) => [tensor.name, rows]),
    [['bias', undefined]],
  );
  const rows = optimizer.step({
    table: { rows: Int32Array.of(4, 1), values: Float32Array.of(1, 0, 0, 1) },
    scale: Float32Array.of(1),
  });
  assert.is(rows.gradientNorm, f32(Math.sqrt(3)));
  assert.is(rows.clipFactor, 1);
  assert.is(rows.rowsTouched, 3 / 10);
  assert.equal(
    rows.touched.map(({ tensor, rows: touched }) => [tensor.name, touched && [...touched]]),
    [
      ['table', [1, 4]],
      ['scale', undefined],
    ],
  );
});

test('the update norm is the distance that the parameters went, where nothing else moves them', () => {
  for (const options of [
    {},
    { preset: 'torch', momentum: 0.9 },
    { preset: 'keras3', momentum: 0.9, centered: true },
    { preset: 'optax', lr: 0.01, momentum: 0.9, nesterov: true },
  ] as const) {
    const optimizer = new RMSprop(model, options);
    for (let i = 0; i < 5; i++) {
      const before = optimizer.parameters.flat.slice();
      const { updateNorm } = optimizer.step({ table: new Float32Array(12).fill(i - 2.5), bias: Float32Array.of(1, -1, i) });
      const distance = Math.hypot(...before.map((each, k) => each - optimizer.parameters.flat[k]));
      assert.ok(Math.abs(updateNorm - distance) < 1e-5 * distance, `${updateNorm} for ${distance}`);
    }
  }
});

test('what is written into optimizer.gradients is folded by step() without a copy, as the same batch handed over', () => {
  const inPlace = new RMSprop(model, { decay: 0.1 });
  const copied = new RMSprop(model, { decay: 0.1 });
  for (let i = 0; i < 4; i++) {
    const values = Float32Array.from({ length: model.length }, (_, k) => Math.sin(i + k));
    inPlace.gradients.flat.set(values);
    const record = Object.fromEntries(
      model.tensors.map(({ name, offset, length }) => [name, values.slice(offset, offset + length)]),
    );
    assert.equal({ ...inPlace.step(), touched: 0 }, { ...copied.step(record), touched: 0 });
  }
  sameBits(inPlace.parameters.flat, copied.parameters.flat);
  const before = inPlace.state();
  inPlace.gradients.get('bias')[1] = Number.POSITIVE_INFINITY;
  refused('E_NONFINITE', () => inPlace.step(), /"bias"\[1\]/);
  assert.equal(inPlace.state(), before);
  refused('E_BATCH', () => inPlace.step(null as never));
});

test('some tensors may be views of optimizer.gradients, and others not', () => {
  const optimizer = new RMSprop(model);
  const other = new RMSprop(model);
  const [bias, table] = [Float32Array.of(1, 2, 3), new Float32Array(12).fill(0.5)];
  optimizer.gradients.get('bias').set(bias);
  optimizer.step({ bias: optimizer.gradients.get('bias'), table });
  other.step({ bias, table });
  sameBits(optimizer.parameters.flat, other.parameters.flat);
});

test('views of optimizer.gradients may stand for other tensors than their own', () => {
  const twins = layout({ a: [3], b: [3] });
  const [optimizer, other] = [new RMSprop(twins), new RMSprop(twins)];
  const [a, b] = [Float32Array.of(1, 2, 3), Float32Array.of(-4, 0.5, 6)];
  optimizer.gradients.get('a').set(a);
  optimizer.gradients.get('b').set(b);
  optimizer.step({ a: optimizer.gradients.get('b'), b: optimizer.gradients.get('a') });
  other.step({ a: b, b: a });
  sameBits(optimizer.parameters.flat, other.parameters.flat);
  sameBits(optimizer.getWeights()[0], other.getWeights()[0]);
});

test('the memory is parameters, slots and one batch, and nothing else that grows with them', () => {
  const length = 1_000_000;
  const large = layout({ table: [1000, 500], bias: [length / 2] });
  const bytesOf = (options: object) => new RMSprop(large, options).parameters.flat.buffer.byteLength;
  const fixed = 300_000;
  for (const [options, floats] of [
    [{}, 3],
    [{ preset: 'keras3', momentum: 0.9 }, 4],
    [{ preset: 'torch', momentum: 0.9, centered: true }, 5],
    [{ preset: 'keras3', centered: true, useEma: true, gradientAccumulationSteps: 2 }, 6],
    [{ groups: [{ match: 'bias', clipnorm: 1 }], clipvalue: 3, lossScale: 'dynamic' }, 3],
  ] as const) {
    const bytes = bytesOf(options);
    assert.ok(bytes >= floats * 4 * length && bytes < floats * 4 * length + fixed, `${JSON.stringify(options)}: ${bytes}`);
  }
});

test('while gradients are accumulated nothing moves, and the last batch makes the update', () => {
  const optimizer = new RMSprop(model, {
    gradientAccumulationSteps: 3,
    lr: { type: 'inverseTime', initialLearningRate: 1, decaySteps: 1, decayRate: 1 },
  });
  const found = [1, 2, 3, 4, 5, 6].map((value) => {
    const { updated, version, learningRate, gradientNorm, touched } = optimizer.step({ scale: Float32Array.of(value) });
    return [version, updated, learningRate, gradientNorm, touched.length];
  });
  assert.equal(found, [
    [1, false, 1, 1, 0],
    [2, false, 1, 2, 0],
    [3, true, 1, 2, 1],
    [4, false, 0.5, 4, 0],
    [5, false, 0.5, 5, 0],
    [6, true, 0.5, 5, 1],
  ]);
});

test('averages are readable beside the parameters, and overwrite them when their time comes', () => {
  const optimizer = new RMSprop(model, { preset: 'keras3', useEma: true, emaMomentum: 0.5, emaOverwriteFrequency: 3 });
  assert.is(new RMSprop(model).averages, undefined);
  const batch = { bias: Float32Array.of(1, 2, 3) };
  optimizer.step(batch);
  sameBits(optimizer.averages?.get('bias') as Float32Array, optimizer.parameters.get('bias'));
  const [first] = optimizer.parameters.get('bias');
  optimizer.step(batch);
  const [second] = optimizer.parameters.get('bias');
  assert.is(optimizer.averages?.get('bias')[0], f32(f32(0.5 * first) + f32(0.5 * second)));
  const { touched } = optimizer.step(batch);
  assert.equal(
    touched.map(({ tensor }) => tensor.name),
    ['table', 'bias', 'scale'],
  );
  sameBits(optimizer.averages?.flat as Float32Array, optimizer.parameters.flat);
});

test.run();
