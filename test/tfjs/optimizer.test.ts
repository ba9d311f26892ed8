// Keras' methods and TF.js' life of an optimizer: gradients, updates, weights, configurations, saved models; TF.js' faults.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/index.ts';
import { layoutOf, type TfWeightsInput, tfRMSprop } from '../../streams/tfjs/index.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';
import { backends, dispose, distance, examples, network, tf, weightsOf } from '../support/tensorflow.ts';

const [backend] = backends;
let named = 0;

test.before(async () => {
  await tf.setBackend(backend);
});

/** A variable with a name of its own. */
function variable(values: number[]): ReturnType<typeof tf.variable> {
  named += 1;
  return tf.tidy(() => tf.variable(tf.tensor1d(values), true, `v${named}`));
}

async function rejected(promise: Promise<unknown>): Promise<GradwireError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(error, GradwireError);
  return error as GradwireError;
}

test('the optimizer is a tf.Optimizer of the tf that it was given, and has the eight methods of Keras', () => {
  const optimizer = tfRMSprop(tf, { lr: 0.001, rho: 0.9, epsilon: 1e-8, decay: 1e-4 });
  assert.ok(optimizer instanceof tf.Optimizer);
  for (const name of ['fromConfig', 'getConfig', 'getGradients', 'getUpdates', 'getWeights', 'setWeights', 'minimize'] as const)
    assert.type(optimizer[name], 'function');
  assert.equal(optimizer.getConfig(), { lr: 0.001, rho: 0.9, decay: 1e-4, epsilon: 1e-8 });
  assert.is(optimizer.getClassName(), 'GradwireRMSprop');
});

test('fromConfig makes an optimizer of the same configuration, and reads Keras’ JSON', () => {
  const optimizer = tfRMSprop(tf, { preset: 'keras3', momentum: 0.5, groups: [{ match: 'Dense_A', frozen: true }] });
  assert.equal(optimizer.fromConfig(optimizer.getConfig()).getConfig(), optimizer.getConfig());
  const keras = { class_name: 'RMSprop', config: { learning_rate: 0.02, rho: 0.8, decay: 0, epsilon: 1e-7 } };
  assert.equal(optimizer.fromConfig(keras).getConfig(), { lr: 0.02, rho: 0.8, decay: 0, epsilon: 1e-7 });
  refused('E_CONFIG', () => optimizer.fromConfig({ exact: 'zz' }));
});

test('an option that is unknown or wrong is refused when the optimizer is made', () => {
  refused('E_CONFIG', () => tfRMSprop(tf, { learning: 1 } as object));
  refused('E_CONFIG', () => tfRMSprop(tf, { preset: 'tfjs' }));
});

test('getGradients gives the gradients in the order of the params, clipped by clipnorm and clipvalue as Keras does', () => {
  const [a, b] = [variable([3]), variable([4])];
  const loss = () => tf.addN([a.square().sum(), b.square().sum()]).mul(0.5).asScalar();
  const values = (options: object, params = [a, b]) =>
    tf.tidy(() =>
      tfRMSprop(tf, options)
        .getGradients(loss, params)
        .map((each) => each.dataSync()[0]),
    );
  assert.equal(values({}), [3, 4]);
  assert.equal(values({}, [b, a]), [4, 3]);
  assert.equal(values({ clipnorm: 2.5 }), [1.5, 2]);
  assert.equal(values({ clipnorm: 10 }), [3, 4]);
  assert.equal(values({ clipvalue: 3.5 }), [3, 3.5]);
  assert.equal(values({ preset: 'keras3', clipnorm: 2 }), [2, 2]);
  assert.equal(values({ preset: 'keras3', globalClipnorm: 2.5 }), [1.5, 2]);
  assert.equal(values({ lossScale: 2 }), [1.5, 2]);
  dispose([a, b]);
});

test('getGradients gives the bits that a step takes', () => {
  const w = variable(Array.from({ length: 9_001 }, (_, i) => Math.sin(i)));
  const options = { lr: 1, rho: 0, epsilon: 1e6, clipnorm: 0.3, clipvalue: 0.004 };
  const loss = () => w.square().sum().asScalar();
  const [gradient] = tfRMSprop(tf, options).getGradients(loss, [w]);
  const clipped = gradient.dataSync() as Float32Array;
  const before = Float32Array.from(w.dataSync());
  tfRMSprop(tf, options).getUpdates(loss, [w]);
  const f32 = Math.fround;
  const expected = before.map((p, i) => f32(p - f32(clipped[i] / f32(f32(Math.sqrt(f32(clipped[i] * clipped[i]))) + f32(1e6)))));
  sameBits(w.dataSync() as Float32Array, expected);
  dispose([w, gradient]);
});

test('a loss that does not depend on a param is refused, and leaves no tensor', () => {
  const [a, b] = [variable([3]), variable([4])];
  const { numTensors } = tf.memory();
  const error = refused('E_BATCH', () => tfRMSprop(tf, {}).getGradients(() => a.square().sum().asScalar(), [a, b]));
  assert.match(error.text, b.name);
  assert.is(tf.memory().numTensors, numTensors);
  dispose([a, b]);
});

test('getUpdates makes one step and says what it did', () => {
  const w = variable([3]);
  const optimizer = tfRMSprop(tf, { lr: 0.1, rho: 0.5, decay: 1 });
  const { numTensors } = tf.memory();
  const loss = () => w.square().sum().asScalar();
  const [first] = optimizer.getUpdates(loss, [w]);
  assert.equal([first.version, first.loss, first.gradientNorm, first.learningRate], [1, 9, 6, Math.fround(0.1)]);
  const [second] = optimizer.getUpdates(loss, [w]);
  assert.equal([second.version, second.learningRate, optimizer.iterations], [2, Math.fround(0.05), 2]);
  assert.ok(second.loss < first.loss);
  assert.is(tf.memory().numTensors, numTensors);
  w.dispose();
});

test('getWeights gives iter and slots named <variable>/rms, and its tensors are gone with the next step', async () => {
  const w = variable([1, 2]);
  const optimizer = tfRMSprop(tf, { preset: 'keras3', momentum: 0.5, centered: true });
  const { numTensors } = tf.memory();
  const loss = () => w.square().sum().asScalar();
  optimizer.minimize(loss, false, [w]);
  const weights = await optimizer.getWeights();
  const slots = ['rms', 'momentum', 'mg'].map((slot) => `${w.name}/${slot}`);
  assert.equal(
    weights.map(({ name }) => name),
    ['iter', ...slots],
  );
  assert.is(weights[0].tensor.dataSync()[0], 1);
  assert.ok(distance(weights[1].tensor.dataSync(), [0.4, 1.6]) < 1e-6);
  await optimizer.getWeights();
  assert.is(tf.memory().numTensors, numTensors + 4);
  optimizer.minimize(loss, false, [w]);
  assert.is(tf.memory().numTensors, numTensors);
  w.dispose();
});

test('setWeights refuses what does not fit, with a code, and changes nothing', async () => {
  const [a, b] = [variable([1, 2]), variable([3])];
  const optimizer = tfRMSprop(tf, {});
  optimizer.minimize(() => tf.addN([a.square().sum(), b.square().sum()]).asScalar(), false, [a, b]);
  const before = (await optimizer.getWeights()).map(({ tensor }) => [...tensor.dataSync()]);
  const wrong: TfWeightsInput[] = [
    [],
    [5, [1, 2]],
    [5, [1, 2], [1, 2]],
    [5, [1], [1]],
    [5, [1, -2], [1]],
    [5, [1, Number.NaN], [1]],
    [-1, [1, 2], [1]],
    [1.5, [1, 2], [1]],
    [5, [1, 2], [1], [1]],
    [5, { name: 'x/momentum', tensor: tf.tensor1d([1, 2]) }, [1]],
    [5, tf.tensor2d([[1, 2]]), [1]],
    ['x' as never],
  ];
  for (const weights of wrong) assert.is((await rejected(optimizer.setWeights(weights))).code, 'E_WEIGHTS');
  assert.equal(
    (await optimizer.getWeights()).map(({ tensor }) => [...tensor.dataSync()]),
    before,
  );
  await optimizer.setWeights([7, [1, 2], [3]]);
  assert.equal(
    (await optimizer.getWeights()).map(({ tensor }) => [...tensor.dataSync()]),
    [[7], [1, 2], [3]],
  );
  await optimizer.setWeights([[4, 5], [6]]);
  assert.equal([optimizer.iterations, [...(await optimizer.getWeights())[1].tensor.dataSync()]], [7, [4, 5]]);
  dispose([a, b]);
});

test('weights set before the variables are known are held against them at the first step', async () => {
  const w = variable([1, 2]);
  const loss = () => w.square().sum().asScalar();
  const optimizer = tfRMSprop(tf, {});
  await optimizer.setWeights([4, [1, 2, 3]]);
  refused('E_WEIGHTS', () => optimizer.minimize(loss, false, [w]));
  assert.equal([...w.dataSync()], [1, 2]);
  await optimizer.setWeights([4, [1, 2]]);
  optimizer.minimize(loss, false, [w]);
  assert.is(optimizer.iterations, 5);
  w.dispose();
});

test("in preset tfjs a training moves from TF.js' rmsprop and back", async () => {
  const w = variable([1, 2]);
  const loss = () => w.square().sum().asScalar();
  const theirs = tf.train.rmsprop(0.01, 0.9, 0.5);
  theirs.minimize(loss, false, [w]);
  const ours = tfRMSprop(tf, { preset: 'tfjs', lr: 0.01, momentum: 0.5 });
  await ours.setWeights(await theirs.getWeights());
  ours.minimize(loss, false, [w]);
  const again = tf.train.rmsprop(0.01, 0.9, 0.5);
  await again.setWeights(await ours.getWeights());
  again.minimize(loss, false, [w]);
  const alone = variable([1, 2]);
  for (let i = 0; i < 3; i++) theirs.minimize(() => alone.square().sum().asScalar(), false, [alone]);
  const only = tf.train.rmsprop(0.01, 0.9, 0.5);
  const control = variable([1, 2]);
  for (let i = 0; i < 3; i++) only.minimize(() => control.square().sum().asScalar(), false, [control]);
  assert.ok(distance(w.dataSync(), control.dataSync()) < 1e-6);
  assert.is(again.iterations, 3);
  dispose([w, alone, control]);
});

for (const options of [
  { lr: 0.01, decay: 1e-2 },
  { preset: 'keras3', momentum: 0.5, centered: true, useEma: true },
  { preset: 'torch', momentum: 0.5, groups: [{ match: 'dense_Dense[0-9]+/bias', lrMultiplier: 0.5 }] },
  { lr: { type: 'inverseTime', initialLearningRate: 0.01, decaySteps: 3, decayRate: 0.5 } },
  { lr: 0.01, lossScale: { initial: 8, growthSteps: 3 } },
  { lr: 0.01, gradientAccumulationSteps: 3 },
]) {
  test(`a model saved with includeOptimizer goes on with the same bits: ${JSON.stringify(options)}`, async () => {
    const model = network();
    const optimizer = tfRMSprop(tf, options as object);
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const { xs, ys } = examples(64);
    const fit = (each: typeof model) => each.fit(xs, ys, { epochs: 1, batchSize: 16, shuffle: false, verbose: 0 });
    await fit(model);
    let saved: Parameters<Parameters<typeof tf.io.withSaveHandler>[0]>[0] | undefined;
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      // as a file does
      saved = { ...artifacts, trainingConfig: JSON.parse(JSON.stringify(artifacts.trainingConfig)) };
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    });
    await model.save(handler, { includeOptimizer: true });
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved as Parameters<typeof tf.io.fromMemory>[0]));
    const other = loaded.optimizer as typeof optimizer;
    assert.is(other.getClassName(), 'GradwireRMSprop');
    assert.equal([other.getConfig(), other.iterations], [optimizer.getConfig(), 4]);
    await fit(model);
    await fit(loaded);
    sameBits(weightsOf(loaded), weightsOf(model));
    assert.is(other.iterations, 8);
    dispose([model, loaded, xs, ys]);
  });
}

test('centered with a gradient of 1e-3 stays finite, where TF.js gives NaN', () => {
  const [a, b] = [variable([1]), variable([1])];
  const ours = tfRMSprop(tf, { preset: 'tfjs', lr: 0.01, centered: true });
  const theirs = tf.train.rmsprop(0.01, 0.9, 0, undefined, true);
  for (let i = 0; i < 20; i++) {
    ours.minimize(() => a.sum().mul(1e-3).asScalar(), false, [a]);
    theirs.minimize(() => b.sum().mul(1e-3).asScalar(), false, [b]);
  }
  assert.ok(Number.isFinite(a.dataSync()[0]));
  assert.ok(Number.isNaN(b.dataSync()[0]), 'control: TF.js gives NaN');
  dispose([a, b]);
});

test("a partial batch after a full one takes each variable's own accumulator, where TF.js takes another's", async () => {
  const run = async (make: () => ReturnType<typeof tf.train.rmsprop>) => {
    const [a, b] = [variable([1]), variable([1])];
    const optimizer = make();
    const gradients = [tf.tensor1d([1]), tf.tensor1d([100])];
    optimizer.applyGradients({ [a.name]: gradients[0], [b.name]: gradients[1] });
    optimizer.applyGradients({ [b.name]: gradients[1] });
    const [, first, second] = (await optimizer.getWeights()).map(({ tensor }) => tensor.dataSync()[0]);
    dispose([a, b, ...gradients]);
    return [first, second];
  };
  const ours = await run(() => tfRMSprop(tf, { preset: 'tfjs', lr: 0.01 }) as never);
  assert.ok(distance(ours, [0.1, 1900]) < 1e-2, `${ours}`);
  const theirs = await run(() => tf.train.rmsprop(0.01));
  assert.ok(distance(theirs, [1000.09, 1000]) < 1e-1, `control: ${theirs}`);
});

test('setWeights with a tensor missing is refused, where TF.js accepts it', async () => {
  const [a, b] = [variable([1]), variable([1])];
  const loss = () => tf.addN([a.square().sum(), b.square().sum()]).asScalar();
  const ours = tfRMSprop(tf, { preset: 'tfjs', lr: 0.01 });
  const theirs = tf.train.rmsprop(0.01);
  for (const optimizer of [ours, theirs]) optimizer.minimize(loss, false, [a, b]);
  assert.is((await rejected(ours.setWeights((await ours.getWeights()).slice(0, -1)))).code, 'E_WEIGHTS');
  await theirs.setWeights((await theirs.getWeights()).slice(0, -2));
  dispose([a, b]);
});

test('a variable that comes later is trained from then on, and the others keep what they have', async () => {
  const [a, b] = [variable([1]), variable([1])];
  const optimizer = tfRMSprop(tf, { preset: 'keras3', lr: 0.01, momentum: 0.5 });
  const alone = tfRMSprop(tf, { preset: 'keras3', lr: 0.01, momentum: 0.5 });
  const c = variable([1]);
  for (let i = 0; i < 4; i++) {
    optimizer.minimize(
      () => (i < 2 ? a.square().sum() : tf.addN([a.square().sum(), b.square().sum()])).asScalar(),
      false,
      i < 2 ? [a] : [a, b],
    );
    alone.minimize(() => c.square().sum().asScalar(), false, [c]);
  }
  sameBits(a.dataSync() as Float32Array, c.dataSync() as Float32Array);
  assert.ok(b.dataSync()[0] < 1);
  assert.equal(
    optimizer.layout.tensors.map(({ name }) => name),
    [a.name, b.name],
  );
  dispose([a, b, c]);
});

test('gradients for what is no variable, of another shape or none at all are refused and change nothing', () => {
  const w = variable([1, 2]);
  const optimizer = tfRMSprop(tf, {});
  const [long, right] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 1])];
  refused('E_UNKNOWN', () => optimizer.applyGradients({ nobody: right }));
  refused('E_SHAPE', () => optimizer.applyGradients({ [w.name]: long }));
  refused('E_BATCH_EMPTY', () => optimizer.applyGradients({}));
  assert.equal([optimizer.version, [...w.dataSync()]], [0, [1, 2]]);
  dispose([w, long, right]);
});

test('two models of one layout in a process have names of their own', () => {
  const models = [network(), network()];
  assert.not.equal(JSON.stringify(layoutOf(models[0])), JSON.stringify(layoutOf(models[1])));
  dispose(models);
});

test.run();
