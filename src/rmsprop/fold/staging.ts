// A batch brought into the arena: copied where it is not there yet, and every value checked in the same pass as the norm.
import { GradwireError, quote } from '../../errors.ts';
import { finite } from '../../floats.ts';
import type { TensorGradient } from '../../gradients/check.ts';
import { checkValues } from '../../gradients/values.ts';
import type { TensorSpec } from '../../layout.ts';
import { isByRow } from '../constraints/constraints.ts';
import type { Arena } from '../kernel/arena.ts';
import { blockLength, passes } from '../kernel/control.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Part } from '../options/groups.ts';
import type { Hyperparameters } from '../options/hyperparameters.ts';

/** A tensor of the batch at hand. */
export interface Staged {
  readonly tensor: TensorSpec;
  readonly rows: Int32Array | undefined;
  /** Floats of its gradient, from the tensor's offset on. */
  readonly length: number;
  readonly part: Part;
  /** Sum of the gradient's squares; where no norm clips, its root is within 1e-5. */
  readonly sum: number;
}

/** A value of a batch that is not finite: a dynamic loss scale skips the batch. */
export const notFinite: unique symbol = Symbol('not finite');

// copied and checked while it is in the cache
const stagedLength = 16 * blockLength;

/** Brings gradients into one arena. */
export class Staging {
  readonly #all: Hyperparameters;
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  // a dynamic loss scale does
  readonly #skipsNotFinite: boolean;
  // the sum that a clipping needs, or the faster one that is only told
  readonly #which: number;

  constructor(all: Hyperparameters, { arena, kernel, clips }: { arena: Arena; kernel: Kernel; clips: boolean }) {
    this.#all = all;
    this.#skipsNotFinite = typeof all.lossScale !== 'number';
    this.#arena = arena;
    this.#kernel = kernel;
    this.#which = clips ? passes.check | passes.squares : passes.check;
  }

  /**
   * The batch's tensors without those of frozen groups, or {@link notFinite} where a dynamic loss scale has to skip it.
   *
   * @throws GradwireError `E_NONFINITE`, `E_RANGE` or `E_ROWS`; nothing but the arena's gradients has changed then.
   */
  stage(tensors: readonly TensorGradient[], parts: ReadonlyMap<TensorSpec, Part>): Staged[] | typeof notFinite {
    for (const each of tensors) this.refuseRows(each, parts.get(each.tensor) as Part);
    const staged: Staged[] = [];
    for (const { tensor, rows, values } of this.#apart(tensors)) {
      const sum = this.#copy(tensor, values);
      if (Number.isNaN(sum)) {
        if (this.#skipsNotFinite && tensors.some((each) => !finite(each.values))) return notFinite;
        checkValues(tensor.name, values, this.#all);
      }
      const part = parts.get(tensor) as Part;
      if (!part.frozen) staged.push({ tensor, rows, length: values.length, part, sum });
    }
    return staged;
  }

  // views of the arena's own gradients that stand for another tensor would be overwritten before they are read
  #apart(tensors: readonly TensorGradient[]): readonly TensorGradient[] {
    const { gradients } = this.#arena;
    const isMixed = ({ tensor, values }: TensorGradient): boolean =>
      values.buffer === gradients.buffer && !this.#isThere(tensor, values);
    return tensors.some(isMixed) ? tensors.map((each) => ({ ...each, values: new Float32Array(each.values) })) : tensors;
  }

  #isThere({ offset }: TensorSpec, { buffer, byteOffset }: Float32Array): boolean {
    const { gradients } = this.#arena;
    return buffer === gradients.buffer && byteOffset === gradients.byteOffset + offset * 4;
  }

  // the sum of its squares, NaN where a value must be refused
  #copy(tensor: TensorSpec, values: Float32Array): number {
    const { gradients } = this.#arena;
    const { offset } = tensor;
    const { length } = values;
    if (this.#isThere(tensor, values)) return this.#kernel.run(this.#which, offset, length);
    if (length <= stagedLength) {
      gradients.set(values, offset);
      return this.#kernel.run(this.#which, offset, length);
    }
    let sum = 0;
    for (let i = 0; i < length; i += stagedLength) {
      const part = values.subarray(i, i + stagedLength);
      gradients.set(part, offset + i);
      sum = this.#kernel.run(this.#which, offset + i, part.length, sum);
    }
    return sum;
  }

  /** Throws `E_ROWS` for rows that these options cannot fold. */
  refuseRows({ tensor, rows }: TensorGradient, { constraint, frozen }: Part): void {
    if (rows === undefined) return;
    const { momentum, sparse, gradientAccumulationSteps } = this.#all;
    const constrained = constraint !== undefined && !frozen && !isByRow(constraint, tensor);
    let why: string | undefined;
    if (momentum > 0 && sparse === 'exact') why = "with momentum needs sparse: 'lazy'";
    else if (gradientAccumulationSteps > 1) why = 'cannot be accumulated; send it dense';
    else if (constrained) why = 'cannot be constrained over its rows; send it dense';
    if (why !== undefined)
      throw new GradwireError('E_ROWS', `a batch of rows of ${quote(tensor.name)} ${why}; nothing was applied`);
  }
}
