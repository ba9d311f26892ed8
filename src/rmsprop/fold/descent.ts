// The update of the tensors of a batch: the longest ranges that the same constants hold for, each in one call of the kernel.
import type { TensorSpec } from '../../layout.ts';
import { constrain } from '../constraints/constraints.ts';
import type { Arena } from '../kernel/arena.ts';
import { at, passes } from '../kernel/control.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Part } from '../options/groups.ts';
import type { Hyperparameters } from '../options/hyperparameters.ts';
import { presets } from '../options/presets.ts';
import { decayedRate } from '../schedules/schedules.ts';
import type { Debts } from '../state/debts.ts';
import type { Scaling } from './clipping.ts';
import type { Staged } from './staging.ts';

/** When a batch comes. */
export interface Turn {
  /** Updates made before. */
  readonly t: number;
  /** Whether it makes an update, or only adds to the sum of gradients. */
  readonly ends: boolean;
  /** The learning rate before any decay, in float64. */
  readonly rate: number;
}

/** Updates over one arena. */
export class Descent {
  readonly #all: Hyperparameters;
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  readonly #debts: Debts;

  constructor(all: Hyperparameters, { arena, kernel, debts }: { arena: Arena; kernel: Kernel; debts: Debts }) {
    this.#all = all;
    this.#arena = arena;
    this.#kernel = kernel;
    this.#debts = debts;
  }

  /** Clips, decays and updates, tensor by tensor or several at once; the sum of u². */
  descend(staged: readonly Staged[], scalings: readonly (Scaling | undefined)[] | undefined, turn: Turn): number {
    let squares = 0;
    for (let i = 0, j = 0; i < staged.length; i = j) {
      const { tensor, rows, part } = staged[i];
      const scaling = scalings?.[i];
      const which = this.#passesFor(part, scaling, turn);
      j = i + 1;
      if (rows !== undefined) {
        squares += this.#descendRows(staged[i], rows, which);
        continue;
      }
      let end = tensor.offset + tensor.length;
      this.#settle(tensor);
      while (j < staged.length && joins(staged[j], part, end) && scalings?.[j]?.norm === scaling?.norm) {
        end += staged[j].length;
        this.#settle(staged[j].tensor);
        j += 1;
      }
      squares += this.#kernel.run(which, tensor.offset, end - tensor.offset);
    }
    return squares;
  }

  /** Averages and constraints of update `t`; whether all parameters were overwritten by their averages. */
  finish(staged: readonly Staged[], t: number): boolean {
    const { parameters, average } = this.#arena;
    const { useEma, emaOverwriteFrequency: every } = this.#all;
    if (useEma && t === 0) for (const { tensor, rows } of staged) copy(tensor, rows, parameters, average);
    const overwrites = useEma && every > 0 && (t + 1) % every === 0;
    if (overwrites) this.#kernel.run(passes.overwrite, 0, parameters.length);
    for (const { tensor, rows, part } of staged) {
      if (part.constraint === undefined) continue;
      constrain(part.constraint, tensor, parameters.subarray(tensor.offset, tensor.offset + tensor.length), rows);
    }
    return overwrites;
  }

  // sets the constants that hold for a part, and says which passes it needs
  #passesFor(part: Part, scaling: Scaling | undefined, { t, rate }: Turn): number {
    const { constants } = this.#arena;
    constants[at.rho] = part.rho;
    constants[at.omr] = 1 - part.rho;
    constants[at.lr] = decayedRate(rate, part.decay, t) * part.lrMultiplier;
    let which: number = passes.update;
    if (scaling !== undefined) {
      constants[at.clipnorm] = scaling.limit;
      constants[at.norm] = scaling.norm;
      which |= passes.scale;
    }
    if (part.clipvalue > 0) {
      constants[at.clipvalue] = part.clipvalue;
      which |= passes.clip;
    }
    if (part.weightDecay > 0) {
      constants[at.lambda] = part.weightDecay;
      which |= presets[this.#all.preset].weightDecay === 'coupled' ? passes.coupled : passes.decoupled;
    }
    return this.#all.useEma && t > 0 ? which | passes.follow : which;
  }

  #settle(tensor: TensorSpec): void {
    if (this.#all.sparse !== 'exact') return;
    this.#debts.settle(tensor, () => {
      const { accumulator, meanGradient } = this.#arena;
      const slots = this.#all.centered ? [accumulator, meanGradient] : [accumulator];
      return slots.map((slot) => slot.subarray(tensor.offset, tensor.offset + tensor.length));
    });
  }

  #descendRows({ tensor, length }: Staged, rows: Int32Array, which: number): number {
    const { factors, rows: indices } = this.#arena;
    // passes over gradients alone see them where they are staged, one row after the other
    const overGradients = which & (passes.scale | passes.clip);
    if (overGradients > 0) this.#kernel.run(overGradients, tensor.offset, length);
    const { offset, rowLength } = tensor;
    const owed = this.#all.sparse === 'exact' ? this.#debts.touch(tensor) : undefined;
    let squares = 0;
    for (let first = 0; first < rows.length; first += indices.length) {
      const some = rows.length <= indices.length ? rows : rows.subarray(first, first + indices.length);
      indices.set(some);
      if (owed === undefined) factors.fill(1, 0, some.length);
      else owed(some, factors);
      const staged = offset + first * rowLength;
      squares += this.#kernel.rows(which - overGradients, { offset, rowLength, staged, count: some.length });
    }
    return squares;
  }
}

function joins({ tensor, rows, part }: Staged, { kind }: Part, end: number): boolean {
  return rows === undefined && part.kind === kind && tensor.offset === end;
}

function copy(
  { offset, length, rowLength }: TensorSpec,
  rows: Int32Array | undefined,
  from: Float32Array,
  to: Float32Array,
): void {
  if (rows === undefined) to.set(from.subarray(offset, offset + length), offset);
  else {
    for (const row of rows) {
      const start = offset + row * rowLength;
      to.set(from.subarray(start, start + rowLength), start);
    }
  }
}
