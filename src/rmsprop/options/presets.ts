// The origins whose RMSprop this is: each one's formula, defaults, names and what it has.

/** An origin: Keras 2, Keras 3, TensorFlow 1, PyTorch, optax, TensorFlow.js. */
export type Preset = 'keras2' | 'keras3' | 'tf1' | 'torch' | 'optax' | 'tfjs';

/** One origin's rules. */
export interface PresetRules {
  /** Whether ε stands inside the root. */
  readonly inside: boolean;
  /** What the accumulator starts from. */
  readonly initialScale: number;
  /** What clipnorm is the norm of; undefined where the origin has none. */
  readonly clipnorm: 'batch' | 'tensor' | undefined;
  /** Added to the norm of globalClipnorm before it is compared. */
  readonly globalNormSlack: number;
  /** Where the learning rate stands with momentum: inside the buffer or outside. */
  readonly momentum: 'inside' | 'outside' | undefined;
  /** Whether the momentum buffer is there even with momentum 0. */
  readonly keepsMomentum: boolean;
  readonly weightDecay: 'coupled' | 'decoupled' | undefined;
  readonly defaults: { readonly lr: number | undefined; readonly rho: number; readonly epsilon: number };
  /** Options beside those that all have. */
  readonly has: readonly string[];
  /** The origin's own spellings. */
  readonly names: Readonly<Record<string, string>>;
}

const lrNames = { learning_rate: 'lr', learningRate: 'lr' };
const base = {
  inside: true,
  initialScale: 0,
  clipnorm: undefined,
  globalNormSlack: 0,
  momentum: 'inside',
  keepsMomentum: false,
  weightDecay: undefined,
} as const;

/** The rules of each preset. Sources: docs/SEMANTICS.md. */
export const presets: Readonly<Record<Preset, PresetRules>> = {
  keras2: {
    ...base,
    inside: false,
    clipnorm: 'batch',
    momentum: undefined,
    defaults: { lr: 0.001, rho: 0.9, epsilon: 1e-8 },
    has: ['decay', 'clipnorm', 'clipvalue'],
    names: lrNames,
  },
  keras3: {
    ...base,
    clipnorm: 'tensor',
    weightDecay: 'decoupled',
    defaults: { lr: 0.001, rho: 0.9, epsilon: 1e-7 },
    has: ['momentum', 'centered', 'weightDecay', 'excludeFromWeightDecay', 'clipnorm', 'globalClipnorm', 'clipvalue'],
    names: {
      ...lrNames,
      weight_decay: 'weightDecay',
      exclude_from_weight_decay: 'excludeFromWeightDecay',
      global_clipnorm: 'globalClipnorm',
      use_ema: 'useEma',
      ema_momentum: 'emaMomentum',
      ema_overwrite_frequency: 'emaOverwriteFrequency',
      loss_scale_factor: 'lossScale',
      gradient_accumulation_steps: 'gradientAccumulationSteps',
    },
  },
  tf1: {
    ...base,
    initialScale: 1,
    clipnorm: 'tensor',
    keepsMomentum: true,
    defaults: { lr: undefined, rho: 0.9, epsilon: 1e-10 },
    has: ['momentum', 'centered', 'clipnorm', 'globalClipnorm', 'clipvalue'],
    names: { ...lrNames, decay: 'rho' },
  },
  torch: {
    ...base,
    inside: false,
    globalNormSlack: 1e-6,
    momentum: 'outside',
    weightDecay: 'coupled',
    defaults: { lr: 0.01, rho: 0.99, epsilon: 1e-8 },
    has: ['momentum', 'centered', 'weightDecay', 'excludeFromWeightDecay', 'globalClipnorm', 'clipvalue'],
    names: { alpha: 'rho', eps: 'epsilon', weight_decay: 'weightDecay' },
  },
  optax: {
    ...base,
    defaults: { lr: undefined, rho: 0.9, epsilon: 1e-8 },
    has: ['momentum', 'nesterov', 'centered', 'initialScale', 'epsInSqrt', 'globalClipnorm', 'clipvalue'],
    names: { ...lrNames, decay: 'rho', eps: 'epsilon', initial_scale: 'initialScale', eps_in_sqrt: 'epsInSqrt' },
  },
  tfjs: {
    ...base,
    defaults: { lr: undefined, rho: 0.9, epsilon: 1e-7 },
    has: ['momentum', 'centered', 'clipvalue'],
    names: { ...lrNames, decay: 'rho' },
  },
};

/** Whether a value names a preset. */
export function isPreset(value: unknown): value is Preset {
  return typeof value === 'string' && Object.hasOwn(presets, value);
}

/** The presets that have an option. */
export function presetsWith(option: string): Preset[] {
  return (Object.keys(presets) as Preset[]).filter((name) => presets[name].has.includes(option));
}
