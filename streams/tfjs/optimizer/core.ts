// What the optimizer does behind its class: steps, weights and configurations, and a trainer that follows.
import { type Observable, share } from 'rxjs';
import { type ErrorCode, GradwireError } from '../../../src/errors.ts';
import type { Batch } from '../../../src/gradients/batch.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import type { Hyperparameters } from '../../../src/rmsprop/options/hyperparameters.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import type { StepResult } from '../../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import { type Publication, publish, type SourceFollower } from '../../operators/index.ts';
import type { TensorFlow, TfNamedTensor, TfTensor } from '../tensorflow.ts';
import { matched, type Variables, variablesOf } from '../variables.ts';
import { clippedGradients, gradientTensors } from './keras.ts';
import { savable, type TfRMSpropConfig, type TfRMSpropOptions } from './options.ts';
import type { TfUpdate, TfWeightsInput } from './rmsprop.ts';
import { type SlotWeight, stateWith, weightsOf } from './slots.ts';
import { Training } from './training.ts';
import { readWeights, tensorsOf } from './weights.ts';

// what a batch's content is refused with; all else is a mistake of the program
const contents: readonly ErrorCode[] = ['E_NONFINITE', 'E_RANGE'];

/** The optimizer of one training; `TfRMSpropFace` says what its methods are. */
export class Core {
  readonly updates$: Observable<Publication<Batch>>;
  readonly #tf: TensorFlow;
  readonly #options: Omit<TfRMSpropOptions, 'onRefused'>;
  readonly #onRefused: TfRMSpropOptions['onRefused'];
  readonly #all: Hyperparameters;
  readonly #training: Training;
  // weights that were set before the variables were known
  #loaded: readonly SlotWeight[] | undefined;
  // those that getWeights gave last
  #given: readonly TfNamedTensor[] = [];

  constructor(tf: TensorFlow, { onRefused, ...options }: TfRMSpropOptions = {}) {
    this.#tf = tf;
    this.#options = options;
    this.#onRefused = onRefused;
    this.#all = hyperparametersOf(options);
    this.#training = new Training(tf, options, {
      onBound: (optimizer) => {
        if (this.#loaded !== undefined)
          optimizer.restore(stateWith(optimizer.layout, this.#all, optimizer.state(), this.#loaded));
        this.#loaded = undefined;
      },
    });
    this.updates$ = this.#training.steps$.pipe(publish(), share());
  }

  get version(): number {
    const first = this.#loaded?.[0];
    return first?.name === 'iter' ? Number(first.values[0]) : this.#training.optimizer.version;
  }

  get iterations(): number {
    return this.version;
  }

  get refused(): number {
    return this.#training.refused;
  }

  get learningRate(): number {
    return this.#training.optimizer.learningRate;
  }

  get layout(): Layout {
    return this.#training.optimizer.layout;
  }

  digest(): string {
    return this.#training.optimizer.digest();
  }

  applyGradients(gradients: Readonly<Record<string, TfTensor>> | readonly TfNamedTensor[]): void {
    const entries = Array.isArray(gradients)
      ? (gradients as readonly TfNamedTensor[]).map(({ name, tensor }) => [name, tensor] as const)
      : Object.entries(gradients as Readonly<Record<string, TfTensor>>);
    this.#step(new Map(entries));
  }

  getConfig(): TfRMSpropConfig {
    return savable(this.#training.optimizer.getConfig());
  }

  getGradients(loss: () => TfTensor, params: Variables): TfTensor[] {
    return clippedGradients(this.#tf, this.#options, { loss, params, lossScale: this.#training.optimizer.lossScale });
  }

  getUpdates(loss: () => TfTensor, params: Variables): [TfUpdate] {
    const { value, gradients, dispose } = gradientTensors(this.#tf, loss, variablesOf(params));
    try {
      return [{ ...(this.#step(gradients) as StepResult), loss: value }];
    } finally {
      dispose();
    }
  }

  async getWeights(): Promise<readonly TfNamedTensor[]> {
    this.#free();
    const { layout, optimizer } = { layout: this.layout, optimizer: this.#training.optimizer };
    this.#given = tensorsOf(this.#tf, this.#loaded ?? weightsOf(layout, this.#all, optimizer.state()));
    return [...this.#given];
  }

  async setWeights(weights: TfWeightsInput): Promise<void> {
    const list = await readWeights(weights);
    const { optimizer, follower } = this.#training;
    if (follower !== undefined)
      throw new GradwireError('E_WEIGHTS', 'a trainer follows, which cannot know of weights that are set; nothing was set');
    // a saved model's optimizer gets its weights before it has met the model
    if (optimizer.layout.length === 0) this.#loaded = list;
    else optimizer.restore(stateWith(optimizer.layout, this.#all, optimizer.state(), list));
    this.#free();
  }

  dispose(): void {
    this.#free();
    this.#training.optimizer.release();
  }

  bind(model: Layout | undefined): Layout {
    if (model !== undefined) {
      this.#training.bindTo(model.tensors.map(({ name }) => name));
      const { registeredVariables } = this.#tf.engine();
      matched(
        model,
        model.tensors.map(({ name }) => registeredVariables[name]),
      );
    }
    if (this.layout.length === 0 || (model !== undefined && !sameLayout(model, this.layout)))
      throw new GradwireError(
        'E_LAYOUT',
        'the trainer and its source must have one model; give the trainer model: layoutOf(model)',
      );
    return this.layout;
  }

  state(): RMSpropState {
    return this.#training.optimizer.state();
  }

  adopt(state: RMSpropState): void {
    this.#training.adopt(state);
  }

  follow(follower: SourceFollower): () => void {
    if (this.#training.follower !== undefined)
      throw new GradwireError('E_CONFIG', 'another trainer follows this optimizer already');
    this.#training.follower = follower;
    return () => {
      if (this.#training.follower === follower) this.#training.follower = undefined;
    };
  }

  async drained(): Promise<void> {
    await this.#training.follower?.idle();
  }

  #step(gradients: ReadonlyMap<string, TfTensor | null | undefined>): StepResult | undefined {
    this.#free();
    try {
      return this.#training.step(gradients);
    } catch (error) {
      if (!(error instanceof GradwireError) || !contents.includes(error.code) || this.#onRefused === undefined) throw error;
      this.#training.refused += 1;
      this.#onRefused(error);
      return undefined;
    }
  }

  #free(): void {
    for (const { tensor } of this.#given) tensor.dispose();
    this.#given = [];
  }
}
