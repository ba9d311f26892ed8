// Random options of every preset as plain data: a new option is a line here.
import { between, pick, type Random, whole } from './random.ts';

type Options = Record<string, unknown>;
type Draw = (random: Random) => unknown;
type Layout = Readonly<Record<string, readonly number[]>>;

/** Leaves the option out half of the time, which tests its default. */
const seldom =
  (draw: Draw): Draw =>
  (random) =>
    random() < 0.5 ? undefined : draw(random);

const rate: Draw = (random) => between(random, 1e-6, 1);
const limit: Draw = (random) => between(random, 1e-3, 1e3);
const steps = (random: Random): number => whole(random, 1, 9);
const decaying = (type: string) => (random: Random) => ({
  type,
  initialLearningRate: rate(random),
  decaySteps: steps(random),
  decayRate: between(random, 0.1, 1),
  staircase: random() < 0.5,
});

/** Every type of schedule, which t of a dozen steps goes through. */
const schedules: Readonly<Record<string, Draw>> = {
  inverseTime: decaying('inverseTime'),
  exponential: decaying('exponential'),
  piecewiseConstant: (random) => ({
    type: 'piecewiseConstant',
    boundaries: [steps(random), 10],
    values: [rate(random), rate(random), 0],
  }),
  polynomial: (random) => ({
    type: 'polynomial',
    initialLearningRate: rate(random),
    decaySteps: steps(random),
    endLearningRate: rate(random),
    power: between(random, 0.1, 3),
    cycle: random() < 0.5,
  }),
  cosine: (random) => ({
    type: 'cosine',
    initialLearningRate: rate(random),
    decaySteps: steps(random),
    alpha: random(),
    warmupTarget: random() < 0.5 ? null : rate(random),
    warmupSteps: steps(random),
  }),
  cosineRestarts: (random) => ({
    type: 'cosineRestarts',
    initialLearningRate: rate(random),
    firstDecaySteps: steps(random),
    tMul: 1 + random(),
    mMul: random(),
    alpha: random(),
  }),
  sum: (random) => ({ type: 'sum', of: [schedules.cosine(random), schedules.exponential(random)] }),
  sequence: (random) => ({
    type: 'sequence',
    of: [{ schedule: schedules.polynomial(random), steps: steps(random) }, { schedule: schedules.inverseTime(random) }],
  }),
};

/** The names of the schedules' types. */
export const scheduleTypes: readonly string[] = Object.keys(schedules);

const rho: Draw = (random) => pick(random, [0, 0.5, 0.99, random()]);
const weightDecay: Draw = (random) => between(random, 1e-4, 0.05);

/** How each option is drawn. */
const drawn: Readonly<Record<string, Draw>> = {
  lr: (random) => pick(random, [undefined, 1e-3, between(random, 1e-7, 10), pick(random, Object.values(schedules))(random)]),
  rho: seldom(rho),
  epsilon: seldom((random) => pick(random, [1e-7, 1e-30, between(random, 1e-12, 1)])),
  decay: seldom((random) => pick(random, [0, between(random, 1e-6, 1)])),
  momentum: seldom((random) => pick(random, [0, 0.9, random()])),
  nesterov: seldom((random) => random() < 0.7),
  centered: seldom((random) => random() < 0.7),
  weightDecay: seldom(weightDecay),
  excludeFromWeightDecay: seldom((random) => pick(random, [['bias'], ['^long$', 'ä'], []])),
  clipnorm: seldom(limit),
  clipvalue: seldom(limit),
  globalClipnorm: seldom(limit),
  initialScale: seldom((random) => pick(random, [0, 1, random()])),
  epsInSqrt: seldom((random) => random() < 0.3),
  useEma: seldom((random) => random() < 0.7),
  emaMomentum: seldom(rho),
  emaOverwriteFrequency: seldom((random) => whole(random, 1, 3)),
  gradientAccumulationSteps: seldom((random) => pick(random, [1, 1, 2, 3])),
  lossScale: seldom((random) => pick(random, [1, 8, 3, between(random, 1e-3, 1e3), 'dynamic', { initial: 4, growthSteps: 2 }])),
  maxAbs: seldom((random) => pick(random, [1e9, 1e6, 1e12])),
  sparse: (random) => pick(random, [undefined, 'exact', 'lazy']),
  kernel: (random) => pick(random, [undefined, 'simd', 'scalar']),
};

/** What a group may have, beside what its preset has for groups. */
const inGroups = { decay: rate, weightDecay, clipnorm: limit, clipvalue: limit };

const common = [
  ...['lr', 'rho', 'epsilon', 'useEma', 'emaMomentum', 'emaOverwriteFrequency', 'gradientAccumulationSteps'],
  ...['lossScale', 'maxAbs', 'sparse', 'kernel'],
];

/** The options that each preset has beside those: docs/SEMANTICS.md, Presets. */
const own: Readonly<Record<string, readonly string[]>> = {
  keras2: ['decay', 'clipnorm', 'clipvalue'],
  keras3: ['momentum', 'centered', 'weightDecay', 'excludeFromWeightDecay', 'clipnorm', 'globalClipnorm', 'clipvalue'],
  tf1: ['momentum', 'centered', 'clipnorm', 'globalClipnorm', 'clipvalue'],
  torch: ['momentum', 'centered', 'weightDecay', 'excludeFromWeightDecay', 'globalClipnorm', 'clipvalue'],
  optax: ['momentum', 'nesterov', 'centered', 'initialScale', 'epsInSqrt', 'globalClipnorm', 'clipvalue'],
  tfjs: ['momentum', 'centered', 'clipvalue'],
};
const needLr = ['tf1', 'optax', 'tfjs'];

/** Every option's name. */
export const optionNames: readonly string[] = ['preset', ...Object.keys(drawn), 'groups', 'constraint'];

/** Options that fit a preset and the layout, and whether rows may be folded with them. */
export function drawOptions(random: Random, layout: Layout): { options: Options; takesRows: boolean } {
  const preset = pick(random, [undefined, ...Object.keys(own)]);
  const has = own[preset ?? 'keras2'];
  const alone = [...common, ...has].map((name): [string, unknown] => [name, drawn[name](random)]);
  const options = settled(random, { preset, ...Object.fromEntries(alone) });
  const leastRank = Math.min(...Object.values(layout).map(({ length }) => length));
  const constraint = random() < 0.2 ? drawConstraint(random, leastRank) : undefined;
  const groups =
    random() < 0.5 ? undefined : [1, 2].slice(whole(random, 0, 2)).map(() => drawGroup(random, options, has, leastRank));
  const { momentum, sparse, gradientAccumulationSteps: many = 1 } = options;
  const overRows = [constraint, ...(groups ?? []).map((group) => group.constraint)].some(
    (each) => each !== undefined && (each as { type: string }).type !== 'nonNeg',
  );
  const takesRows = many === 1 && !overRows && (!momentum || sparse === 'lazy');
  return { options: { ...options, groups, constraint }, takesRows };
}

/** Without what may not stand together. */
function settled(random: Random, options: Options): Options {
  const { preset, momentum, useEma, centered, epsilon = 1 } = options;
  const all: Options = { ...options };
  if (needLr.includes(preset as string)) all.lr ??= rate(random);
  if (typeof (all.lr ?? 1) !== 'number') all.decay = undefined;
  if (!momentum) all.nesterov = undefined;
  if (!useEma) all.emaOverwriteFrequency = undefined;
  // a variance of 0 would be divided by, which overflows
  if (centered && (epsilon as number) < 1e-12) all.epsilon = 1e-12;
  const norms = ['clipnorm', 'globalClipnorm', ...(preset === 'keras3' ? ['clipvalue'] : [])];
  const kept = pick(random, norms);
  if (norms.filter((name) => all[name] !== undefined).length > 1)
    for (const name of norms) if (name !== kept) all[name] = undefined;
  return all;
}

function drawGroup(random: Random, options: Options, has: readonly string[], leastRank: number): Options {
  const excluded = [
    ...(typeof (options.lr ?? 1) === 'number' ? [] : ['decay']),
    ...(options.globalClipnorm === undefined ? [] : ['clipnorm']),
  ];
  const names = Object.entries(inGroups).filter(([name]) => has.includes(name) && !excluded.includes(name));
  return {
    match: pick(random, ['kernel', 'bias$', '^t[01]/', 'ä|long', 'nothing']),
    lrMultiplier: seldom((each) => pick(each, [0, 0.3, 2]))(random),
    rho: seldom(rho)(random),
    frozen: random() < 0.15 ? true : undefined,
    constraint: random() < 0.2 ? drawConstraint(random, leastRank) : undefined,
    ...Object.fromEntries(names.map(([name, draw]) => [name, seldom(draw)(random)])),
  };
}

/** A constraint that fits tensors of that rank and above. */
function drawConstraint(random: Random, leastRank: number): Options {
  if (leastRank === 0) return { type: 'nonNeg' };
  const axis = pick(random, [undefined, 0, -1, ...(leastRank > 1 ? [[0, 1]] : [])]);
  return pick<Options>(random, [
    { type: 'nonNeg' },
    { type: 'maxNorm', maxValue: limit(random), axis },
    { type: 'unitNorm', axis },
    { type: 'minMaxNorm', minValue: random(), maxValue: 1 + random(), rate: random(), axis },
  ]);
}
