// tfRMSprop: gradwire's RMSprop as a `tf.Optimizer` with Keras' face, of the very `tf` that it is given.
import type { Observable } from 'rxjs';
import type { Batch } from '../../../src/gradients/batch.ts';
import type { Layout } from '../../../src/layout.ts';
import type { StepResult } from '../../../src/rmsprop/rmsprop.ts';
import type { Publication, TrainingSource } from '../../operators/index.ts';
import type { TensorFlow, TfNamedTensor, TfTensor } from '../tensorflow.ts';
import type { Variables } from '../variables.ts';
import { optimizerClass } from './class.ts';
import type { TfRMSpropConfig, TfRMSpropOptions } from './options.ts';

/** What one call of `getUpdates` did: the step, with the loss before it. */
export interface TfUpdate extends StepResult {
  readonly loss: number;
}

/** Weights of an optimizer as `setWeights` takes them: TF.js' named tensors, tensors, or arrays; a number is a count. */
export type TfWeightsInput = readonly (TfNamedTensor | TfTensor | ArrayLike<number> | number)[];

/** What the optimizer has beside what every `tf.Optimizer` has. */
export interface TfRMSpropFace<TF extends TensorFlow> extends TrainingSource {
  /** Every update of the parameters, as it is made; hot. It costs nothing while nobody subscribes. */
  readonly updates$: Observable<Publication<Batch>>;
  /** Batches folded: TF.js' and Keras' `iterations`. */
  readonly version: number;
  /** Batches that were refused, with `onRefused`. */
  readonly refused: number;
  /** The learning rate that the next step will take. */
  readonly learningRate: number;
  /** The variables that it has met, in their order; empty before the first step. */
  readonly layout: Layout;
  /** The parameters' digest: that of a trainer which follows, at the same version. */
  digest(): string;
  /** Keras' `get_config`, in a form that survives `model.save`. Throws `E_CONFIG` where the learning rate is a function. */
  getConfig(): TfRMSpropConfig;
  /** Keras' `from_config`: another optimizer, for the same TF.js. Throws `E_CONFIG`. */
  fromConfig(config: object): TfRMSprop<TF>;
  /**
   * Keras' `get_gradients`: the gradients of the loss by the params, in their order, clipped as the options say. The caller
   * disposes of the tensors. Throws `E_BATCH` where the loss does not depend on one of them, and the codes of {@link updates$}' steps.
   */
  getGradients(loss: () => TfTensor, params: Variables): ReturnType<TF['tensor']>[];
  /** Keras' `get_updates`, as TensorFlow 2 does it: makes one step of the loss by the params, and says what it did. */
  getUpdates(loss: () => TfTensor, params: Variables): [TfUpdate];
  /**
   * `iter`, then `<variable>/rms` and the further slots. The tensors are the optimizer's, as in TF.js: they are good until its next
   * step, and until `getWeights`, `setWeights` or `dispose` is called again.
   */
  getWeights(): Promise<{ name: string; tensor: ReturnType<TF['tensor']> }[]>;
  /** Takes over such a list, Keras' or TF.js'. Rejects with `E_WEIGHTS` where it does not fit; nothing is set then. */
  setWeights(weights: TfWeightsInput): Promise<void>;
  /** Resolves when a trainer that follows has all steps on disk and folded, at once without one: `callbacks: { onBatchEnd: () => optimizer.drained() }`. */
  drained(): Promise<void>;
}

/** The optimizer: what `tf.Optimizer` is in this `tf`, and {@link TfRMSpropFace}. */
export type TfRMSprop<TF extends TensorFlow> = InstanceType<TF['Optimizer']> & TfRMSpropFace<TF>;

/**
 * An optimizer for `model.compile({ optimizer })`, `optimizer.minimize` and Keras' own calls, with gradwire's kernel and semantics,
 * every preset and option. It holds no tensors; its memory is gradwire's own. `dispose()` gives back its threads.
 *
 * The first call for a `tf` registers its class there as `GradwireRMSprop`, so that models saved with `includeOptimizer` load.
 *
 * @throws GradwireError `E_CONFIG` for an option.
 */
export function tfRMSprop<TF extends TensorFlow>(tf: TF, options: TfRMSpropOptions = {}): TfRMSprop<TF> {
  return new (optimizerClass(tf))(options) as unknown as TfRMSprop<TF>;
}
