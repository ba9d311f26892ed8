// Each preset against the numbers of its origin's own tests and documentation, and against its update function in float64.
// The numbers are upstream's, and each test names the file they stand in; tolerances are float32's, or upstream's where its are wider.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { chance } from '../support/random.ts';
import { keras2Update, optaxUpdate, tensorflow1Update, tfjsUpdate, torchUpdate, type Update } from './upstream.ts';

const f = (...values: number[]) => Float32Array.from(values);

/** Asserts |found − expected| ≤ relative · |expected| + absolute, value by value: numpy's assert_allclose. */
function close(found: ArrayLike<number> | undefined, expected: readonly number[], relative = 1e-6, absolute = 1e-6): void {
  assert.is(found?.length, expected.length);
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs((found?.[i] ?? Number.NaN) - value);
    assert.ok(difference <= relative * Math.abs(value) + absolute, `[${i}] is ${found?.[i]}, expected ${value}`);
  }
}

/** Folds 200 random gradients with the optimizer in float32 and with upstream's update function in float64. */
function agrees(options: ConstructorParameters<typeof RMSprop>[1], update: Update, tolerance = 1e-5): void {
  const random = chance(5);
  const draw = () => Float32Array.from({ length: 16 }, () => random() * 4 - 2);
  const initial = draw();
  const optimizer = new RMSprop(layout({ w: [16] }), { ...options, initial: { w: initial } });
  const p = [...initial];
  const state = p.map(() => ({}));
  for (let t = 0; t < 200; t++) {
    const gradient = draw();
    optimizer.step({ w: gradient });
    for (const [i, g] of gradient.entries()) p[i] = update(p[i], g, state[i], t);
    close(optimizer.parameters.get('w'), p, tolerance, tolerance);
  }
}

// keras-team/keras, keras/src/optimizers/rmsprop_test.py: test_single_step
test('keras3: one step is that of Keras 3’s own test', () => {
  const optimizer = new RMSprop(layout({ v: [4] }), { preset: 'keras3', learning_rate: 0.5, initial: { v: f(1, 2, 3, 4) } });
  optimizer.step({ v: f(1, 6, 7, 2) });
  close(optimizer.parameters.get('v'), [-0.5811, 0.4189, 1.4189, 2.4189], 1e-4, 1e-4);
});

// keras/src/optimizers/rmsprop_test.py: test_correctness_with_golden, whose tolerances are 5e-4
test('keras3: the centered mean square gives the golden table of Keras 3’s own test', () => {
  const optimizer = new RMSprop(layout({ x: [10] }), {
    preset: 'keras3',
    centered: true,
    initial: { x: new Float32Array(10).fill(1) },
  });
  const gradient = Float32Array.from({ length: 10 }, (_, i) => 0.1 * (i + 1));
  optimizer.step({ x: new Float32Array(10).fill(0.01) });
  for (const value of [0.9967, 0.9933, 0.9908, 0.9885, 0.9864]) {
    close(optimizer.parameters.get('x'), new Array(10).fill(value), 5e-4, 5e-4);
    optimizer.step({ x: gradient });
  }
});

// keras/src/optimizers/rmsprop_test.py: test_weight_decay, whose first variable is folded three times
test('keras3: decoupled weight decay and its exclusions give the numbers of Keras 3’s own test', () => {
  const optimizer = new RMSprop(layout({ var1: [], exclude: [] }), {
    preset: 'keras3',
    learning_rate: 1,
    weight_decay: 0.004,
    excludeFromWeightDecay: ['exclude'],
    initial: { var1: f(2), exclude: f(2) },
  });
  for (let i = 0; i < 3; i++) optimizer.step({ var1: f(0), exclude: f(0) });
  close(optimizer.parameters.get('var1'), [1.9760959], 0, 1e-6);
  close(optimizer.parameters.get('exclude'), [2], 0, 0);
});

// keras/src/optimizers/rmsprop_test.py: test_clip_norm, test_clip_value; optimizer_test.py: test_global_clip_norm
test('keras3: each clip gives the gradients of Keras 3’s own tests, seen in the mean square that they leave', () => {
  const square = (options: object, gradient: Float32Array) => {
    const optimizer = new RMSprop(layout({ w: [2] }), { preset: 'keras3', rho: 0, ...options });
    optimizer.step({ w: gradient });
    return [...optimizer.state().accumulator];
  };
  close(square({ clipnorm: 1 }, f(100, 100)), [0.5, 0.5]);
  close(square({ clipvalue: 1 }, f(100, 100)), [1, 1]);
  close(square({ global_clipnorm: 1 }, f(50, 100)), [0.2, 0.8]);
});

// keras/src/optimizers/optimizer_test.py: test_gradient_accumulation
test('keras3: the sums of accumulated gradients are those of Keras 3’s own test', () => {
  const options = { preset: 'keras3', learning_rate: 1, gradient_accumulation_steps: 3, initial: { v: f(1, 2) } } as const;
  const optimizer = new RMSprop(layout({ v: [2] }), options);
  for (const [sum, updated] of [
    [1, false],
    [2, false],
    [0, true],
    [1, false],
  ] as const) {
    const before = optimizer.parameters.copy('v');
    assert.is(optimizer.step({ v: f(1, 1) }).updated, updated);
    close(optimizer.state().gradientSum, [sum, sum], 0, 0);
    assert.is(optimizer.parameters.get('v')[0] !== before[0], updated);
  }
});

// tensorflow/tensorflow, tensorflow/python/training/rmsprop_test.py: _TEST_PARAM_VALUES and testDense
test('tf1: the cases of TensorFlow 1’s own dense test agree with its numpy reference', () => {
  for (const [learning_rate, decay, momentum, epsilon, centered] of [
    [0.5, 0.9, 0, 1e-3, true],
    [0.5, 0.9, 0, 1e-3, false],
    [0.1, 0.9, 0, 1e-3, true],
    [0.5, 0.95, 0, 1e-3, false],
    [0.5, 0.95, 0, 1e-5, true],
    [0.5, 0.95, 0.9, 1e-5, true],
  ] as const) {
    const options = { preset: 'tf1', learning_rate, decay, momentum, epsilon, centered } as const;
    const initial = { var0: f(1, 2), var1: f(3, 4) };
    const optimizer = new RMSprop(layout({ var0: [2], var1: [2] }), { ...options, initial });
    const update = tensorflow1Update({ lr: learning_rate, decay, momentum, epsilon, centered });
    const gradients = [0.1, 0.2, 0.01, 0.2];
    const p = [1, 2, 3, 4];
    const state = p.map(() => ({ rms: 1, mg: 0, mom: 0 }));
    for (let t = 0; t < 4; t++) {
      optimizer.step({ var0: f(0.1, 0.2), var1: f(0.01, 0.2) });
      for (const [i, g] of gradients.entries()) p[i] = update(p[i], g, state[i], t);
      const found = optimizer.state();
      close(found.parameters, p);
      close(
        found.accumulator,
        state.map(({ rms }) => rms),
      );
      close(
        found.momentum,
        state.map(({ mom }) => mom),
      );
      if (centered)
        close(
          found.meanGradient,
          state.map(({ mg }) => mg),
        );
    }
  }
});

// rmsprop_test.py: testWithoutMomentum and testWithMomentum, whose expected values are written out as expressions
test('tf1: the first two steps are the expressions of TensorFlow 1’s own tests, with and without momentum', () => {
  for (const [momentum, epsilon] of [
    [0, 1],
    [0.5, 1e-5],
  ] as const) {
    const initial = { var0: f(1, 2), var1: f(3, 4) };
    const options = { preset: 'tf1', lr: 2, decay: 0.9, momentum, epsilon, initial } as const;
    const optimizer = new RMSprop(layout({ var0: [2], var1: [2] }), options);
    const first = [(0.1 * 2) / Math.sqrt(0.901 + epsilon), (0.01 * 2) / Math.sqrt(0.90001 + epsilon)];
    const root = [Math.sqrt(0.901 * 0.9 + 0.001 + epsilon), Math.sqrt(0.90001 * 0.9 + 1e-5 + epsilon)];
    const second = [momentum * first[0] + (0.1 * 2) / root[0], momentum * first[1] + (0.01 * 2) / root[1]];
    optimizer.step({ var0: f(0.1, 0.1), var1: f(0.01, 0.01) });
    close(optimizer.state().accumulator, [0.901, 0.901, 0.90001, 0.90001]);
    close(optimizer.parameters.flat, [1 - first[0], 2 - first[0], 3 - first[1], 4 - first[1]]);
    optimizer.step({ var0: f(0.1, 0.1), var1: f(0.01, 0.01) });
    const both = [first[0] + second[0], first[1] + second[1]];
    close(optimizer.state().momentum, [second[0], second[0], second[1], second[1]]);
    close(optimizer.parameters.flat, [1 - both[0], 2 - both[0], 3 - both[1], 4 - both[1]]);
  }
});

// rmsprop_test.py: testMinimizeSparseResourceVariableCentered; the loss (x · [4, 5])² at [1, 2] has the gradient [112, 140]
test('tf1: a row of a centered optimizer gives the numbers of TensorFlow 1’s own sparse test, to the bit', () => {
  const options = { preset: 'tf1', lr: 1, decay: 0, epsilon: 1, centered: true, sparse: 'lazy' } as const;
  const optimizer = new RMSprop(layout({ table: [1, 2] }), { ...options, initial: { table: f(1, 2) } });
  optimizer.step({ table: { rows: Int32Array.of(0), values: f(112, 140) } });
  close(optimizer.parameters.get('table'), [-111, -138], 0, 0);
});

// tensorflow/tfjs, tfjs-core/src/optimizers/rmsprop_optimizer_test.ts: 'basic' and both 'Save and load weights'
test('tfjs: minimizing Σx² gives the numbers of TensorFlow.js’ own tests, centered or not', () => {
  for (const [centered, expected] of [
    [
      false,
      [
        [0.5527865, 1.5527864],
        [0.2874418, 1.2294267],
      ],
    ],
    [
      true,
      [
        [0.5411684, 1.5411685],
        [0.2677834, 1.2035918],
      ],
    ],
  ] as const) {
    const options = { preset: 'tfjs', learningRate: 0.1, decay: 0.95, momentum: 0.1, centered } as const;
    const optimizer = new RMSprop(layout({ x: [2] }), { ...options, initial: { x: f(1, 2) } });
    for (const row of expected) {
      optimizer.step({ x: optimizer.parameters.get('x').map((x) => 2 * x) });
      close(optimizer.parameters.get('x'), row, 1e-6, 1e-6);
    }
    const cost = optimizer.parameters.get('x').reduce((sum, x) => sum + x * x, 0);
    if (centered) close([cost], [1.520341], 1e-6, 1e-6);
  }
});

// google-deepmind/optax, optax/_src/alias.py: the example in the docstring of rmsprop
test('optax: minimizing Σx² prints what the example of its documentation prints', () => {
  const options = { preset: 'optax', learning_rate: 0.003, initial: { x: f(1, 2, 3) } } as const;
  const optimizer = new RMSprop(layout({ x: [3] }), options);
  const objective = () => optimizer.parameters.get('x').reduce((sum, x) => sum + x * x, 0);
  assert.is(objective(), 14);
  for (const printed of [13.9, 13.8, 13.7, 13.7, 13.6]) {
    optimizer.step({ x: optimizer.parameters.get('x').map((x) => 2 * x) });
    assert.is(Number(objective().toPrecision(3)), printed);
  }
});

test('keras2: 200 random steps agree with Keras 2.3.1’s RMSprop.get_updates in float64, decay and clipping included', () => {
  agrees({ lr: 0.01, rho: 0.9, epsilon: 1e-7 }, keras2Update({ lr: 0.01, rho: 0.9, epsilon: 1e-7 }));
  agrees({ lr: 0.01, decay: 0.1, clipvalue: 1 }, keras2Update({ lr: 0.01, rho: 0.9, epsilon: 1e-8, decay: 0.1, clipvalue: 1 }));
});

test('torch: 200 random steps agree with PyTorch’s _single_tensor_rmsprop in float64, option by option', () => {
  for (const momentum of [0, 0.9])
    for (const centered of [false, true])
      for (const weight_decay of [0, 0.01])
        for (const alpha of [0.99, 0.9]) {
          const options = { lr: 0.01, alpha, eps: 1e-8, momentum, centered, weight_decay };
          agrees({ preset: 'torch', ...options }, torchUpdate(options));
        }
});

test('optax: 200 random steps agree with scale_by_rms, scale_by_stddev and trace in float64, option by option', () => {
  for (const momentum of [0, 0.9])
    for (const nesterov of momentum > 0 ? [false, true] : [false])
      for (const eps_in_sqrt of [false, true])
        for (const initial_scale of [0, 1])
          for (const centered of [false, true]) {
            const options = {
              learning_rate: 0.01,
              decay: 0.9,
              eps: 1e-4,
              momentum,
              nesterov,
              eps_in_sqrt,
              initial_scale,
              centered,
            };
            agrees({ preset: 'optax', ...options }, optaxUpdate(options));
          }
});

test('tfjs and tf1: 200 random steps agree with their update functions in float64', () => {
  for (const momentum of [0, 0.9])
    for (const centered of [false, true]) {
      const options = { decay: 0.9, momentum, epsilon: 1e-4, centered };
      agrees({ preset: 'tfjs', learningRate: 0.01, ...options }, tfjsUpdate({ lr: 0.01, ...options }));
      agrees({ preset: 'tf1', learning_rate: 0.01, ...options }, tensorflow1Update({ lr: 0.01, ...options }));
    }
});

test('keras3: 200 random steps agree with RMSprop.update_step in float64, which is TensorFlow.js’ but for weight decay', () => {
  for (const momentum of [0, 0.9])
    for (const centered of [false, true])
      for (const weightDecay of [0, 0.004]) {
        const update = tfjsUpdate({ lr: 0.01, decay: 0.9, momentum, epsilon: 1e-4, centered });
        // base_optimizer.py, _apply_weight_decay: variable -= variable · weight_decay · learning_rate, before update_step
        const decayed: Update = (p, g, state, t) => update(p - p * weightDecay * 0.01, g, state, t);
        agrees({ preset: 'keras3', lr: 0.01, epsilon: 1e-4, momentum, centered, weightDecay }, decayed);
      }
});

test.run();
