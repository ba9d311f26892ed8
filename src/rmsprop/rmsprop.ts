// The optimizer: parameters and slots of one model, folded over gradient batches.
import { bytesOf, digestOf } from '../digest.ts';
import { GradwireError } from '../errors.ts';
import { type CheckOptions, type Foldable, Gradients, gradientsOf } from '../gradients/check.ts';
import { type Layout, layout } from '../layout.ts';
import { Tensors } from '../tensors.ts';
import { type Engine, makeEngine } from './engine.ts';
import type { Outcome } from './fold/fold.ts';
import type { RMSpropConfig, RMSpropOptions } from './options/hyperparameters.ts';
import { readKerasConfig } from './options/keras-config.ts';
import { configOf } from './options/options.ts';
import { checkedRate, decayedRate } from './schedules/schedules.ts';
import { exportSlots, importSlots, type StateFormat } from './state/exchange.ts';
import { type KerasWeights, kerasWeightsOf, setKerasWeights } from './state/keras-weights.ts';
import { asVersion, movementBetween, Rollback } from './state/rollback.ts';
import { type RMSpropState, restoreState, stateOf } from './state/state.ts';

/** What one step did. */
export interface StepResult<Name extends string = string> extends Outcome<Name> {
  /** Batches folded, this one included; a rollback counts as one. */
  readonly version: number;
  /** The learning rate of this step, by its batch's `rateFactor` too, as rounded to float32; groups may multiply it. */
  readonly learningRate: number;
}

/**
 * RMSprop over a model's named tensors: `tf.keras.optimizers.RMSprop` with `lr`, `rho`, `epsilon`, `decay`, or another origin's
 * by `preset`; equal to the bit on every engine and with any number of threads. docs/SEMANTICS.md has the equations.
 *
 * It holds no resources but memory: 12 bytes for each parameter and 4 more for each further slot.
 */
export class RMSprop<Name extends string = string> {
  readonly layout: Layout<Name>;
  /** The parameters: **live views** that the next step overwrites; `parameters.copy(name)` stays as it is. */
  readonly parameters: Tensors<Name>;
  /** Where a caller may write the next batch, to save a copy: **live views** that every step overwrites. See {@link step}. */
  readonly gradients: Tensors<Name>;
  /** The moving averages of the parameters, with `useEma`: **live views** that the next step overwrites. */
  readonly averages: Tensors<Name> | undefined;
  readonly #engine: Engine;
  readonly #inPlace: Gradients<Name>;
  readonly #check: CheckOptions;
  #version = 0;
  // versions that are no iteration, and how many of them rollbacks undid
  #skipped = 0;
  #undone = 0;

  /** @throws GradwireError `E_LAYOUT` for what is no layout, `E_CONFIG` for an option, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE` or `E_NONFINITE` for initial parameters. */
  constructor(model: Layout<Name>, options: RMSpropOptions<Name> = {}) {
    if (!isLayout(model)) throw new GradwireError('E_LAYOUT', 'the model must be a layout, as layout({ w: [3, 4] }) makes it');
    this.layout = model;
    this.#engine = makeEngine(model, options);
    const { arena, all, fold } = this.#engine;
    this.#check = { maxAbs: all.maxAbs, allowsNotFinite: fold.lossScale.dynamic };
    this.parameters = new Tensors(model, arena.parameters);
    this.gradients = new Tensors(model, arena.gradients);
    this.averages = all.useEma ? new Tensors(model, arena.average) : undefined;
    const inPlace = model.tensors.map((tensor) => ({ tensor, rows: undefined, values: this.gradients.get(tensor.name) }));
    this.#inPlace = new Gradients(model, inPlace);
  }

  /**
   * Keras' `from_config`: an optimizer with these hyper-parameters, for `model`; it also reads Keras' own JSON
   * (`{ class_name: 'RMSprop', config: { … } }`) and TF.js'. Keras binds its variables later; without a model this one has no
   * tensors, and is good for its configuration only.
   */
  static fromConfig<Name extends string>(config: object, model?: Layout<Name>): RMSprop<Name>;
  static fromConfig<Name extends string>(model: Layout<Name>, config: object): RMSprop<Name>;
  static fromConfig<Name extends string>(first: object, second?: object): RMSprop<Name> {
    const [model, config] = isLayout(first) ? [first, second] : [second, first];
    return new RMSprop((model ?? layout({})) as Layout<Name>, readKerasConfig(config) as RMSpropOptions<Name>);
  }

  /** Batches folded so far: Keras' `iterations`, unless there was a rollback. */
  get version(): number {
    return this.#version;
  }

  /** Batches that a dynamic loss scale has left out; they count as versions. */
  get skipped(): number {
    return this.#skipped - this.#undone;
  }

  /** Largest |g| that a batch may hold. */
  get maxAbs(): number {
    return this.#engine.all.maxAbs;
  }

  /** What the next batch is divided by. */
  get lossScale(): number {
    return this.#engine.fold.lossScale.scale;
  }

  /**
   * Folds one batch: dense tensors as `Float32Array`, rows as `{ rows, values }`, some of the model's tensors in any order; or,
   * without an argument, what stands in {@link gradients} for all tensors. Tensors that the batch does not hold stay as they
   * are. Refused batches change nothing. {@link Gradients} with a `rateFactor` multiply the learning rate of this step by it;
   * within an accumulation that of the batch that makes the update counts. A recorded {@link Rollback} is folded too, where it
   * was made with this configuration.
   *
   * @throws GradwireError `E_CONFIG_DRIFT` for a rollback; `E_BATCH_EMPTY`, `E_BATCH`, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS`, `E_NONFINITE` or `E_RANGE`.
   */
  step(batch?: Foldable<Name>): StepResult<Name> {
    const { all, fold, mostRate } = this.#engine;
    // biome-ignore lint/complexity/noArguments: a batch that is undefined by mistake is not the same as none; rest parameters take 1 µs
    const given = arguments.length === 0 ? this.#inPlace : batch;
    const gradients = gradientsOf(this.layout, given as Foldable<Name>, this.#check);
    if (gradients instanceof Rollback) return this.#rollBack(gradients);
    const { tensors, rateFactor } = gradients;
    const folded = this.#version - this.#skipped;
    const t = this.#updates;
    const rate = checkedRate(all.lr, t, mostRate) * rateFactor;
    const ends = (folded + 1) % all.gradientAccumulationSteps === 0;
    const outcome = fold.fold(tensors, { t, ends, rate });
    const learningRate = Math.fround(decayedRate(rate, all.decay, t));
    this.#version += 1;
    if (outcome.skipped) this.#skipped += 1;
    return resultOf(this.#version, learningRate, outcome as Outcome<Name>);
  }

  #rollBack({ to, state, optimizer }: Rollback<Name>): StepResult<Name> {
    const version = this.#version + 1;
    if (JSON.stringify(optimizer) !== JSON.stringify(this.getConfig())) {
      const text = `version ${version} is a rollback to version ${to}, whose state these hyper-parameters did not make`;
      throw new GradwireError('E_CONFIG_DRIFT', `${text}; fold what comes before it or after it, or with those of the run`);
    }
    const { parameters } = this.#engine.arena;
    const updateNorm = state.parameters.length === parameters.length ? movementBetween(parameters, state.parameters) : 0;
    this.restore(asVersion(state, version));
    const touched = this.layout.tensors.map((tensor) => ({ tensor, rows: undefined }));
    const outcome = { gradientNorm: 0, updateNorm, clipFactor: 1, rowsTouched: 1, skipped: false, updated: true, touched };
    return { version, learningRate: this.learningRate, ...outcome };
  }

  /**
   * Throws for a batch of the model that {@link step} would refuse whatever its values: `E_ROWS` for rows that these options
   * cannot fold. Changes nothing.
   */
  demandFoldable({ tensors }: Gradients<Name>): void {
    this.#engine.fold.demandFoldable(tensors);
  }

  /** The learning rate that the next update will take, as rounded to float32. */
  get learningRate(): number {
    const { lr, decay } = this.#engine.all;
    return Math.fround(decayedRate(checkedRate(lr, this.#updates, this.#engine.mostRate), decay, this.#updates));
  }

  #setUpdates(updates: number): void {
    this.#version = updates * this.#engine.all.gradientAccumulationSteps;
    this.#skipped = 0;
    this.#undone = 0;
  }

  // updates made, which is what Keras counts as iterations
  get #updates(): number {
    return Math.floor((this.#version - this.#skipped) / this.#engine.all.gradientAccumulationSteps);
  }

  /**
   * Keras' `get_config`: `{ lr, rho, decay, epsilon }` and what else differs from its default; plain data that survives JSON.
   *
   * @throws GradwireError `E_CONFIG` where the learning rate is a function, which cannot be written down.
   */
  getConfig(): RMSpropConfig {
    return configOf(this.#engine.all);
  }

  /** Keras' `get_weights`: accumulators, then momentum buffers, then mean gradients, each in layout order, as copies; what rows owe is paid in the copies. */
  getWeights(): Float32Array[] {
    return kerasWeightsOf(this.layout, this.#engine);
  }

  /**
   * Keras' `set_weights`: the list of {@link getWeights}, or Keras 2.3's with `iterations` first. Works before the first batch.
   *
   * @throws GradwireError `E_WEIGHTS` where the list does not fit; nothing is set then.
   */
  setWeights(weights: KerasWeights): void {
    const iterations = setKerasWeights(this.layout, this.#engine, weights);
    if (iterations !== undefined) this.#setUpdates(iterations);
  }

  /**
   * The slots and the number of updates, without parameters, as a safetensors buffer under the names of `torch.optim.RMSprop`
   * (`torch`: `<tensor>.square_avg`, …) or of TF.js (`tfjs`: `<tensor>/rms`, …).
   *
   * @throws GradwireError `E_CONFIG` where its momentum buffer means something else there; `E_WEIGHTS` within an accumulation.
   */
  exportState(format: StateFormat): Uint8Array<ArrayBuffer> {
    return exportSlots(this.layout, this.#engine, format, this.#updates);
  }

  /**
   * Takes over what {@link exportState}, PyTorch or TF.js wrote under those names.
   *
   * @throws GradwireError `E_ST_…`, `E_CONFIG` or `E_WEIGHTS`; nothing is set then.
   */
  importState(format: StateFormat, buffer: Uint8Array): void {
    this.#setUpdates(importSlots(this.layout, this.#engine, format, buffer));
  }

  /**
   * Everything that the next steps depend on, as copies.
   *
   * @param spare a state of this optimizer that nobody needs any more: its arrays are overwritten instead of taking new memory,
   *   whose pages take several times as long as the copy.
   */
  state(spare?: RMSpropState): RMSpropState {
    return stateOf(this.layout, this.#engine, { version: this.#version, skipped: this.#skipped, undone: this.#undone }, spare);
  }

  /**
   * Takes over a state of the same model: the steps that follow give the same bits as where it was taken.
   *
   * @throws GradwireError `E_WEIGHTS` where it does not fit; nothing is restored then.
   */
  restore(state: RMSpropState): void {
    restoreState(this.layout, this.#engine, state);
    this.#version = state.version;
    this.#skipped = state.skipped ?? 0;
    this.#undone = state.undone ?? 0;
  }

  /** The xxHash64 of all parameters in layout order, little-endian, as 16 hexadecimal digits. */
  digest(): string {
    return digestOf(bytesOf(this.#engine.arena.parameters));
  }

  /** Gives back the threads that work for this optimizer; it goes on without them. Nothing happens where it has none. */
  release(): void {
    this.#engine.crew?.close();
  }
}

// field by field, for a spread takes longer than a small step
function resultOf<Name extends string>(version: number, learningRate: number, outcome: Outcome<Name>): StepResult<Name> {
  const { gradientNorm, updateNorm, clipFactor, rowsTouched, skipped, updated, touched } = outcome;
  return { version, learningRate, gradientNorm, updateNorm, clipFactor, rowsTouched, skipped, updated, touched };
}

function isLayout(value: unknown): value is Layout {
  return typeof value === 'object' && value !== null && Array.isArray((value as Layout).tensors);
}
