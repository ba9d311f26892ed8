// model.fit with gradwire's optimizer: against TF.js' own rmsprop, against float64, and what it leaves behind.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout, RMSprop } from '../../src/index.ts';
import { fromModel, gradientsOf, layoutOf, tfRMSprop } from '../../streams/tfjs/index.ts';
import { sameBits } from '../support/bits.ts';
import { figure } from '../support/figures.ts';
import { backends, dispose, distance, examples, network, tf, weightsOf } from '../support/tensorflow.ts';

// watchdog: 400 s
const batchSize = 16;
const steps = 200;

/** Fits for 200 steps, without shuffling. */
async function fit(model: ReturnType<typeof network>, epochs: number = 10): Promise<void> {
  const { xs, ys } = examples((steps / 10) * batchSize);
  await model.fit(xs, ys, { epochs, batchSize, shuffle: false, verbose: 0 });
  dispose([xs, ys]);
}

for (const backend of backends) {
  for (const momentum of [0, 0.9]) {
    test(`in preset tfjs model.fit follows TF.js' own rmsprop within 1e-5 over 200 steps (${backend}, momentum ${momentum})`, async () => {
      await tf.setBackend(backend);
      const [ours, theirs] = [network(), network()];
      ours.compile({ optimizer: tfRMSprop(tf, { preset: 'tfjs', lr: 0.001, momentum }), loss: 'meanSquaredError' });
      theirs.compile({ optimizer: tf.train.rmsprop(0.001, 0.9, momentum), loss: 'meanSquaredError' });
      const first = weightsOf(ours);
      for (const model of [ours, theirs]) await fit(model);
      const apart = distance(weightsOf(ours), weightsOf(theirs));
      figure(`${backend}, momentum ${momentum}: ${apart.toExponential(1)} from TF.js after ${steps} steps`);
      assert.ok(apart < 1e-5, `${apart}`);
      assert.ok(distance(weightsOf(ours), first) > 1e-2, 'control: the weights moved');
      dispose([ours, theirs]);
    });
  }
}

test('in preset keras2 with decay model.fit follows the equations in float64', async () => {
  await tf.setBackend(backends[0]);
  const model = tf.sequential({
    layers: [tf.layers.dense({ units: 1, inputShape: [2], useBias: false, kernelInitializer: 'ones' })],
  });
  const [lr, rho, epsilon, decay] = [0.01, 0.9, 1e-8, 1e-2];
  model.compile({ optimizer: tfRMSprop(tf, { lr, rho, epsilon, decay }), loss: 'meanSquaredError' });
  const rows = Array.from({ length: 8 }, (_, i) => [Math.sin(i + 1), Math.cos(2 * i)]);
  const targets = rows.map(([a, b]) => 3 * a - 2 * b);
  const [xs, ys] = [tf.tensor2d(rows), tf.tensor2d(targets, [8, 1])];
  await model.fit(xs, ys, { epochs: steps, batchSize: 8, verbose: 0 });
  const p = [1, 1];
  const a = [0, 0];
  for (let t = 0; t < steps; t++) {
    const errors = rows.map((row, i) => row[0] * p[0] + row[1] * p[1] - targets[i]);
    const gradients = p.map((_, k) => (2 / 8) * errors.reduce((sum, error, i) => sum + error * rows[i][k], 0));
    for (const [k, g] of gradients.entries()) {
      a[k] = rho * a[k] + (1 - rho) * g * g;
      p[k] -= ((lr / (1 + decay * t)) * g) / (Math.sqrt(a[k]) + epsilon);
    }
  }
  assert.ok(distance(weightsOf(model), p) < 1e-5, `${weightsOf(model)} and ${p}`);
  assert.ok(distance(p, [1, 1]) > 0.1, 'control: the reference moved');
  dispose([model, xs, ys]);
});

const variants = [
  { preset: 'keras2', clipnorm: 0.1, clipvalue: 0.05 },
  { preset: 'keras3', momentum: 0.5, centered: true, weightDecay: 0.01, useEma: true, emaOverwriteFrequency: 3 },
  { preset: 'tf1', lr: { type: 'cosine', initialLearningRate: 0.01, decaySteps: 20 }, momentum: 0.5 },
  { preset: 'torch', momentum: 0.5, weight_decay: 0.01, globalClipnorm: 0.1 },
  { preset: 'optax', lr: 0.01, momentum: 0.5, nesterov: true, gradientAccumulationSteps: 2 },
  { preset: 'keras2', groups: [{ match: 'bias$', frozen: true }], lossScale: 'dynamic' },
] as const;

for (const options of variants) {
  test(`a step has the bits of gradwire's own optimizer: ${JSON.stringify(options)}`, async () => {
    await tf.setBackend(backends[backends.length - 1]);
    const model = network();
    const alone = new RMSprop(layoutOf(model), { ...options, initial: fromModel(tf, model) } as object);
    const optimizer = tfRMSprop(tf, options as object);
    const { xs, ys } = examples(batchSize);
    const variables = model.trainableWeights.map((weight) => weight.read() as ReturnType<typeof tf.variable>);
    for (let i = 0; i < 7; i++) {
      const loss = () => tf.losses.meanSquaredError(ys, model.predict(xs) as typeof ys).asScalar();
      alone.step(gradientsOf(tf, loss, model));
      optimizer.minimize(loss, false, variables);
      sameBits(weightsOf(model), Float32Array.from(alone.parameters.flat), `after step ${i + 1}`);
    }
    assert.is(optimizer.version, 7);
    optimizer.dispose();
    dispose([model, xs, ys]);
  });
}

for (const backend of backends) {
  test(`1,000 steps leave TF.js with as many tensors and the heap as it was (${backend})`, async () => {
    await tf.setBackend(backend);
    const model = network();
    const optimizer = tfRMSprop(tf, { lr: 0.001, decay: 1e-4 });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    await fit(model, 1);
    const [tensors, heap] = [tf.memory().numTensors, heapUsed()];
    await fit(model, 50);
    assert.is(optimizer.version, 20 * 51);
    assert.is(tf.memory().numTensors, tensors);
    const grown = heapUsed() - heap;
    figure(`${backend}: 1,000 steps of model.fit grew the heap by ${grown} bytes`);
    // TF.js' own history of its epochs is in it
    assert.ok(grown < 2_000_000, `${grown} bytes`);
    dispose(model);
  });
}

test('weights that somebody else writes between two steps count, as in TF.js', async () => {
  for (const backend of backends) {
    await tf.setBackend(backend);
    const w = tf.variable(tf.tensor1d([1, 2]), true, `outside-${backend}`);
    const optimizer = tfRMSprop(tf, { lr: 0.1 });
    const loss = () => w.sum().asScalar();
    optimizer.minimize(loss, false, [w]);
    const alone = new RMSprop(layout({ w: [2] }), { lr: 0.1, initial: { w: Float32Array.of(1, 2) } });
    alone.step({ w: Float32Array.of(1, 1) });
    tf.tidy(() => w.assign(tf.tensor1d([5, 6])));
    alone.parameters.get('w').set([5, 6]);
    optimizer.minimize(loss, false, [w]);
    alone.step({ w: Float32Array.of(1, 1) });
    sameBits(w.dataSync() as Float32Array, alone.parameters.copy('w'));
    w.dispose();
  }
});

test('two optimizers that take turns on one variable go on from each other’s values', async () => {
  for (const backend of backends) {
    await tf.setBackend(backend);
    const w = tf.variable(tf.tensor1d([1, 2]), true, `turns-${backend}`);
    const optimizers = [tfRMSprop(tf, { lr: 0.1 }), tfRMSprop(tf, { lr: 0.01, rho: 0.5 })];
    const alone = [0.1, 0.01].map((lr, i) => new RMSprop(layout({ w: [2] }), { lr, rho: 0.9 - 0.4 * i }));
    let values = Float32Array.of(1, 2);
    for (let i = 0; i < 8; i++) {
      optimizers[i % 2].minimize(() => w.sum().asScalar(), false, [w]);
      alone[i % 2].parameters.get('w').set(values);
      alone[i % 2].step({ w: Float32Array.of(1, 1) });
      values = alone[i % 2].parameters.copy('w');
      sameBits(w.dataSync() as Float32Array, values);
    }
    w.dispose();
  }
});

test('a copy of a variable stays as it was when the optimizer steps', async () => {
  for (const backend of backends) {
    await tf.setBackend(backend);
    const w = tf.variable(tf.tensor1d([1, 2]), true, `copied-${backend}`);
    const optimizer = tfRMSprop(tf, { lr: 0.1 });
    optimizer.minimize(() => w.sum().asScalar(), false, [w]);
    const before = w.clone();
    const values = w.dataSync();
    const held = [...values];
    for (let i = 0; i < 3; i++) optimizer.minimize(() => w.sum().asScalar(), false, [w]);
    assert.equal([...before.dataSync()], held);
    assert.equal([...values], held);
    assert.not.equal([...w.dataSync()], held);
    dispose([w, before]);
  }
});

test('a gradient that is not finite throws and changes nothing, or with onRefused is counted and left out', async () => {
  await tf.setBackend(backends[0]);
  const w = tf.variable(tf.tensor1d([1, 2]), true, 'not-finite');
  const optimizer = tfRMSprop(tf, { lr: 0.1 });
  const gradient = tf.tensor1d([Number.NaN, 1]);
  assert.throws(() => optimizer.applyGradients({ 'not-finite': gradient }), /E_NONFINITE/);
  const codes: string[] = [];
  const lenient = tfRMSprop(tf, { lr: 0.1, onRefused: ({ code }) => codes.push(code) });
  lenient.applyGradients({ 'not-finite': gradient });
  assert.equal([codes, lenient.refused, lenient.version], [['E_NONFINITE'], 1, 0]);
  assert.equal([...w.dataSync()], [1, 2]);
  const theirs = tf.train.rmsprop(0.1);
  theirs.applyGradients({ 'not-finite': gradient });
  assert.ok(Number.isNaN(w.dataSync()[0]), 'control: TF.js takes it');
  dispose([w, gradient]);
});

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test.run();
