// The score of predictions against definitions written out; seeded.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Prequential, WindowedScore } from '../../examples/flights/metrics.ts';

/** mulberry32: the same numbers in [0, 1) for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Predictions that know something: a label is 1 as often as its probability, squared, says. */
function predictions(count: number, seed: number): { probability: number; label: number }[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const probability = 0.02 + 0.6 * next() ** 2;
    return { probability, label: next() < probability ? 1 : 0 };
  });
}

function scoreOf(all: readonly { probability: number; label: number }[]): Prequential {
  const score = new Prequential();
  for (const { probability, label } of all) score.add(probability, label);
  return score;
}

/** The definition: of all pairs of a 1 and a 0, the share in which the 1 was predicted higher. */
function bruteForceAuc(all: readonly { probability: number; label: number }[]): number {
  const late = all.filter(({ label }) => label === 1);
  const onTime = all.filter(({ label }) => label === 0);
  let ordered = 0;
  for (const a of late)
    for (const b of onTime) ordered += a.probability > b.probability ? 1 : a.probability === b.probability ? 0.5 : 0;
  return ordered / (late.length * onTime.length);
}

test('the AUC of binned predictions is that of all pairs within 1e-4', () => {
  for (const seed of [1, 2, 3]) {
    const all = predictions(4_000, seed);
    const [binned, exact] = [scoreOf(all).auc, bruteForceAuc(all)];
    assert.ok(Math.abs(binned - exact) < 1e-4, `seed ${seed}: ${binned} for ${exact}`);
  }
});

test('a perfect order has AUC 1, the reverse 0, one prediction for all 0.5', () => {
  assert.is(
    scoreOf([
      { probability: 0.9, label: 1 },
      { probability: 0.1, label: 0 },
    ]).auc,
    1,
  );
  assert.is(
    scoreOf([
      { probability: 0.1, label: 1 },
      { probability: 0.9, label: 0 },
    ]).auc,
    0,
  );
  assert.is(
    scoreOf([
      { probability: 0.2, label: 1 },
      { probability: 0.2, label: 0 },
    ]).auc,
    0.5,
  );
});

test('the log loss is the mean of -ln of what was predicted for what happened', () => {
  const all = predictions(1_000, 7);
  const mean =
    all.reduce((sum, { probability, label }) => sum - Math.log(label === 1 ? probability : 1 - probability), 0) / all.length;
  assert.ok(Math.abs(scoreOf(all).logLoss - mean) < 1e-12);
});

test('certain predictions are counted, and cost something finite when wrong', () => {
  const score = scoreOf([
    { probability: 1, label: 1 },
    { probability: 0, label: 0 },
    { probability: 1, label: 0 },
    { probability: 0, label: 1 },
  ]);
  assert.is(score.flights, 4);
  assert.ok(Number.isFinite(score.logLoss));
});

test('scores taken in parts and merged are the score of the whole', () => {
  const all = predictions(3_000, 11);
  const whole = scoreOf(all);
  const part = new Prequential();
  const merged = new Prequential();
  all.forEach(({ probability, label }, i) => {
    part.add(probability, label);
    if (i % 700 === 0) merged.merge(part.take());
  });
  merged.merge(part.take());
  assert.is(part.flights, 0);
  assert.is(merged.flights, whole.flights);
  assert.is(merged.auc, whole.auc);
  assert.ok(Math.abs(merged.logLoss - whole.logLoss) < 1e-12);
});

test('the base log loss is that of always predicting the share of ones', () => {
  const all = predictions(2_000, 13);
  const share = all.filter(({ label }) => label === 1).length / all.length;
  const always = scoreOf(all.map(({ label }) => ({ probability: share, label })));
  assert.ok(Math.abs(scoreOf(all).baseLogLoss - always.logLoss) < 1e-9);
});

test('before the first flight there is no score', () => {
  const { auc, logLoss } = new Prequential();
  assert.ok(Number.isNaN(auc));
  assert.ok(Number.isNaN(logLoss));
});

test('a window holds the newest reports that have enough flights, and forgets the others', () => {
  const window = new WindowedScore(1_000);
  const parts = [17, 18, 19, 20, 21].map((seed) => predictions(400, seed));
  for (const part of parts) window.push(scoreOf(part).take());
  assert.is(window.score().flights, 1_200);
  assert.is(window.score().auc, scoreOf(parts.slice(2).flat()).auc);
});

test('a report larger than the window is kept whole', () => {
  const window = new WindowedScore(10);
  window.push(scoreOf(predictions(400, 23)).take());
  assert.is(window.score().flights, 400);
});

test.run();
