// Learning-rate schedules as data: what is read, written back, and refused.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkedRate, configOfRate, learningRateOf, rateAt, type Schedule } from '../../src/rmsprop/schedules/schedules.ts';
import { refused } from '../support/refused.ts';

/** The rate of step t as the kernel takes it. */
const float32Rate = (rate: Parameters<typeof checkedRate>[0], t: number): number => Math.fround(checkedRate(rate, t));

const anyRate = fc.double({ min: 0, max: 10, noNaN: true });
const anySteps = fc.integer({ min: 1, max: 500 });
const { schedule: anySchedule } = fc.letrec<{ schedule: Schedule }>((tie) => ({
  schedule: fc.oneof(
    { maxDepth: 3 },
    fc.record(
      {
        type: fc.constantFrom('inverseTime' as const, 'exponential' as const),
        initialLearningRate: anyRate,
        decaySteps: anySteps,
        decayRate: fc.double({ min: 0, max: 1, noNaN: true }),
        staircase: fc.boolean(),
      },
      { requiredKeys: ['type', 'initialLearningRate', 'decaySteps', 'decayRate'] },
    ),
    fc.record(
      {
        type: fc.constant('cosine' as const),
        initialLearningRate: anyRate,
        decaySteps: anySteps,
        alpha: fc.double({ min: 0, max: 1, noNaN: true }),
        warmupTarget: fc.option(anyRate),
        warmupSteps: anySteps,
      },
      { requiredKeys: ['type', 'initialLearningRate', 'decaySteps'] },
    ),
    fc.record(
      {
        type: fc.constant('polynomial' as const),
        initialLearningRate: anyRate,
        decaySteps: fc.double({ min: 1, max: 100, noNaN: true }),
        endLearningRate: anyRate,
        power: fc.double({ min: 0, max: 5, noNaN: true }),
        cycle: fc.boolean(),
      },
      { requiredKeys: ['type', 'initialLearningRate', 'decaySteps'] },
    ),
    fc.record({ type: fc.constant('sum' as const), of: fc.array(tie('schedule'), { minLength: 1, maxLength: 3 }) }),
    fc.record({
      type: fc.constant('sequence' as const),
      of: fc.array(fc.record({ schedule: tie('schedule'), steps: anySteps }), { minLength: 1, maxLength: 3 }),
    }),
  ),
}));

test('any schedule survives JSON with the same values, in camelCase and in snake_case, and is never negative', () => {
  const snake = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(snake);
    if (typeof value !== 'object' || value === null) return value;
    const lower = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [lower(key), snake(each)]));
  };
  fc.assert(
    fc.property(anySchedule, fc.array(fc.integer({ min: 0, max: 1e6 })), (schedule, times) => {
      const rate = learningRateOf(schedule);
      const again = learningRateOf(JSON.parse(JSON.stringify(configOfRate(rate))));
      const lower = learningRateOf(snake(schedule));
      assert.equal(configOfRate(again), configOfRate(rate));
      assert.equal(configOfRate(lower), configOfRate(rate));
      for (const t of times) {
        const value = rateAt(rate, t);
        assert.ok(value >= 0, `${value} at ${t}`);
        assert.is(rateAt(again, t), value);
        assert.is(float32Rate(lower, t), Math.fround(value));
      }
    }),
    { numRuns: 500, seed: 7 },
  );
});

test('a schedule comes back frozen to its last array, with every default filled in, and is a copy', () => {
  const given = { type: 'polynomial', initial_learning_rate: 0.1, decay_steps: 5 };
  assert.equal(learningRateOf(given), {
    type: 'polynomial',
    initialLearningRate: 0.1,
    decaySteps: 5,
    endLearningRate: 1e-4,
    power: 1,
    cycle: false,
  });
  const boundaries = [1];
  const rate = learningRateOf({
    type: 'sum',
    of: [{ type: 'sequence', of: [{ schedule: { type: 'piecewiseConstant', boundaries, values: [1, 2] } }] }],
  });
  boundaries[0] = 5;
  assert.is(rateAt(rate, 2), 2);
  const thaw = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && !(Object.isFrozen(value) && !Object.values(value).some(thaw));
  assert.not(thaw(rate));
});

test("Keras' JSON of each of its schedules is read", () => {
  const read = (class_name: string, config: object) =>
    learningRateOf({
      module: 'keras.optimizers.schedules',
      class_name,
      config: { ...config, name: 'any' },
      registered_name: null,
    });
  const decaying = { initial_learning_rate: 0.05, decay_steps: 10, decay_rate: 0.96, staircase: true };
  const ours = { initialLearningRate: 0.05, decaySteps: 10, decayRate: 0.96, staircase: true };
  assert.equal(read('ExponentialDecay', decaying), { type: 'exponential', ...ours });
  assert.equal(read('InverseTimeDecay', decaying), { type: 'inverseTime', ...ours });
  assert.equal(read('PiecewiseConstantDecay', { boundaries: [10, 20], values: [1, 2, 3] }), {
    type: 'piecewiseConstant',
    boundaries: [10, 20],
    values: [1, 2, 3],
  });
  // the config in the docstring of keras.optimizers.schedules.deserialize
  const documented = { cycle: false, decay_steps: 10_000, end_learning_rate: 0.01, initial_learning_rate: 0.1, power: 0.5 };
  const documentedKeras = { class_name: 'PolynomialDecay', config: { ...documented, name: null } };
  assert.equal(learningRateOf(documentedKeras), {
    type: 'polynomial',
    initialLearningRate: 0.1,
    decaySteps: 10_000,
    endLearningRate: 0.01,
    power: 0.5,
    cycle: false,
  });
  const cosine = { initial_learning_rate: 0.05, decay_steps: 10, alpha: 0.1, warmup_target: null, warmup_steps: 0 };
  assert.equal(read('CosineDecay', cosine), {
    type: 'cosine',
    initialLearningRate: 0.05,
    decaySteps: 10,
    alpha: 0.1,
    warmupTarget: null,
    warmupSteps: 0,
  });
  const restarts = { initial_learning_rate: 0.05, first_decay_steps: 10, t_mul: 3, m_mul: 4, alpha: 0.1 };
  assert.equal(read('CosineDecayRestarts', restarts), {
    type: 'cosineRestarts',
    initialLearningRate: 0.05,
    firstDecaySteps: 10,
    tMul: 3,
    mMul: 4,
    alpha: 0.1,
  });
  const nested = learningRateOf({ type: 'sum', of: [documentedKeras] });
  assert.is(rateAt(nested, 0), 0.1);
});

test('a number is a number > 0 in float32, at most 1e6; a function is asked for every step', () => {
  for (const lr of [1e-45, 0.001, 1e6]) {
    assert.is(learningRateOf(lr), lr);
    assert.is(float32Rate(lr, 5), Math.fround(lr));
    assert.is(configOfRate(lr), lr);
  }
  const rate = learningRateOf((t: number) => 1 / (t + 1));
  assert.is(rateAt(rate, 2), 1 / 3);
  assert.is(float32Rate(rate, 2), Math.fround(1 / 3));
  for (const wrong of [0, -1, 1e-46, 1e6 + 1, Number.NaN, Number.POSITIVE_INFINITY, '0.1', true, null, undefined, 1n])
    refused(
      'E_CONFIG',
      () => learningRateOf(wrong),
      /^lr must be a number > 0, at most 1e6, a schedule, or a function of the step; got/,
    );
});

test('a rate that is no number from 0 to 1e6 is refused when its step comes, and the step is named', () => {
  for (const value of [Number.NaN, -1e-9, Number.POSITIVE_INFINITY, 1e6 + 0.01, '0.1', undefined, 1n])
    refused(
      'E_CONFIG',
      () =>
        float32Rate(
          learningRateOf(() => value),
          17,
        ),
      /^the learning rate of step 17 must be a number from 0 to 1e6/,
    );
  const growing = learningRateOf({ type: 'exponential', initialLearningRate: 1, decaySteps: 1, decayRate: 10 });
  assert.is(float32Rate(growing, 6), 1e6);
  refused('E_CONFIG', () => float32Rate(growing, 7), /of step 7 must be a number from 0 to 1e6; got 10000000$/);
  refused('E_CONFIG', () => float32Rate(growing, 2 ** 50), /got Infinity/);
  assert.is(
    float32Rate(() => 0, 3),
    0,
  );
});

test('a function cannot be serialized, and the error names it', () => {
  function warmup(t: number): number {
    return t;
  }
  refused('E_CONFIG', () => configOfRate(warmup), /^lr is a function \("warmup"\), which cannot be serialized/);
  refused(
    'E_CONFIG',
    () =>
      configOfRate(
        (
          () => () =>
            1
        )(),
      ),
    /without a name/,
  );
});

const good = { type: 'exponential', initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.9 };
const flat = { type: 'piecewiseConstant', boundaries: [], values: [1] };
const nestedTooMuch = (): unknown => {
  let all: unknown = flat;
  for (let i = 0; i < 1000; i++) all = { type: 'sum', of: [all] };
  return all;
};
const endless: { type: string; of: unknown[] } = { type: 'sum', of: [] };
endless.of.push(endless, endless);

const refusals: [value: unknown, says: RegExp][] = [
  [[], /^lr must be an object with a type; got an array of 0$/],
  [{}, /^lr\.type must be one of inverseTime, .*; got undefined$/],
  [{ type: 'step' }, /^lr\.type must be one of .*; got "step"$/],
  [{ type: 'constructor' }, /^lr\.type must be one of/],
  [{ ...good, decayStep: 1 }, /^unknown lr option "decayStep"; did you mean "decaySteps"\?$/],
  [{ ...good, name: 'x' }, /^unknown lr option "name"/],
  [JSON.parse('{"type":"sum","of":[],"__proto__":1}'), /^unknown lr option "__proto__"/],
  [{ ...good, decay_steps: 1 }, /^lr\.decaySteps is given twice, as decaySteps and in snake_case$/],
  [{ ...good, decaySteps: 0 }, /^lr\.decaySteps must be a number from 1 to 1e15; got 0$/],
  [{ ...good, decaySteps: '10' }, /^lr\.decaySteps .*; got "10"$/],
  [{ ...good, decaySteps: undefined }, /^lr\.decaySteps .*; got undefined$/],
  [{ ...good, decaySteps: Number.POSITIVE_INFINITY }, /^lr\.decaySteps .*; got Infinity$/],
  [{ ...good, initialLearningRate: -0.1 }, /^lr\.initialLearningRate must be a number from 0 to 1e6; got -0\.1$/],
  [{ ...good, initialLearningRate: Number.NaN }, /^lr\.initialLearningRate .*; got NaN$/],
  [{ ...good, decayRate: null }, /^lr\.decayRate must be a number from 0 to 1e6; got null$/],
  [{ ...good, staircase: 1 }, /^lr\.staircase must be true or false; got 1$/],
  [{ ...good, staircase: null }, /^lr\.staircase must be true or false; got null$/],
  [{ ...good, type: 'polynomial', decayRate: undefined, power: -1 }, /^unknown lr option "decayRate"/],
  [{ type: 'polynomial', initialLearningRate: 1, decaySteps: 1, power: -1 }, /^lr\.power must be a number from 0/],
  [{ type: 'polynomial', initialLearningRate: 1, decaySteps: 1, endLearningRate: null }, /^lr\.endLearningRate .*; got null$/],
  [{ type: 'cosine', initialLearningRate: 1, decaySteps: 1, alpha: -1 }, /^lr\.alpha must/],
  [{ type: 'cosine', initialLearningRate: 1, decaySteps: 1, warmupTarget: -1 }, /^lr\.warmupTarget must/],
  [{ type: 'cosine', initialLearningRate: 1, decaySteps: 1, warmupSteps: -1 }, /^lr\.warmupSteps must/],
  [{ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 0 }, /^lr\.firstDecaySteps must/],
  [{ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 1, tMul: 0.9 }, /^lr\.tMul must be a number from 1/],
  [{ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 1, mMul: -1 }, /^lr\.mMul must/],
  [
    { type: 'piecewiseConstant', boundaries: [1], values: [1] },
    /^lr\.values must be an array of 2, one more than boundaries; got an array of 1$/,
  ],
  [
    { type: 'piecewiseConstant', boundaries: [1, 1], values: [1, 2, 3] },
    /^lr\.boundaries\[1\] must be .* above the boundary before it; got 1$/,
  ],
  [{ type: 'piecewiseConstant', boundaries: [-1], values: [1, 2] }, /^lr\.boundaries\[0\] must/],
  [{ type: 'piecewiseConstant', boundaries: 1, values: [1, 2] }, /^lr\.boundaries must be an array of 0 to 10000 items; got 1$/],
  [{ type: 'piecewiseConstant', boundaries: [1], values: [1, '2'] }, /^lr\.values\[1\] must be a number from 0 to 1e6; got "2"$/],
  [
    { type: 'piecewiseConstant', boundaries: [], values: new Array(10_001).fill(1) },
    /^lr\.values must be an array of 1 to 10000 items; got an array of 10001$/,
  ],
  [{ type: 'sum', of: [] }, /^lr\.of must be an array of 1 to 10000 items; got an array of 0$/],
  [{ type: 'sum', of: [good, { ...good, decaySteps: 0 }] }, /^lr\.of\[1\]\.decaySteps must/],
  [{ type: 'sum', of: [0.1] }, /^lr\.of\[0\] must be an object with a type; got 0\.1$/],
  [
    { type: 'sum', of: new Array(1000).fill(flat) },
    /^lr\.of\[999\] must be left out: a learning rate holds at most 1000 schedules/,
  ],
  [nestedTooMuch(), /at most 1000 schedules/],
  [endless, /at most 1000 schedules/],
  [{ type: 'sequence', of: [] }, /^lr\.of must/],
  [{ type: 'sequence', of: [flat] }, /^unknown lr\.of\[0\] option "type"/],
  [{ type: 'sequence', of: [null] }, /^the lr\.of\[0\] options are an object; got null$/],
  [
    { type: 'sequence', of: [{ schedule: flat }, { schedule: flat }] },
    /^lr\.of\[0\]\.steps must be an integer from 1 to 1e15; got undefined$/,
  ],
  [
    { type: 'sequence', of: [{ schedule: flat, steps: 1.5 }] },
    /^lr\.of\[0\]\.steps must be an integer from 1 to 1e15; got 1\.5$/,
  ],
  [{ type: 'sequence', of: [{ schedule: { ...good, decaySteps: 0 } }] }, /^lr\.of\[0\]\.schedule\.decaySteps must/],
  [
    { class_name: 'MyDecay', config: {} },
    /^lr\.class_name must be one of InverseTimeDecay, ExponentialDecay, .*; got "MyDecay"$/,
  ],
  [{ class_name: undefined, config: {} }, /^lr\.class_name must be one of/],
  [{ class_name: 'ExponentialDecay', config: 1 }, /^lr\.config must be an object; got 1$/],
  [{ class_name: 'ExponentialDecay', config: { decay_rat: 1 } }, /^unknown lr option "decay_rat"/],
  [{ class_name: 'ExponentialDecay', config: {} }, /^lr\.initialLearningRate must be .*; got undefined$/],
  [{ class_name: 'ExponentialDecay', config: {}, registered_name: 'my>ExponentialDecay' }, /^lr\.registered_name must be null/],
  [{ class_name: 'ExponentialDecay', config: {}, extra: 1 }, /^unknown lr option "extra"/],
];

test('what is no schedule is refused, and the message names the field and what it is', () => {
  for (const [value, says] of refusals) refused('E_CONFIG', () => learningRateOf(value), says);
});

test('any value at all is either a learning rate or refused with E_CONFIG', () => {
  const keys = fc.constantFrom(
    'type',
    'of',
    'schedule',
    'steps',
    'class_name',
    'config',
    'boundaries',
    'values',
    'decaySteps',
    '__proto__',
  );
  const types = fc.constantFrom('sum', 'sequence', 'piecewiseConstant', 'exponential', 'ExponentialDecay');
  const anything = fc.anything({
    key: keys,
    values: [types, fc.double(), fc.anything()],
    withNullPrototype: true,
    withBigInt: true,
  });
  fc.assert(
    fc.property(anything, (value) => {
      try {
        learningRateOf(value);
      } catch (error) {
        assert.is((error as { code?: string }).code, 'E_CONFIG', String(error));
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
});

test.run();
