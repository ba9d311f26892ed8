// The shapes of learning-rate schedules: plain data, the parameters of Keras 3's classes in camelCase.

/** `initialLearningRate / (1 + decayRate · t / decaySteps)`: Keras' `InverseTimeDecay`. `staircase` rounds t / decaySteps down. */
export interface InverseTime {
  readonly type: 'inverseTime';
  readonly initialLearningRate: number;
  readonly decaySteps: number;
  readonly decayRate: number;
  readonly staircase?: boolean;
}

/** `initialLearningRate · decayRate ^ (t / decaySteps)`: Keras' `ExponentialDecay`. `staircase` rounds t / decaySteps down. */
export interface Exponential {
  readonly type: 'exponential';
  readonly initialLearningRate: number;
  readonly decaySteps: number;
  readonly decayRate: number;
  readonly staircase?: boolean;
}

/** `values[i]` up to and including step `boundaries[i]`, the last value after that: Keras' `PiecewiseConstantDecay`. */
export interface PiecewiseConstant {
  readonly type: 'piecewiseConstant';
  /** Ascending steps; without any, the rate is constant. */
  readonly boundaries: readonly number[];
  /** One more than boundaries. */
  readonly values: readonly number[];
}

/** From `initialLearningRate` to `endLearningRate` (1e-4) along `(1 − t / decaySteps) ^ power` (1): Keras' `PolynomialDecay`. */
export interface Polynomial {
  readonly type: 'polynomial';
  readonly initialLearningRate: number;
  readonly decaySteps: number;
  readonly endLearningRate?: number;
  readonly power?: number;
  /** Past its end, stretch `decaySteps` to its next multiple, again and again; false unless told. */
  readonly cycle?: boolean;
}

/** Half a cosine wave from the top down to `alpha` (0) of it, after a linear warm-up if there is a target: Keras' `CosineDecay`. */
export interface Cosine {
  readonly type: 'cosine';
  /** The top, or, where there is a `warmupTarget`, the rate that the warm-up starts from. */
  readonly initialLearningRate: number;
  readonly decaySteps: number;
  readonly alpha?: number;
  /** The top that `warmupSteps` steps lead up to; null (default): no warm-up, whatever `warmupSteps` says, as in Keras. */
  readonly warmupTarget?: number | null;
  readonly warmupSteps?: number;
}

/**
 * Half cosine waves, each `tMul` (2) times as long and `mMul` (1) times as high as the one before: Keras' `CosineDecayRestarts`.
 * Different from Keras, `tMul` is at least 1 (below it, Keras' rate becomes NaN), and a period always begins on the step that is
 * its first (Keras rounds a logarithm there, and may begin it one step late).
 */
export interface CosineRestarts {
  readonly type: 'cosineRestarts';
  readonly initialLearningRate: number;
  readonly firstDecaySteps: number;
  readonly tMul?: number;
  readonly mMul?: number;
  readonly alpha?: number;
}

/** The sum of the schedules' values. */
export interface Sum {
  readonly type: 'sum';
  readonly of: readonly Schedule[];
}

/** One schedule after the other, each counting its own t from 0. The last goes on for ever, and may leave out its `steps`. */
export interface Sequence {
  readonly type: 'sequence';
  readonly of: readonly { readonly schedule: Schedule; readonly steps?: number }[];
}

/** A learning rate by step, as plain data. Steps count the batches already folded, from 0. */
export type Schedule = InverseTime | Exponential | PiecewiseConstant | Polynomial | Cosine | CosineRestarts | Sum | Sequence;

/** The schedule of that type, with its defaults filled in. */
export type Complete<Type extends Schedule['type']> = Required<Extract<Schedule, { type: Type }>>;
