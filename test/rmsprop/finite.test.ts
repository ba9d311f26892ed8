// What docs/SEMANTICS.md promises of the limits: parameters and accumulators stay finite, whatever comes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';

type Options = NonNullable<ConstructorParameters<typeof RMSprop>[1]>;

const largest = 0.9999999;
const extremes: Options[] = [
  { lr: 1e6, rho: largest, epsilon: 1e-30 },
  { lr: 1e6, rho: 0, epsilon: 1e-30 },
  { lr: 1e6, maxAbs: 1e15, gradientAccumulationSteps: 3 },
  { lossScale: 1e-30 },
  { lossScale: 1e-12 },
  { lossScale: 1e-3, maxAbs: 1e15 },
  { preset: 'keras3', lr: 1e6, rho: largest, momentum: largest, epsilon: 1e-30 },
  { preset: 'keras3', lr: 1e6, weightDecay: 1000 },
  { preset: 'keras3', lr: 1, weightDecay: 3 },
  { preset: 'torch', lr: 1e6, weightDecay: 1000, groups: [{ match: 'w', lrMultiplier: 1e6 }] },
  { preset: 'keras3', lr: 1e6, centered: true, rho: 0, epsilon: 1e-30 },
  { preset: 'keras3', centered: true, momentum: largest },
  { preset: 'tf1', lr: 1e6, rho: largest, momentum: largest, centered: true },
  { preset: 'torch', lr: 1e6, rho: largest, momentum: largest, weightDecay: 1000 },
  { preset: 'optax', lr: 1e6, rho: largest, momentum: largest, nesterov: true, initialScale: 1e15 },
  { preset: 'tfjs', lr: 1e6, rho: 0, centered: true, momentum: largest },
];

/** The optimizer, or nothing where the options are refused, which is as good. */
function made(options: Options): RMSprop | undefined {
  try {
    return new RMSprop(layout({ w: [8] }), options);
  } catch (error) {
    if (error instanceof GradwireError && error.code === 'E_CONFIG') return undefined;
    throw error;
  }
}

for (const options of extremes)
  test(`parameters and accumulators stay finite whatever comes, or the options are refused: ${JSON.stringify(options)}`, () => {
    const most = options.maxAbs ?? 1e9;
    for (const constant of [true, false]) {
      const optimizer = made(options);
      for (let i = 0; i < 300; i++) {
        const sign = constant || i % 2 === 0 ? 1 : -1;
        optimizer?.step({ w: Float32Array.of(most, -most, 1e-20, 1e-38, 1, -1e-10, 12345, 0).map((each) => each * sign) });
      }
      if (optimizer === undefined) continue;
      const state = optimizer.state();
      assert.ok(state.parameters.every(Number.isFinite), `parameters ${state.parameters}`);
      assert.ok(state.accumulator.every(Number.isFinite), `accumulators ${state.accumulator}`);
      optimizer.restore(state);
    }
  });

test.run();
