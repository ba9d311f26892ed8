// Schedules from outside: checked, with their defaults filled in, frozen.
import { refuseUnknownOptions } from '../../errors.ts';
import { wrong } from '../options/demand.ts';
import { type Fields, isBetween, type Kind, readKind } from '../options/plain.ts';
import type { Complete, Schedule } from './schedule.ts';

type Type = Schedule['type'];

/** How many more schedules a learning rate may hold: sums and sequences nest. */
interface Budget {
  left: number;
}

const mostSchedules = 1000;
const steps = { from: 1, to: 1e15 } as const;
const rate = { from: 0, to: 1e6 } as const;

const decaying = ['initialLearningRate', 'decaySteps', 'decayRate', 'staircase'];
const kinds: Readonly<Record<Type, Kind>> = {
  inverseTime: { className: 'InverseTimeDecay', fields: decaying },
  exponential: { className: 'ExponentialDecay', fields: decaying },
  piecewiseConstant: { className: 'PiecewiseConstantDecay', fields: ['boundaries', 'values'] },
  polynomial: {
    className: 'PolynomialDecay',
    fields: ['initialLearningRate', 'decaySteps', 'endLearningRate', 'power', 'cycle'],
  },
  cosine: { className: 'CosineDecay', fields: ['initialLearningRate', 'decaySteps', 'alpha', 'warmupTarget', 'warmupSteps'] },
  cosineRestarts: {
    className: 'CosineDecayRestarts',
    fields: ['initialLearningRate', 'firstDecaySteps', 'tMul', 'mMul', 'alpha'],
  },
  sum: { fields: ['of'] },
  sequence: { fields: ['of'] },
};

/**
 * The schedule that a value describes in our own form or in Keras' JSON, frozen, with every default filled in.
 *
 * @throws GradwireError `E_CONFIG` that names the field as in `lr.of[1].decaySteps`, where `what` is `lr`.
 */
export function readSchedule(what: string, value: unknown, budget: Budget = { left: mostSchedules }): Schedule {
  if (budget.left-- === 0) throw wrong(what, value, `left out: a learning rate holds at most ${mostSchedules} schedules`);
  const { type, fields } = readKind(what, value, kinds);
  return Object.freeze(readers[type](fields, budget));
}

const readers: { readonly [T in Type]: (fields: Fields, budget: Budget) => Complete<T> | Extract<Schedule, { type: T }> } = {
  inverseTime: (fields) => ({ type: 'inverseTime', ...readDecaying(fields) }),
  exponential: (fields) => ({ type: 'exponential', ...readDecaying(fields) }),
  piecewiseConstant: readPieces,
  polynomial: (fields) => ({
    type: 'polynomial',
    initialLearningRate: fields.number('initialLearningRate', rate),
    decaySteps: fields.number('decaySteps', steps),
    endLearningRate: fields.number('endLearningRate', { ...rate, otherwise: 1e-4 }),
    power: fields.number('power', { from: 0, to: 1e6, otherwise: 1 }),
    cycle: fields.flag('cycle'),
  }),
  cosine: (fields) => ({
    type: 'cosine',
    initialLearningRate: fields.number('initialLearningRate', rate),
    decaySteps: fields.number('decaySteps', steps),
    alpha: fields.number('alpha', { from: 0, to: 1e6, otherwise: 0 }),
    warmupTarget: (fields.given.get('warmupTarget') ?? null) === null ? null : fields.number('warmupTarget', rate),
    warmupSteps: fields.number('warmupSteps', { from: 0, to: steps.to, otherwise: 0 }),
  }),
  cosineRestarts: (fields) => ({
    type: 'cosineRestarts',
    initialLearningRate: fields.number('initialLearningRate', rate),
    firstDecaySteps: fields.number('firstDecaySteps', steps),
    tMul: fields.number('tMul', { from: 1, to: 1e6, otherwise: 2 }),
    mMul: fields.number('mMul', { from: 0, to: 1e6, otherwise: 1 }),
    alpha: fields.number('alpha', { from: 0, to: 1e6, otherwise: 0 }),
  }),
  sum: readSum,
  sequence: readSequence,
};

function readDecaying(fields: Fields): Omit<Complete<'exponential'>, 'type'> {
  return {
    initialLearningRate: fields.number('initialLearningRate', rate),
    decaySteps: fields.number('decaySteps', steps),
    decayRate: fields.number('decayRate', { from: 0, to: 1e6 }),
    staircase: fields.flag('staircase'),
  };
}

function readPieces(fields: Fields): Complete<'piecewiseConstant'> {
  const boundaries = fields.list('boundaries', { atLeast: 0 }).map((each, i, all) => {
    if (isBetween(each, 0, steps.to) && (i === 0 || each > (all[i - 1] as number))) return each;
    throw wrong(`${fields.what}.boundaries[${i}]`, each, 'a number from 0 to 1e15 above the boundary before it');
  });
  const values = fields.list('values', { atLeast: 1 }).map((each, i) => {
    if (isBetween(each, rate.from, rate.to)) return each;
    throw wrong(`${fields.what}.values[${i}]`, each, 'a number from 0 to 1e6');
  });
  if (values.length !== boundaries.length + 1)
    throw wrong(`${fields.what}.values`, values, `an array of ${boundaries.length + 1}, one more than boundaries`);
  return { type: 'piecewiseConstant', boundaries: Object.freeze(boundaries), values: Object.freeze(values) };
}

function readSum(fields: Fields, budget: Budget): Complete<'sum'> {
  const of = fields.list('of', { atLeast: 1 }).map((each, i) => readSchedule(`${fields.what}.of[${i}]`, each, budget));
  return { type: 'sum', of: Object.freeze(of) };
}

function readSequence(fields: Fields, budget: Budget): Complete<'sequence'> {
  const of = fields.list('of', { atLeast: 1 }).map((each, i, { length }) => {
    const part = readPart(`${fields.what}.of[${i}]`, each, budget);
    if (part.steps === undefined && i < length - 1) throw wrong(`${fields.what}.of[${i}].steps`, undefined, wholeSteps);
    return part;
  });
  return { type: 'sequence', of: Object.freeze(of) };
}

const wholeSteps = 'an integer from 1 to 1e15';

function readPart(what: string, value: unknown, budget: Budget): Complete<'sequence'>['of'][number] {
  refuseUnknownOptions(what, value as object, ['schedule', 'steps']);
  const { schedule, steps: length } = value as { schedule?: unknown; steps?: unknown };
  const read = readSchedule(`${what}.schedule`, schedule, budget);
  if (length === undefined) return Object.freeze({ schedule: read });
  if (!isBetween(length, steps.from, steps.to) || !Number.isInteger(length)) throw wrong(`${what}.steps`, length, wholeSteps);
  return Object.freeze({ schedule: read, steps: length });
}
