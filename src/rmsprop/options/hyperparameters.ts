// What an optimizer may be told: every hyper-parameter with its unit, range and default, and the names that origins have for them.
import type { Constraint } from '../constraints/constraints.ts';
import type { Threads } from '../kernel/threads.ts';
import type { LearningRate } from '../schedules/schedules.ts';
import type { Preset } from './presets.ts';

/** When a dynamic loss scale grows. */
export interface DynamicLossScale {
  /** The first scale; 32,768 unless told. */
  readonly initial: number;
  /** Batches without a value that is not finite, after which it doubles; 2,000 unless told. */
  readonly growthSteps: number;
}

/** A group's settings; what it does not have is the optimizer's. */
export interface Group {
  /** A regular expression, as text, that is found in the names of the group's tensors. */
  readonly match: string;
  /** Multiplies the learning rate; 1 unless told. */
  readonly lrMultiplier?: number;
  readonly rho?: number;
  readonly decay?: number;
  readonly weightDecay?: number;
  readonly clipnorm?: number;
  readonly clipvalue?: number;
  readonly constraint?: Constraint;
  /** Whether the tensors never change. */
  readonly frozen?: boolean;
}

/** Every hyper-parameter. Numbers are float64; the kernel takes them rounded to float32 once. docs/SEMANTICS.md says what each does. */
export interface Hyperparameters {
  /** The origin whose formula, defaults and names are meant; `keras2` unless told. */
  readonly preset: Preset;
  /** Learning rate: a number > 0 and at most 1e6, a schedule as plain data, or a function of the number of updates made before. */
  readonly lr: LearningRate;
  /** Decay of the mean square, 0 ≤ rho < 1. */
  readonly rho: number;
  /** 1e-30 to 1e6; where it stands is the preset's. */
  readonly epsilon: number;
  /** `keras2`: the learning rate of step t is `lr / (1 + decay · t)`; 0 unless told. */
  readonly decay: number;
  /** 0 ≤ momentum < 1; 0, none, unless told. */
  readonly momentum: number;
  readonly nesterov: boolean;
  /** Whether the mean gradient's square is taken from the mean square. */
  readonly centered: boolean;
  /** λ ≥ 0: decoupled in `keras3`, coupled in `torch`; 0 unless told. */
  readonly weightDecay: number;
  /** Regular expressions, as text: tensors whose names they are found in have no weight decay. */
  readonly excludeFromWeightDecay: readonly string[];
  /** Limit of a norm: of the whole batch in `keras2`, of each tensor in `keras3` and `tf1`; 0, none, unless told. */
  readonly clipnorm: number;
  /** Gradients are cut to ±clipvalue, after the norms; 0, none, unless told. */
  readonly clipvalue: number;
  /** Limit of the norm of the whole batch; 0, none, unless told. */
  readonly globalClipnorm: number;
  /** `optax`: what the accumulator starts from; 0 unless told. */
  readonly initialScale: number;
  /** `optax`: whether epsilon stands inside the root; yes unless told. */
  readonly epsInSqrt: boolean;
  /** Whether a moving average of the parameters is kept, see `RMSprop.averages`. */
  readonly useEma: boolean;
  /** 0 ≤ β < 1; 0.99 unless told. */
  readonly emaMomentum: number;
  /** Updates after which the parameters become their average; 0, never, unless told. */
  readonly emaOverwriteFrequency: number;
  /** Batches whose mean makes one update; 1 unless told. */
  readonly gradientAccumulationSteps: number;
  /** What gradients are divided by; or `'dynamic'`, with its settings. 1 unless told. */
  readonly lossScale: number | DynamicLossScale;
  /** Tensors, by name, that have settings of their own; the first group that matches counts. */
  readonly groups: readonly Group[];
  /** Keras' constraint on all tensors of no group. */
  readonly constraint: Constraint | undefined;
  /**
   * What a batch of rows does to the rows it leaves out. `exact` (default): what the dense batch with zeros there would do.
   * `lazy`: nothing, as in TF1.
   */
  readonly sparse: 'exact' | 'lazy';
  /** Largest |g| taken, 1e9 unless told. */
  readonly maxAbs: number;
}

/** The configuration as plain data that survives JSON. What stands at its default and is not Keras' own is left out. */
export type RMSpropConfig = Partial<Omit<Hyperparameters, 'lr'>> & {
  readonly lr: Exclude<LearningRate, (t: number) => number>;
  readonly rho: number;
  readonly epsilon: number;
};

/** The names that origins have for some of them, each in its own preset. */
interface OriginNames {
  readonly learning_rate?: LearningRate;
  readonly learningRate?: LearningRate;
  readonly alpha?: number;
  readonly eps?: number;
  readonly weight_decay?: number;
  readonly exclude_from_weight_decay?: readonly string[];
  readonly global_clipnorm?: number | null;
  readonly use_ema?: boolean;
  readonly ema_momentum?: number;
  readonly ema_overwrite_frequency?: number | null;
  readonly loss_scale_factor?: number | null;
  readonly gradient_accumulation_steps?: number | null;
  readonly initial_scale?: number;
  readonly eps_in_sqrt?: boolean;
}

type Given = { readonly [name in Exclude<keyof Hyperparameters, 'lossScale' | 'groups'>]?: Hyperparameters[name] | null };

/** What `new RMSprop(model, options)` takes; all of it may be left out, but the `lr` of presets without a default. `null` is like leaving out. */
export interface RMSpropOptions<Name extends string = string> extends Given, OriginNames {
  readonly lossScale?: number | 'dynamic' | Partial<DynamicLossScale> | null;
  readonly groups?: readonly Partial<Group>[] | null;
  /** Initial parameters by name, as many floats as the tensor has; tensors not named start at 0. Copied. */
  readonly initial?: Partial<Record<Name, Float32Array>>;
  /** The loop that does the arithmetic: `simd` (default) or `scalar`, which gives the same bits slowly. */
  readonly kernel?: 'simd' | 'scalar';
  /** Threads that share the work of large models, as `startThreads` of `gradwire/threads` gives them; none unless told. Same bits. */
  readonly threads?: Threads;
}
