// The optimizer: parameters and accumulators of one model, folded over gradient batches.
import { bytesOf, digestOf } from '../digest.ts';
import { GradwireError, quote } from '../errors.ts';
import { type Foldable, gradientsOf, type TensorGradient } from '../gradients/check.ts';
import { type Layout, layout, type TensorSpec } from '../layout.ts';
import { known, Tensors } from '../tensors.ts';
import { type Arena, makeArena } from './arena.ts';
import { Debts } from './debts.ts';
import { type Kernel, makeKernel } from './kernel.ts';
import { configOf, type Hyperparameters, hyperparametersOf, type RMSpropConfig, type RMSpropOptions } from './options.ts';
import { learningRateAt } from './schedules.ts';
import { finite, type KerasWeights, type RMSpropState, readKerasWeights, refuseState } from './state.ts';

/** What one step did. */
export interface StepResult {
  /** Batches folded, this one included. */
  readonly version: number;
  /** The learning rate of this step, as rounded to float32. */
  readonly learningRate: number;
}

/**
 * Keras 2's RMSprop over a model's named tensors (`tf.keras.optimizers.RMSprop` with `lr`, `rho`, `epsilon`, `decay`),
 * equal to the bit on every engine. The equations stand in `equations.ts` and in docs/SEMANTICS.md.
 *
 * It holds no resources but memory: 12 bytes for each parameter.
 */
export class RMSprop<Name extends string = string> {
  readonly layout: Layout<Name>;
  /** The parameters: **live views** that the next step overwrites; `parameters.copy(name)` stays as it is. */
  readonly parameters: Tensors<Name>;
  readonly #options: Hyperparameters;
  readonly #kernelName: 'simd' | 'scalar';
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  readonly #debts: Debts;
  #version = 0;

  /** @throws GradwireError `E_LAYOUT` for what is no layout, `E_CONFIG` for an option, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE` or `E_NONFINITE` for initial parameters. */
  constructor(model: Layout<Name>, options: RMSpropOptions<Name> = {}) {
    if (!isLayout(model)) throw new GradwireError('E_LAYOUT', 'the model must be a layout, as layout({ w: [3, 4] }) makes it');
    const { rho, epsilon } = (this.#options = hyperparametersOf(options));
    this.layout = model;
    this.#kernelName = options.kernel ?? 'simd';
    this.#arena = makeArena(model);
    const rho32 = Math.fround(rho);
    this.#kernel = makeKernel(this.#kernelName, this.#arena, {
      rho: rho32,
      omr: Math.fround(1 - rho32),
      epsilon: Math.fround(epsilon),
    });
    this.#debts = new Debts(rho32);
    this.parameters = new Tensors(model, this.#arena.parameters);
    for (const [name, values] of Object.entries(options.initial ?? {})) this.#initialize(name, values as Float32Array);
  }

  /**
   * Keras' `from_config`: an optimizer with these hyper-parameters, for `model`. Keras binds its variables later; without a
   * model this one has no tensors, and is good for its configuration only.
   */
  static fromConfig<Name extends string>(config: RMSpropConfig, model?: Layout<Name>): RMSprop<Name>;
  static fromConfig<Name extends string>(model: Layout<Name>, config: RMSpropConfig): RMSprop<Name>;
  static fromConfig<Name extends string>(
    first: RMSpropConfig | Layout<Name>,
    second?: RMSpropConfig | Layout<Name>,
  ): RMSprop<Name> {
    const [model, config] = isLayout(first) ? [first, second] : [second, first];
    return new RMSprop((model ?? layout({})) as Layout<Name>, config as RMSpropConfig);
  }

  /** Batches folded so far: Keras' `iterations`. */
  get version(): number {
    return this.#version;
  }

  /**
   * Folds one batch: dense tensors as `Float32Array`, rows as `{ rows, values }`, some of the model's tensors in any order.
   * Tensors that the batch does not hold stay as they are. Refused batches change nothing.
   *
   * @throws GradwireError `E_BATCH_EMPTY`, `E_BATCH`, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS`, `E_NONFINITE` or `E_RANGE`.
   */
  step(batch: Foldable<Name>): StepResult {
    const { tensors } = gradientsOf(this.layout, batch, this.#options);
    for (const gradient of tensors) this.#stage(gradient);
    this.#clip(tensors);
    const learningRate = learningRateAt(this.#version, this.#options);
    this.#descend(tensors, learningRate);
    this.#version += 1;
    return { version: this.#version, learningRate };
  }

  /** The learning rate that the next step will take, as rounded to float32. */
  get learningRate(): number {
    return learningRateAt(this.#version, this.#options);
  }

  /** Keras' `get_config`: `{ lr, rho, decay, epsilon }` and what else differs from its default; plain data that survives JSON. */
  getConfig(): RMSpropConfig {
    return configOf(this.#options);
  }

  /** Keras' `get_weights`: the accumulators in layout order, as copies; what rows owe is paid in the copies. */
  getWeights(): Float32Array[] {
    return this.layout.tensors.map((tensor) => {
      const copy = this.#arena.accumulator.slice(tensor.offset, tensor.offset + tensor.length);
      this.#debts.readInto(tensor, copy);
      return copy;
    });
  }

  /**
   * Keras' `set_weights`: the list of {@link getWeights}, or Keras 2.3's with `iterations` first. Works before the first batch.
   *
   * @throws GradwireError `E_WEIGHTS` where the list does not fit; nothing is set then.
   */
  setWeights(weights: KerasWeights): void {
    const { accumulator, iterations } = readKerasWeights(this.layout, weights);
    this.#arena.accumulator.set(accumulator);
    this.#debts.restore(new Map());
    this.#version = iterations ?? this.#version;
  }

  /** Everything that the next steps depend on, as copies. */
  state(): RMSpropState {
    const { parameters, accumulator } = this.#arena;
    return {
      version: this.#version,
      parameters: parameters.slice(),
      accumulator: accumulator.slice(),
      owed: this.#debts.owed(this.layout),
    };
  }

  /**
   * Takes over a state of the same model: the steps that follow give the same bits as where it was taken.
   *
   * @throws GradwireError `E_WEIGHTS` where it does not fit; nothing is restored then.
   */
  restore(state: RMSpropState): void {
    refuseState(this.layout, state);
    this.#arena.parameters.set(state.parameters);
    this.#arena.accumulator.set(state.accumulator);
    this.#debts.restore(state.owed);
    this.#version = state.version;
  }

  /** The xxHash64 of all parameters in layout order, little-endian, as 16 hexadecimal digits. */
  digest(): string {
    return digestOf(bytesOf(this.#arena.parameters));
  }

  #initialize(name: string, values: Float32Array): void {
    const { offset, length, shape } = known(this.layout, name);
    if (!(values instanceof Float32Array))
      throw new GradwireError('E_DTYPE', `the initial ${quote(name)} must be a Float32Array`);
    if (values.length !== length) {
      throw new GradwireError(
        'E_SHAPE',
        `the initial ${quote(name)} has ${values.length} values, the model's [${shape}] takes ${length}`,
      );
    }
    if (!finite(values)) throw new GradwireError('E_NONFINITE', `the initial ${quote(name)} has values that are not finite`);
    this.#arena.parameters.set(values, offset);
  }

  #stage({ tensor, values }: TensorGradient): void {
    this.#arena.gradients.set(values, tensor.offset);
  }

  // Keras: first the norm over all tensors of the batch, then the values
  #clip(tensors: readonly TensorGradient[]): void {
    const { clipnorm = 0, clipvalue = 0 } = this.#options;
    if (clipnorm > 0) {
      const sum = tensors.reduce(
        (total, { tensor, values }) => this.#kernel.sumOfSquares(tensor.offset, values.length, total),
        0,
      );
      const norm = Math.fround(Math.sqrt(sum));
      const limit = Math.fround(clipnorm);
      if (norm >= limit) for (const { tensor, values } of tensors) this.#kernel.scale(tensor.offset, values.length, limit, norm);
    }
    if (clipvalue > 0)
      for (const { tensor, values } of tensors) this.#kernel.clip(tensor.offset, values.length, Math.fround(clipvalue));
  }

  // neighbouring dense tensors are one range for the kernel
  #descend(tensors: readonly TensorGradient[], learningRate: number): void {
    let start = 0;
    let end = 0;
    for (const { tensor, rows } of tensors) {
      if (rows !== undefined) this.#descendRows(tensor, rows, learningRate);
      else {
        if (this.#options.sparse === 'exact') this.#debts.settle(tensor, this.#accumulatorOf(tensor));
        if (tensor.offset !== end) {
          if (end > start) this.#kernel.dense(start, end - start, learningRate);
          start = tensor.offset;
        }
        end = tensor.offset + tensor.length;
      }
    }
    if (end > start) this.#kernel.dense(start, end - start, learningRate);
  }

  #descendRows(tensor: TensorSpec, rows: Int32Array, learningRate: number): void {
    const { factors } = this.#arena;
    this.#arena.rows.set(rows);
    if (this.#options.sparse === 'exact') this.#debts.touch(tensor, rows, factors);
    else factors.fill(1, 0, rows.length);
    this.#kernel.rows(tensor.offset, tensor.rowLength, rows.length, learningRate);
  }

  #accumulatorOf({ offset, length }: TensorSpec): Float32Array {
    return this.#arena.accumulator.subarray(offset, offset + length);
  }
}

function isLayout(value: unknown): value is Layout {
  return typeof value === 'object' && value !== null && Array.isArray((value as Layout).tensors);
}
