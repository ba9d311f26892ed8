// The options of the reference and the presets' table, copied from docs/SEMANTICS.md by hand: nothing here is the library's.

/** Where the formulas of docs/SEMANTICS.md come from. */
export type PresetName = 'keras2' | 'keras3' | 'tf1' | 'torch' | 'optax' | 'tfjs';

/** What a group may say for the tensors whose names its pattern is found in. */
export interface ReferenceGroup {
  match: string;
  lrMultiplier?: number;
  rho?: number;
  decay?: number;
  weightDecay?: number;
  clipnorm?: number;
  clipvalue?: number;
  frozen?: boolean;
}

/** The optimizer's options without schedules and constraints, which the reference leaves to others. 0 switches a clip off. */
export interface ReferenceOptions {
  preset?: PresetName;
  lr?: number;
  rho?: number;
  epsilon?: number;
  decay?: number;
  momentum?: number;
  nesterov?: boolean;
  centered?: boolean;
  weightDecay?: number;
  excludeFromWeightDecay?: string[];
  clipnorm?: number;
  clipvalue?: number;
  globalClipnorm?: number;
  initialScale?: number;
  epsInSqrt?: boolean;
  useEma?: boolean;
  emaMomentum?: number;
  emaOverwriteFrequency?: number;
  gradientAccumulationSteps?: number;
  lossScale?: number | 'dynamic' | { initial: number; growthSteps: number };
  groups?: ReferenceGroup[];
  sparse?: 'exact' | 'lazy';
  maxAbs?: number;
}

/** One row of the presets' table. */
export interface Origin {
  inside: boolean;
  start: number;
  /** Where the learning rate stands when there is momentum; `always` keeps the buffer at momentum 0 too. */
  momentum: 'none' | 'inside' | 'outside' | 'always';
  weightDecay: 'none' | 'decoupled' | 'coupled';
  /** Over which tensors `clipnorm` takes its norm. */
  clipnorm: 'batch' | 'tensor' | 'none';
  /** What `clip_grad_norm_` adds to the norm of `globalClipnorm`. */
  added: number;
  lr: number;
  rho: number;
  epsilon: number;
}

const keras2: Origin = {
  inside: false,
  start: 0,
  momentum: 'none',
  weightDecay: 'none',
  clipnorm: 'batch',
  added: 0,
  lr: 0.001,
  rho: 0.9,
  epsilon: 1e-8,
};

/** The presets' table; an `lr` of NaN is one that must be given. */
export const origins: Readonly<Record<PresetName, Origin>> = {
  keras2,
  keras3: { ...keras2, inside: true, momentum: 'inside', weightDecay: 'decoupled', clipnorm: 'tensor', epsilon: 1e-7 },
  tf1: { ...keras2, inside: true, start: 1, momentum: 'always', clipnorm: 'tensor', lr: Number.NaN, epsilon: 1e-10 },
  torch: { ...keras2, momentum: 'outside', weightDecay: 'coupled', clipnorm: 'none', added: 1e-6, lr: 0.01, rho: 0.99 },
  optax: { ...keras2, inside: true, momentum: 'inside', clipnorm: 'none', lr: Number.NaN },
  tfjs: { ...keras2, inside: true, momentum: 'inside', clipnorm: 'none', lr: Number.NaN, epsilon: 1e-7 },
};

/** The first group whose pattern is found in the name; one that says nothing where there is none. */
export function groupOf(name: string, groups: readonly ReferenceGroup[] = []): ReferenceGroup {
  return groups.find(({ match }) => new RegExp(match).test(name)) ?? { match: '' };
}
