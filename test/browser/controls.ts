// Cases, and the same ones changed by about the least in one place that shows within their steps.
import type { Case } from '../support/cases.ts';

type Options = Case['options'];

const base: Case = {
  layout: { table: [5, 3], bias: [7] },
  options: {},
  initial: { bias: [0.5, 1, 2, 3, 4, 5, 6] },
  batches: Array.from({ length: 4 }, (_, i) => ({
    table: { seed: i, least: -2, most: 1 },
    bias: { seed: 10 + i, least: -2, most: 1 },
  })),
};

const keras2: Case = {
  ...base,
  options: { lr: 0.01, rho: 0.9, epsilon: 1e-3, decay: 1e-3, clipnorm: 4, clipvalue: 1, sparse: 'exact', kernel: 'simd' },
  batches: base.batches.map(({ bias }, i) => ({ bias, table: { rows: [i, 0], values: { seed: i, least: -2, most: 1 } } })),
};

const averaged = { useEma: true, emaMomentum: 0.5, emaOverwriteFrequency: 3, gradientAccumulationSteps: 1, lossScale: 2 };
const decayed = { lr: 0.01, momentum: 0.5, weightDecay: 0.1, excludeFromWeightDecay: ['bias'] };
const optax: Options = {
  preset: 'optax',
  lr: 0.01,
  momentum: 0.5,
  centered: true,
  initialScale: 0.1,
  globalClipnorm: 4,
  ...averaged,
};
const keras3: Options = { preset: 'keras3', clipnorm: 4, ...decayed };
const torch: Options = { preset: 'torch', clipvalue: 1, ...decayed };
const tf1: Options = { preset: 'tf1', lr: 0.01, momentum: 0 };
const group = { match: 'bias', lrMultiplier: 0.5, rho: 0.9, clipvalue: 1, constraint: { type: 'maxNorm', maxValue: 2 } };
const grouped: Options = { ...optax, groups: [group], constraint: { type: 'minMaxNorm', maxValue: 0.01, rate: 0.5 } };
const cosine = { type: 'cosine', initialLearningRate: 0.01, decaySteps: 10 };

/** What is changed from each set of options. */
const changes: readonly (readonly [Options, readonly Options[]])[] = [
  [
    optax,
    [
      ...[{ preset: 'tf1', initialScale: undefined }, { momentum: 0.50000006 }, { nesterov: true }, { centered: false }],
      ...[{ initialScale: 0.10000001 }, { epsInSqrt: false }, { globalClipnorm: 4.0000005 }, { useEma: undefined }],
      ...[{ emaMomentum: 0.50000006 }, { emaOverwriteFrequency: 4 }, { gradientAccumulationSteps: 2 }, { lossScale: 2.0000002 }],
      ...[{ lossScale: 'dynamic' }, { maxAbs: 3 }, { lr: cosine }],
    ].map((change) => ({ ...optax, ...change, ...('useEma' in change ? { emaOverwriteFrequency: undefined } : {}) })),
  ],
  [
    keras3,
    [{ weightDecay: 0.10001 }, { excludeFromWeightDecay: [] }, { clipnorm: 4.0000005 }].map((each) => ({ ...keras3, ...each })),
  ],
  [
    torch,
    [{ weightDecay: 0.1000001 }, { excludeFromWeightDecay: ['none'] }, { clipvalue: 0.9999999 }].map((each) => ({
      ...torch,
      ...each,
    })),
  ],
  [tf1, [{ ...tf1, preset: 'tfjs' }]],
  [
    grouped,
    [
      ...[{ match: 'table' }, { lrMultiplier: 0.50000006 }, { rho: 0.9000001 }, { clipvalue: 0.9999999 }, { frozen: true }].map(
        (each) => ({
          groups: [{ ...group, ...each }],
        }),
      ),
      { groups: [{ ...group, constraint: { type: 'maxNorm', maxValue: 2.0000002 } }] },
      { constraint: { type: 'minMaxNorm', maxValue: 0.01, rate: 0.50000006 } },
    ].map((each) => ({ ...grouped, ...each })),
  ],
  [{ lr: cosine }, [{ lr: { ...cosine, decaySteps: 10.00001 } }, { lr: { ...cosine, type: 'polynomial' } }]],
];

/** What is changed in the first of the cases. */
const plainChanges: readonly Partial<Case>[] = [
  ...[{ lr: 0.010000001 }, { rho: 0.9000001 }, { epsilon: 1.001e-3 }, { decay: 1.0001e-3 }].map(told),
  ...[{ clipnorm: 4.0000005 }, { clipvalue: 0.9999999 }, { sparse: 'lazy' }].map(told),
  { initial: { bias: [0.50000006, 1, 2, 3, 4, 5, 6] } },
  { batches: [...keras2.batches.slice(0, 3), { bias: { seed: 14, least: -2, most: 1 } }] },
];

function told(options: Options): Partial<Case> {
  return { options: { ...keras2.options, ...options } };
}

/** Pairs of cases: the same one twice, where nothing may differ, and each beside the same one changed. */
export const controls: readonly (readonly [Case, Case])[] = [
  [keras2, keras2],
  ...plainChanges.map((change) => [keras2, { ...keras2, ...change }] as const),
  ...changes.flatMap(([options, list]) => {
    const unchanged: Case = { ...base, options };
    return [[unchanged, unchanged] as const, ...list.map((each) => [unchanged, { ...base, options: each }] as const)];
  }),
];
