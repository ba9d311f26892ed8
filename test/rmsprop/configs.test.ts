// Options and configurations as their origins spell them, and the errors for those that a preset does not have.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import type { RMSpropConfig, RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import type { Preset } from '../../src/rmsprop/options/presets.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { refused } from '../support/refused.ts';

const model = layout({ 'dense/kernel': [3, 2], 'dense/bias': [2] });
const configOf = (options: RMSpropOptions): RMSpropConfig => new RMSprop(model, options).getConfig();

test('each preset has the defaults of its origin', () => {
  assert.equal(configOf({}), { lr: 0.001, rho: 0.9, decay: 0, epsilon: 1e-8 });
  assert.equal(configOf({ preset: 'keras2' }), configOf({}));
  assert.equal(configOf({ preset: 'keras3' }), { preset: 'keras3', lr: 0.001, rho: 0.9, epsilon: 1e-7 });
  assert.equal(configOf({ preset: 'torch' }), { preset: 'torch', lr: 0.01, rho: 0.99, epsilon: 1e-8 });
  assert.equal(configOf({ preset: 'tf1', lr: 0.1 }), { preset: 'tf1', lr: 0.1, rho: 0.9, epsilon: 1e-10 });
  assert.equal(configOf({ preset: 'optax', lr: 0.1 }), { preset: 'optax', lr: 0.1, rho: 0.9, epsilon: 1e-8 });
  assert.equal(configOf({ preset: 'tfjs', lr: 0.1 }), { preset: 'tfjs', lr: 0.1, rho: 0.9, epsilon: 1e-7 });
  for (const preset of ['tf1', 'optax', 'tfjs'] as const)
    refused('E_CONFIG', () => configOf({ preset }), /no default learning rate/);
  refused('E_CONFIG', () => configOf({ preset: 'adam' as Preset }), /one of keras2, keras3, tf1, torch, optax, tfjs/);
});

test('options have the names of their origin, too', () => {
  for (const [spelled, ours] of [
    [{ learning_rate: 0.1 }, { lr: 0.1 }],
    [{ learningRate: 0.1 }, { lr: 0.1 }],
    [
      { preset: 'keras3', learning_rate: 0.1, weight_decay: 0.01, global_clipnorm: 2, use_ema: true, ema_momentum: 0.9 },
      { preset: 'keras3', lr: 0.1, weightDecay: 0.01, globalClipnorm: 2, useEma: true, emaMomentum: 0.9 },
    ],
    [
      { preset: 'keras3', use_ema: true, ema_overwrite_frequency: 5, loss_scale_factor: 8, gradient_accumulation_steps: 4 },
      { preset: 'keras3', useEma: true, emaOverwriteFrequency: 5, lossScale: 8, gradientAccumulationSteps: 4 },
    ],
    [
      { preset: 'torch', lr: 0.1, alpha: 0.5, eps: 1e-3, weight_decay: 0.1, momentum: 0.9, centered: true },
      { preset: 'torch', lr: 0.1, rho: 0.5, epsilon: 1e-3, weightDecay: 0.1, momentum: 0.9, centered: true },
    ],
    [
      {
        preset: 'optax',
        learning_rate: 0.1,
        decay: 0.5,
        eps: 1e-3,
        initial_scale: 1,
        eps_in_sqrt: false,
        momentum: 0.9,
        nesterov: true,
      },
      { preset: 'optax', lr: 0.1, rho: 0.5, epsilon: 1e-3, initialScale: 1, epsInSqrt: false, momentum: 0.9, nesterov: true },
    ],
    [
      { preset: 'tf1', learning_rate: 0.1, decay: 0.5 },
      { preset: 'tf1', lr: 0.1, rho: 0.5 },
    ],
    [
      { preset: 'tfjs', learningRate: 0.1, decay: 0.5 },
      { preset: 'tfjs', lr: 0.1, rho: 0.5 },
    ],
  ] as [RMSpropOptions, RMSpropOptions][])
    assert.equal(configOf(spelled), configOf(ours), JSON.stringify(spelled));
});

test('what a preset does not have is refused, with the presets that have it', () => {
  for (const [options, text] of [
    [{ momentum: 0.9 }, /preset keras2 has no option "momentum"; it is one of keras3, tf1, torch, optax, tfjs/],
    [{ alpha: 0.9 }, /preset keras2 has no option "alpha"; it is one of torch/],
    [{ preset: 'keras3', decay: 0.1 }, /preset keras3 has no option "decay"; it is one of keras2, tf1, optax, tfjs/],
    [{ preset: 'keras3', nesterov: true }, /it is one of optax/],
    [{ preset: 'torch', rho: 0.9, alpha: 0.9 }, /rho is given twice, once as "alpha"/],
    [{ preset: 'torch', clipnorm: 1 }, /preset torch has no option "clipnorm"/],
    [{ preset: 'torch', decay: 1 }, /preset torch has no option "decay"/],
    [{ preset: 'tfjs', lr: 1, weightDecay: 1 }, /preset tfjs has no option "weightDecay"/],
    [{ preset: 'keras3', clipnorm: 1, clipvalue: 1 }, /takes one of clipnorm and clipvalue/],
    [{ preset: 'tf1', lr: 1, clipnorm: 1, globalClipnorm: 1 }, /exclude each other/],
    [{ preset: 'keras3', globalClipnorm: 1, groups: [{ match: 'k', clipnorm: 1 }] }, /groups\[0\]\.clipnorm and globalClipnorm/],
    [{ preset: 'optax', lr: 1, nesterov: true }, /nesterov needs a momentum/],
    [{ preset: 'keras3', emaOverwriteFrequency: 3 }, /needs useEma/],
    [
      { preset: 'keras3', lr: 1, weightDecay: 3 },
      /learning rate of step 0 must be a number from 0 to 0\.6\d+, .*weightDecay times lr at most 2; got 1/,
    ],
    [{ preset: 'keras3', lr: 1, groups: [{ match: 'k', weightDecay: 3 }] }, /weightDecay times lr at most 2/],
    [{ lr: 10, groups: [{ match: 'k', lrMultiplier: 1e6 }] }, /from 0 to 1, since lr times a group's lrMultiplier/],
    [{ lossScale: 1e-9 }, /maxAbs \/ lossScale must be at most 1e15/],
    [{ lossScale: 'fast' }, /lossScale must be a number, "dynamic"/],
    [{ lossScale: { initial: 0 } }, /lossScale\.initial must be/],
    [{ lr: null }, /lr must be a learning rate; got null/],
    [{ lr: 0.1, learning_rate: 0.1 }, /lr is given twice/],
    [{ lr: { type: 'cosine', initialLearningRate: 0.1, decaySteps: 10 }, decay: 0.1 }, /decay is for an lr that is a number/],
    [{ groups: [{ match: '(' }] }, /groups\[0\]\.match must be a regular expression/],
    [{ groups: [{ match: 'k', momentum: 0.9 }] }, /unknown groups\[0\] option "momentum"/],
    [{ groups: [{ match: 'k', constraint: { type: 'maxNorm', axis: 5 } }] }, /axis/],
    [{ groups: { match: 'k' } }, /groups must be a list/],
    [{ gradientAccumulationSteps: 0 }, /gradientAccumulationSteps must be an integer from 1/],
    [{ gradientAcumulationSteps: 2 }, /did you mean "gradientAccumulationSteps"/],
    [{ kernel: 'scalar', threads: { count: 2, attach: () => () => undefined } }, /threads work with kernel "simd" alone/],
    [{ initial: 3 }, /initial is an object or a Map/],
  ] as unknown as [RMSpropOptions, RegExp][])
    refused('E_CONFIG', () => configOf(options), text);
});

test('a learning rate that is a function works, and getConfig names it where it cannot be written down', () => {
  const warm = (t: number) => 0.1 * (t + 1);
  const optimizer = new RMSprop(model, { lr: warm });
  const batch = { 'dense/bias': Float32Array.of(1, 2) };
  assert.equal(
    [1, 2, 3].map(() => optimizer.step(batch).learningRate),
    [0.1, 0.2, 0.1 * 3].map(Math.fround),
  );
  refused('E_CONFIG', () => optimizer.getConfig(), /lr is a function \("warm"\), which cannot be serialized/);
  const bad = new RMSprop(model, { lr: (t) => (t === 1 ? Number.NaN : 0.1) });
  bad.step(batch);
  const before = bad.state();
  refused('E_CONFIG', () => bad.step(batch), /step 1/);
  assert.equal(bad.state(), before);
});

test('a schedule is held to what the other options allow, before anything changes; frozen tensors ask for nothing', () => {
  const growing = { type: 'exponential', initialLearningRate: 0.5, decaySteps: 1, decayRate: 2 } as const;
  const optimizer = new RMSprop(model, { preset: 'keras3', lr: growing, weightDecay: 2 });
  const batch = { 'dense/bias': Float32Array.of(1, 2) };
  optimizer.step(batch);
  optimizer.step(batch);
  const before = optimizer.state();
  refused('E_CONFIG', () => optimizer.step(batch), /learning rate of step 2 must be a number from 0 to 1, .*; got 2/);
  assert.equal(optimizer.state(), before);
  const frozen = [{ match: '.', frozen: true, weightDecay: 1000, lrMultiplier: 1e6 }];
  assert.ok(new RMSprop(model, { preset: 'keras3', lr: 1, groups: frozen }));
});

test('fromConfig reads what Keras 2, Keras 3 and TF.js write', () => {
  const read = (config: object) => RMSprop.fromConfig(config, model).getConfig();
  const keras23 = { class_name: 'RMSprop', config: { learning_rate: 0.01, rho: 0.8, decay: 0.5, epsilon: 1e-7 } };
  assert.equal(read(keras23), { lr: 0.01, rho: 0.8, decay: 0.5, epsilon: 1e-7 });
  const tfKeras = { name: 'RMSprop', learning_rate: 0.001, decay: 0.0, rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false };
  assert.equal(read({ class_name: 'RMSprop', config: tfKeras }), { lr: 0.001, rho: 0.9, decay: 0, epsilon: 1e-7 });
  const keras3 = {
    name: 'rmsprop',
    learning_rate: {
      module: 'keras.optimizers.schedules',
      class_name: 'ExponentialDecay',
      config: { initial_learning_rate: 0.1, decay_steps: 100, decay_rate: 0.5, staircase: true, name: 'ExponentialDecay' },
      registered_name: null,
    },
    weight_decay: 0.004,
    clipnorm: null,
    global_clipnorm: null,
    clipvalue: null,
    use_ema: false,
    ema_momentum: 0.99,
    ema_overwrite_frequency: null,
    loss_scale_factor: null,
    gradient_accumulation_steps: null,
    rho: 0.9,
    momentum: 0.5,
    epsilon: 1e-7,
    centered: true,
  };
  assert.equal(read({ module: 'keras.optimizers', class_name: 'RMSprop', config: keras3, registered_name: null }), {
    preset: 'keras3',
    lr: { type: 'exponential', initialLearningRate: 0.1, decaySteps: 100, decayRate: 0.5, staircase: true },
    rho: 0.9,
    epsilon: 1e-7,
    momentum: 0.5,
    centered: true,
    weightDecay: 0.004,
  });
  const tfjs = { learningRate: 0.01, decay: 0.8, momentum: 0.5, epsilon: 1e-6, centered: true };
  const expected = { preset: 'tfjs', lr: 0.01, rho: 0.8, epsilon: 1e-6, momentum: 0.5, centered: true };
  assert.equal(read({ className: 'RMSProp', config: tfjs }), expected);
  assert.equal(read(tfjs), expected);
  const snake = { learning_rate: 0.01, decay: 0.8, momentum: 0.5, epsilon: 1e-6, centered: true };
  assert.equal(read({ class_name: 'RMSProp', config: snake }), expected);
  refused('E_CONFIG', () => read({ class_name: 'Adam', config: {} }), /configuration of "Adam", not of RMSprop/);
  refused('E_CONFIG', () => RMSprop.fromConfig('x' as never), /object/);
  refused('E_CONFIG', () => RMSprop.fromConfig(null as never), /object/);
});

test('every part of a configuration comes back from JSON', () => {
  const options: RMSpropOptions = {
    preset: 'keras3',
    lr: { type: 'cosine', initialLearningRate: 0.1, decaySteps: 100, warmupTarget: 0.5, warmupSteps: 10 },
    rho: 0.95,
    momentum: 0.9,
    weightDecay: 0.01,
    excludeFromWeightDecay: ['bias$'],
    clipvalue: 2,
    useEma: true,
    emaMomentum: 0.9,
    emaOverwriteFrequency: 7,
    gradientAccumulationSteps: 2,
    lossScale: { initial: 64, growthSteps: 10 },
    groups: [
      { match: '^dense/kernel$', lrMultiplier: 0.5, rho: 0.8, constraint: { type: 'maxNorm', maxValue: 3 } },
      { match: 'b', frozen: true },
    ],
    constraint: { type: 'nonNeg' },
    sparse: 'lazy',
    maxAbs: 1e6,
  };
  const config = configOf(options);
  const again = RMSprop.fromConfig(JSON.parse(JSON.stringify(config)) as RMSpropConfig, model).getConfig();
  assert.equal(again, config);
  for (const name of Object.keys(options)) assert.ok(name in config, name);
});

test.run();
