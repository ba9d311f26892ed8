// The schedules' equations: those of Keras 3's keras/src/optimizers/schedules/learning_rate_schedule.py, in float64.
import { cosine, power } from './deterministic.ts';
import type { Complete, Schedule } from './schedule.ts';

const formulas: { readonly [T in Schedule['type']]: (schedule: Complete<T>, t: number) => number } = {
  inverseTime: ({ initialLearningRate, decayRate, ...steps }, t) => initialLearningRate / (1 + decayRate * decays(steps, t)),
  exponential: ({ initialLearningRate, decayRate, ...steps }, t) => initialLearningRate * power(decayRate, decays(steps, t)),
  piecewiseConstant: ({ boundaries, values }, t) => {
    const i = boundaries.findIndex((boundary) => t <= boundary);
    return values[i < 0 ? boundaries.length : i];
  },
  polynomial: polynomialAt,
  cosine: cosineAt,
  cosineRestarts: cosineRestartsAt,
  sum: ({ of }, t) => of.reduce((sum, schedule) => sum + scheduleAt(schedule, t), 0),
  sequence: sequenceAt,
};

/** The value at step t of a schedule that `readSchedule` has completed, in float64: the same bits on every engine. */
export function scheduleAt(schedule: Schedule, t: number): number {
  const formula = formulas[schedule.type] as (schedule: Schedule, t: number) => number;
  return formula(schedule, t);
}

function decays({ decaySteps, staircase }: { readonly decaySteps: number; readonly staircase: boolean }, t: number): number {
  return staircase ? Math.floor(t / decaySteps) : t / decaySteps;
}

/** `(initial − end) · (1 − t / decaySteps) ^ power + end` */
function polynomialAt(schedule: Complete<'polynomial'>, t: number): number {
  const { initialLearningRate, decaySteps, endLearningRate, power: exponent, cycle } = schedule;
  const p = cycle ? t / (decaySteps * (t === 0 ? 1 : Math.ceil(t / decaySteps))) : Math.min(t, decaySteps) / decaySteps;
  // rounding may bring p above 1 where decaySteps is no integer; Keras' power is NaN there
  return (initialLearningRate - endLearningRate) * power(Math.max(0, 1 - p), exponent) + endLearningRate;
}

/** Warm-up: `(target − initial) · t / warmupSteps + initial`; then `top · ((1 − alpha) · ½(1 + cos(π t / decaySteps)) + alpha)`. */
function cosineAt(schedule: Complete<'cosine'>, t: number): number {
  const { initialLearningRate, decaySteps, alpha, warmupTarget, warmupSteps } = schedule;
  if (warmupTarget !== null && t < warmupSteps)
    return (warmupTarget - initialLearningRate) * (t / warmupSteps) + initialLearningRate;
  const completed = Math.min(warmupTarget === null ? t : t - warmupSteps, decaySteps) / decaySteps;
  const decayed = (1 - alpha) * (0.5 * (1 + cosine(Math.PI * completed))) + alpha;
  return (warmupTarget ?? initialLearningRate) * decayed;
}

/** `initial · ((1 − alpha) · ½ mMul ^ i · (1 + cos(π · completed)) + alpha)` in the period i, of which `completed` is done. */
function cosineRestartsAt(schedule: Complete<'cosineRestarts'>, t: number): number {
  const { initialLearningRate, firstDecaySteps, tMul, mMul, alpha } = schedule;
  const { i, completed } = periodAt(t / firstDecaySteps, tMul);
  const decayed = (1 - alpha) * (0.5 * power(mMul, i) * (1 + cosine(Math.PI * completed))) + alpha;
  return initialLearningRate * decayed;
}

/** Period i begins after `1 + tMul + … + tMul ^ (i − 1)` first periods, of which `elapsed` have passed. */
function periodAt(elapsed: number, tMul: number): { readonly i: number; readonly completed: number } {
  const whole = Math.floor(elapsed);
  if (tMul === 1) return { i: whole, completed: elapsed - whole };
  const begin = (i: number) => (power(tMul, i) - 1) / (tMul - 1);
  // a step that lies on a period's first within rounding is its first; a logarithm, as Keras has it here, would differ by engine
  const passed = elapsed * (1 + 1e-12);
  let i = 0;
  for (let above = Math.floor(passed) + 1; above - i > 1; ) {
    const middle = Math.floor((i + above) / 2);
    if (begin(middle) <= passed) i = middle;
    else above = middle;
  }
  return { i, completed: Math.max(0, elapsed - begin(i)) / power(tMul, i) };
}

function sequenceAt({ of }: Complete<'sequence'>, t: number): number {
  let left = t;
  for (const { schedule, steps = Number.POSITIVE_INFINITY } of of.slice(0, -1)) {
    if (left < steps) return scheduleAt(schedule, left);
    left -= steps;
  }
  return scheduleAt(of[of.length - 1].schedule, left);
}
