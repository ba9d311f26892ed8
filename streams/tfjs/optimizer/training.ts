// One training: gradwire's optimizer over TF.js variables. Each step folds their gradients and writes what moved.
import { Subject } from 'rxjs';
import { GradwireError, quote } from '../../../src/errors.ts';
import { finite } from '../../../src/floats.ts';
import type { Batch, GradientRecord } from '../../../src/gradients/batch.ts';
import { layout } from '../../../src/layout.ts';
import type { Touched } from '../../../src/rmsprop/fold/fold.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop, type StepResult } from '../../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import type { SourceFollower, Step } from '../../operators/index.ts';
import type { TensorFlow, TfTensor, TfVariable } from '../tensorflow.ts';
import { assignAll, peek } from '../values.ts';
import { copyOf, matched } from '../variables.ts';
import { grown } from './grown.ts';

/** What a training needs besides its options. */
export interface TrainingOptions {
  /** Told of each optimizer that is made for the variables at hand, before it takes a step: it may restore a state. */
  readonly onBound: (optimizer: RMSprop) => void;
}

// how often a follower may compare the weights
const digestEvery = 256;

/** An optimizer and its variables. It holds no tensors: it finds variables by name in TF.js' own register. */
export class Training {
  /** Each step, while somebody looks. */
  readonly steps$: Subject<Step<string, Batch>> = new Subject<Step<string, Batch>>();
  optimizer: RMSprop;
  follower: SourceFollower | undefined;
  refused = 0;
  readonly #tf: TensorFlow;
  readonly #options: RMSpropOptions;
  readonly #onBound: (optimizer: RMSprop) => void;
  // what each variable held when it was last read or written here
  readonly #known = new Map<string, object>();

  constructor(tf: TensorFlow, options: RMSpropOptions, { onBound }: TrainingOptions) {
    this.#tf = tf;
    this.#options = options;
    this.#onBound = onBound;
    // threads only once there is something to do
    this.optimizer = new RMSprop(layout<string>({}), { ...options, threads: undefined });
  }

  /**
   * Folds the gradients of some variables, and writes the variables that moved. Nothing has changed where it throws.
   *
   * @throws GradwireError `E_BATCH_EMPTY`, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_NONFINITE`, `E_RANGE`; `E_WEIGHTS` for weights
   *   that were set and do not fit, or for variables written by somebody else under a follower; `E_BUSY` of a follower.
   */
  step(gradients: ReadonlyMap<string, TfTensor | null | undefined>): StepResult {
    const present = [...gradients].filter((entry): entry is [string, TfTensor] => entry[1] !== null && entry[1] !== undefined);
    if (present.length === 0) throw new GradwireError('E_BATCH_EMPTY', 'there are no gradients; nothing was applied');
    this.bindTo([...gradients.keys()]);
    for (const [name, tensor] of present) this.#demandShape(name, tensor);
    this.follower?.demandRoom(present.reduce((sum, [name]) => sum + 4 * (this.optimizer.layout.get(name)?.length ?? 0), 0));
    const outside = this.#takeOver();
    const batch = this.steps$.observed || this.follower !== undefined ? this.#batchOf(present) : undefined;
    const result = this.#fold(present);
    this.#write(result.touched);
    if (batch !== undefined) this.#tell(result, outside, batch);
    return result;
  }

  /** Adds variables to those that are trained; those that are stay as they are. Throws `E_UNKNOWN`, `E_DTYPE`, `E_WEIGHTS`. */
  bindTo(names: readonly string[]): void {
    const missing = names.filter((name) => this.optimizer.layout.get(name) === undefined);
    if (missing.length === 0) return;
    if (this.follower !== undefined)
      throw new GradwireError(
        'E_UNKNOWN',
        `${quote(missing[0])} is not in the model of the trainer that follows; nothing was applied`,
      );
    const variables = missing.map((name) => this.#demand(name));
    const initial = Object.fromEntries(variables.map((variable) => [variable.name, copyOf(this.#tf, variable)]));
    const next = grown(this.optimizer, variables, { ...this.#options, initial });
    if (this.optimizer.layout.length === 0) this.#onBound(next);
    this.optimizer.release();
    this.optimizer = next;
    for (const { name, dataId } of variables) this.#known.set(name, dataId);
  }

  /** Puts a state in place of the optimizer's, and writes its parameters into the variables. */
  adopt(state: RMSpropState): void {
    const { layout: model, parameters } = this.optimizer;
    const entries = model.tensors.map(({ name }) => [this.#demand(name), name] as const);
    matched(
      model,
      entries.map(([variable]) => variable),
    );
    this.optimizer.restore(state);
    assignAll(
      this.#tf,
      entries.map(([variable, name]) => [variable, parameters.get(name)] as const),
    );
    for (const [{ dataId }, name] of entries) this.#known.set(name, dataId);
  }

  #demand(name: string): TfVariable {
    const variable = this.#find(name);
    if (variable !== undefined) return variable;
    throw new GradwireError('E_UNKNOWN', `TF.js has no variable ${quote(name)}; nothing was applied`);
  }

  #find(name: string): TfVariable | undefined {
    const { registeredVariables } = this.#tf.engine();
    return Object.hasOwn(registeredVariables, name) ? registeredVariables[name] : undefined;
  }

  #demandShape(name: string, { shape }: TfTensor): void {
    const tensor = this.optimizer.layout.get(name);
    const length = shape.reduce((product, dimension) => product * dimension, 1);
    if (tensor?.length !== length)
      throw new GradwireError(
        'E_SHAPE',
        `the gradient of ${quote(name)} is [${shape}], the variable [${tensor?.shape}]; nothing was applied`,
      );
  }

  /** Variables that somebody else has written since: their values count, as in TF.js. */
  #takeOver(): Touched[] {
    const { layout: model, parameters } = this.optimizer;
    const changed = model.tensors.flatMap((tensor) => {
      const variable = this.#find(tensor.name);
      return variable === undefined || variable.dataId === this.#known.get(tensor.name) ? [] : [{ tensor, variable }];
    });
    if (changed.length > 0 && this.follower !== undefined) {
      const text = `${quote(changed[0].tensor.name)} was written by something else than this optimizer, which the trainer that follows cannot know`;
      throw new GradwireError('E_WEIGHTS', `${text}; nothing was applied`);
    }
    const read = changed.map(({ tensor, variable }) => ({ tensor, variable, values: copyOf(this.#tf, variable) }));
    for (const { tensor, values } of read)
      if (!finite(values))
        throw new GradwireError('E_NONFINITE', `${quote(tensor.name)} has values that are not finite; nothing was applied`);
    for (const { tensor, variable, values } of read) {
      parameters.get(tensor.name).set(values);
      this.#known.set(tensor.name, variable.dataId);
    }
    return changed.map(({ tensor }) => ({ tensor, rows: undefined }));
  }

  #batchOf(present: readonly [string, TfTensor][]): Batch {
    const { version } = this.optimizer;
    const gradients: GradientRecord = Object.fromEntries(
      present.map(([name, tensor]) => [name, new Float32Array(peek(this.#tf, tensor))]),
    );
    return { gradients, base: version, producer: 'tfjs', sequence: version + 1 };
  }

  #fold(present: readonly [string, TfTensor][]): StepResult {
    const { optimizer } = this;
    if (present.length < optimizer.layout.tensors.length)
      return optimizer.step(Object.fromEntries(present.map(([name, tensor]) => [name, peek(this.#tf, tensor)])));
    // in place: no record to read, and large ones are copied in one go
    for (const [name, tensor] of present) optimizer.gradients.get(name).set(peek(this.#tf, tensor));
    return optimizer.step();
  }

  #write(touched: readonly Touched[]): void {
    const { parameters } = this.optimizer;
    const entries = touched.flatMap(({ tensor: { name } }) => {
      const variable = this.#find(name);
      return variable === undefined ? [] : [[variable, parameters.get(name)] as const];
    });
    assignAll(this.#tf, entries);
    for (const [{ name, dataId }] of entries) this.#known.set(name, dataId);
  }

  #tell(result: StepResult, outside: readonly Touched[], batch: Batch): void {
    const { optimizer, refused } = this;
    const { parameters, version } = optimizer;
    const digest = this.follower !== undefined && version % digestEvery === 0 ? optimizer.digest() : undefined;
    this.follower?.take(batch, { version, digest });
    const more = outside.filter(({ tensor }) => !result.touched.some((each) => each.tensor === tensor));
    const touched = more.length > 0 ? [...result.touched, ...more] : result.touched;
    this.steps$.next({ ...result, touched, parameters, batch, optimizer, refused });
  }
}
