// Learning-rate schedules against Keras' formulas, written here a second time with the engine's own Math.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkedRate, learningRateOf, rateAt, type Schedule } from '../../src/rmsprop/schedules/schedules.ts';
import { fingerprint } from '../support/fingerprint.ts';

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

test("Keras 2's inverse time decay is the schedule of that name, and its own rate", () => {
  const rate = learningRateOf({ type: 'inverseTime', initialLearningRate: 0.1, decaySteps: 1, decayRate: 1e-3 });
  for (let t = 0; t < steps; t++) assert.is(float32Rate(rate, t), Math.fround((0.1 * 1) / (1 + 1e-3 * t)));
});

test.run();
