// Learning-rate schedules against Keras' formulas, written here a second time with the engine's own Math, and everything they refuse.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkedRate, configOfRate, learningRateOf, rateAt, type Schedule } from '../../src/rmsprop/schedules/schedules.ts';
import { fingerprint } from '../support/fingerprint.ts';
import { refused } from '../support/refused.ts';

/** The rate of step t as the kernel takes it. */
const float32Rate = (rate: Parameters<typeof checkedRate>[0], t: number): number => Math.fround(checkedRate(rate, t));

const steps = Number(process.env.GRADWIRE_STEPS ?? 10_000);

/** A class of Keras as a closure: parameters in the order of its constructor, then the step. */
const keras = {
  inverseTime: (lr: number, n: number, rate: number, staircase: boolean) => (t: number) => {
    const p = staircase ? (t - (t % n)) / n : t / n;
    return lr / (1 + rate * p);
  },
  exponential: (lr: number, n: number, rate: number, staircase: boolean) => (t: number) =>
    lr * rate ** (staircase ? (t - (t % n)) / n : t / n),
  piecewise: (boundaries: number[], values: number[]) => (t: number) => values[boundaries.filter((b) => t > b).length],
  polynomial: (lr: number, n: number, end: number, power: number, cycle: boolean) => (t: number) => {
    let length = n;
    if (cycle) while (length < t) length += n;
    const step = cycle || t < n ? t : n;
    return (lr - end) * (1 - step / length) ** power + end;
  },
  cosine: (lr: number, n: number, alpha: number, target: number | null, warmup: number) => (t: number) => {
    const start = target === null ? 0 : warmup;
    const top = target === null ? lr : target;
    if (t < start) return lr + ((top - lr) * t) / start;
    const wave = t - start >= n ? 0 : (1 + Math.cos((Math.PI * (t - start)) / n)) / 2;
    return top * (wave * (1 - alpha) + alpha);
  },
  // the loop of np_cosine_decay_restarts in keras/src/optimizers/schedules/learning_rate_schedule_test.py, not the class's logarithm
  restarts: (lr: number, n: number, tMul: number, mMul: number, alpha: number) => (t: number) => {
    let [left, length, top] = [t, n, 1];
    while (left >= length * (1 - 1e-11)) [left, length, top] = [left - length, length * tMul, top * mMul];
    const wave = (top * (1 + Math.cos((Math.PI * Math.max(0, left)) / length))) / 2;
    return lr * (wave * (1 - alpha) + alpha);
  },
};

type Case = readonly [Schedule, (t: number) => number];
const cases: Case[] = [
  ...[1, 7, 1000].flatMap((decaySteps) =>
    [false, true].flatMap((staircase): Case[] => [
      [
        { type: 'inverseTime', initialLearningRate: 0.1, decaySteps, decayRate: 0.96, staircase },
        keras.inverseTime(0.1, decaySteps, 0.96, staircase),
      ],
      [
        { type: 'exponential', initialLearningRate: 0.05, decaySteps, decayRate: 0.96, staircase },
        keras.exponential(0.05, decaySteps, 0.96, staircase),
      ],
      [
        { type: 'exponential', initialLearningRate: 1e-3, decaySteps: 300 * decaySteps, decayRate: 1.01, staircase },
        keras.exponential(1e-3, 300 * decaySteps, 1.01, staircase),
      ],
    ]),
  ),
  [
    { type: 'piecewiseConstant', boundaries: [0, 100, 110, 9000], values: [1, 0.1, 0, 0.01, 0.001] },
    keras.piecewise([0, 100, 110, 9000], [1, 0.1, 0, 0.01, 0.001]),
  ],
  [{ type: 'piecewiseConstant', boundaries: [], values: [0.3] }, () => 0.3],
  ...[0, 0.5, 1, 2, 3.7].flatMap((power) =>
    [false, true].flatMap((cycle) =>
      [10, 333, 20_000].map((decaySteps): Case => {
        const ends = { initialLearningRate: 0.05, endLearningRate: 0.001 };
        return [
          { type: 'polynomial', ...ends, decaySteps, power, cycle },
          keras.polynomial(0.05, decaySteps, 0.001, power, cycle),
        ];
      }),
    ),
  ),
  [{ type: 'polynomial', initialLearningRate: 0.1, decaySteps: 77 }, keras.polynomial(0.1, 77, 1e-4, 1, false)],
  ...[0, 0.1, 1, 2].flatMap((alpha) =>
    [10, 1000, 9999].flatMap((decaySteps): Case[] => [
      [{ type: 'cosine', initialLearningRate: 0.3, decaySteps, alpha }, keras.cosine(0.3, decaySteps, alpha, null, 0)],
      [
        { type: 'cosine', initialLearningRate: 0, decaySteps, alpha, warmupTarget: 10, warmupSteps: 1500 },
        keras.cosine(0, decaySteps, alpha, 10, 1500),
      ],
      [
        { type: 'cosine', initialLearningRate: 0.5, decaySteps, alpha, warmupTarget: 0.2, warmupSteps: 0 },
        keras.cosine(0.5, decaySteps, alpha, 0.2, 0),
      ],
      [
        { type: 'cosine', initialLearningRate: 0.5, decaySteps, alpha, warmupTarget: null, warmupSteps: 99 },
        keras.cosine(0.5, decaySteps, alpha, null, 0),
      ],
    ]),
  ),
  ...[1, 1.1, 1.5, 2, 3, 10].flatMap((tMul) =>
    [1, 0.9, 1.01].flatMap((mMul): Case[] =>
      [0, 0.1].map((alpha) => [
        { type: 'cosineRestarts', initialLearningRate: 0.2, firstDecaySteps: 100, tMul, mMul, alpha },
        keras.restarts(0.2, 100, tMul, mMul, alpha),
      ]),
    ),
  ),
  [{ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 10 }, keras.restarts(1, 10, 2, 1, 0)],
];

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

/** The place of a float32 >= 0 in their order: neighbours differ by 1. */
function ordinal(value: number): number {
  float[0] = value;
  return word[0];
}

test(`${cases.length} schedules equal Keras' formulas as float32 bits over ${steps} steps, but for a rounding tie in 100,000`, () => {
  let ties = 0;
  for (const [schedule, expected] of cases) {
    const rate = learningRateOf(schedule);
    for (let t = 0; t < steps; t++) {
      const found = float32Rate(rate, t);
      const wanted = expected(t);
      const units = Math.abs(ordinal(found) - ordinal(wanted));
      // at the foot of a wave 1 + cos cancels down to the last bits of the cosine: there, the error is one of the top, not of the foot
      if (units === 0 || Math.abs(found - wanted) < 1e-15) continue;
      assert.is(units, 1, `${JSON.stringify(schedule)} at ${t} is ${found}, expected ${wanted}`);
      ties += 1;
    }
  }
  assert.ok(ties <= (cases.length * steps) / 100_000, `${ties} of ${cases.length * steps} differ in their last bit`);
});

test('the schedules have these bits in float64, on every engine', () => {
  const rates = cases.map(([schedule]) => learningRateOf(schedule));
  const early = Array.from({ length: 250 }, (_, t) => t);
  const late = [333, 999, 1000, 1001, 1499, 1500, 1501, 9000, 9001, 20_000, 123_456, 1e9, 1e12 + 1];
  assert.is(fingerprint(rates.flatMap((rate) => [...early, ...late].map((t) => rateAt(rate, t)))), 'b5431fe41d92f77a');
});

test("the cases of Keras' own unit tests hold", () => {
  // keras/src/optimizers/schedules/learning_rate_schedule_test.py, each by its name there
  const decaying = { initialLearningRate: 0.05, decaySteps: 10 };
  const line = { type: 'polynomial', ...decaying, endLearningRate: 0.001 } as const;
  const pieces = { type: 'piecewiseConstant', boundaries: [100, 110, 120], values: [1, 0.1, 0.01, 0.001] } as const;
  const stairs = { type: 'exponential', initialLearningRate: 0.1, decaySteps: 3, decayRate: 0.96, staircase: true } as const;
  const warm = { type: 'cosine', initialLearningRate: 0, decaySteps: 1000, warmupTarget: 10, warmupSteps: 2000 } as const;
  const published: [Schedule, number, number][] = [
    [{ type: 'exponential', ...decaying, decayRate: 0.96 }, 5, 0.05 * 0.96 ** (5 / 10)], // test_continuous
    [stairs, 1, 0.1], // test_staircase
    [stairs, 2, 0.1],
    [stairs, 100, 0.1 * 0.96 ** 33],
    ...([100, 105, 110, 120, 999] as const).map((t, i): [Schedule, number, number] => [pieces, t, [1, 0.1, 0.1, 0.01, 0.001][i]]), // test_piecewise_values
    [{ ...line, endLearningRate: 0 }, 5, 0.05 * 0.5], // LinearDecayTest: test_halfway
    [line, 10, 0.001], // test_end
    [line, 5, (0.05 + 0.001) * 0.5], // test_halfway_with_end
    [line, 15, 0.001], // test_beyond_end
    [{ ...line, cycle: true }, 15, (0.05 - 0.001) * 0.25 + 0.001], // test_beyond_end_with_cycle
    [{ ...line, power: 0.5 }, 5, (0.05 - 0.001) * 0.5 ** 0.5 + 0.001], // SqrtDecayTest: test_halfway_with_end
    [{ ...line, power: 0.5, cycle: true }, 15, (0.05 - 0.001) * 0.25 ** 0.5 + 0.001], // test_beyond_end_with_cycle
    [{ ...line, cycle: true }, 0, 0.05], // test_begin_with_cycle
    [{ type: 'inverseTime', initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.96 }, 7, 0.1 / (1 + 0.7 * 0.96)], // test_decay
    [warm, 250, 1.25], // CosineDecayTest: test_warmup_decay
    [warm, 2000, 10],
    [warm, 2500, 5],
    [warm, 3000, 0],
  ];
  for (const [schedule, t, expected] of published)
    assert.ok(
      Math.abs(rateAt(learningRateOf(schedule), t) - expected) <= 1e-15 * Math.max(1, expected),
      `${JSON.stringify(schedule)} at ${t}`,
    );
});

test('a period with restarts begins on its first step, however long it is, also where a logarithm would round', () => {
  for (const tMul of [1, 1.1, 1.3, 2, 3, 5, 7, 10]) {
    const rate = learningRateOf({ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 1000, tMul, mMul: 0.5 });
    let begin = 0;
    for (let i = 0; i < 5; i++) {
      assert.is(rateAt(rate, begin), 0.5 ** i, `tMul ${tMul}, period ${i}`);
      if (i > 0) assert.ok(rateAt(rate, begin - 1) < 0.001);
      begin = Math.round(begin + 1000 * tMul ** i);
    }
  }
  const slow = learningRateOf({ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 1, tMul: 1 + 2 ** -52 });
  for (const t of [0, 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) assert.ok(float32Rate(slow, t) <= 1);
});

test('a polynomial that cycles ends each time on its last rate, also where rounding leads past its end', () => {
  const ends = { initialLearningRate: 1, endLearningRate: 0.25, decaySteps: 33.3 };
  const rate = learningRateOf({ type: 'polynomial', ...ends, power: 0.5, cycle: true });
  assert.ok(10_989 / (33.3 * Math.ceil(10_989 / 33.3)) > 1);
  assert.is(rateAt(rate, 10_989), 0.25);
});

test('a warm-up begins at its first rate, never reaches its target before its last step, and ends on it', () => {
  const warm = { type: 'cosine', initialLearningRate: 0, decaySteps: 4, warmupTarget: 1, warmupSteps: 4 };
  const rate = learningRateOf(warm);
  const expected = [0, 0.25, 0.5, 0.75, 1, (1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2, 0, 0, 0];
  assert.equal(
    expected.map((_, t) => float32Rate(rate, t)),
    expected.map(Math.fround),
  );
});

test('a warm-up climbs from its first rate to its target in a straight line, also where it does not begin at 0', () => {
  const rate = learningRateOf({ type: 'cosine', initialLearningRate: 1, decaySteps: 4, warmupTarget: 3, warmupSteps: 4 });
  assert.equal(
    [0, 1, 2, 3, 4].map((t) => rateAt(rate, t)),
    [1, 1.5, 2, 2.5, 3],
  );
});

test('a step that lies just within rounding of a period is the first of that period', () => {
  const elapsed = 3 / (1 + 1e-12);
  assert.ok(elapsed < 3 && elapsed * (1 + 1e-12) === 3);
  const rate = learningRateOf({ type: 'cosineRestarts', initialLearningRate: 1, firstDecaySteps: 1 + 1e-12, tMul: 2 });
  assert.is(rateAt(rate, 3), 1);
});

test('a sum adds; a sequence runs one after the other, each from its own step 0, the last for ever', () => {
  const up = { type: 'polynomial', initialLearningRate: 0, endLearningRate: 1, decaySteps: 4 } as const;
  const flat = { type: 'piecewiseConstant', boundaries: [], values: [1] } as const;
  const halves = { type: 'exponential', initialLearningRate: 1, decaySteps: 1, decayRate: 0.5 } as const;
  const sequence: Schedule = {
    type: 'sequence',
    of: [{ schedule: up, steps: 4 }, { schedule: flat, steps: 2 }, { schedule: halves }],
  };
  const values = (schedule: unknown) => Array.from({ length: 9 }, (_, t) => rateAt(learningRateOf(schedule), t));
  assert.equal(values(sequence), [0, 0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.25]);
  assert.equal(values({ type: 'sum', of: [sequence, flat, halves] })[7], 0.5 + 1 + 1 / 128);
  assert.equal(
    values({
      type: 'sequence',
      of: [
        { schedule: sequence, steps: 1 },
        { schedule: sequence, steps: 1 },
      ],
    }).slice(0, 4),
    [0, 0, 0.25, 0.5],
  );
});

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

test("Keras 2's inverse time decay is the schedule of that name, and its own rate", () => {
  const rate = learningRateOf({ type: 'inverseTime', initialLearningRate: 0.1, decaySteps: 1, decayRate: 1e-3 });
  for (let t = 0; t < steps; t++) assert.is(float32Rate(rate, t), Math.fround((0.1 * 1) / (1 + 1e-3 * t)));
});

test.run();
