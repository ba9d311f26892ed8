// One batch, in order: check, unscale, accumulate, clip, decay, update, average, constrain. docs/SEMANTICS.md numbers the steps.
import { floor32 } from '../../floats.ts';
import type { TensorGradient } from '../../gradients/check.ts';
import type { Layout, TensorSpec } from '../../layout.ts';
import type { Arena } from '../kernel/arena.ts';
import { at, passes } from '../kernel/control.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Part } from '../options/groups.ts';
import type { Hyperparameters } from '../options/hyperparameters.ts';
import type { Debts } from '../state/debts.ts';
import { LossScale } from '../state/loss-scale.ts';
import { type Clipping, clippingOf, normOf, type Scaling } from './clipping.ts';
import { Descent, type Turn } from './descent.ts';
import { notFinite, type Staged, Staging } from './staging.ts';

/** A tensor of which the parameters, or those of some rows, may have changed. */
export type Touched<Name extends string = string> = Pick<TensorGradient<Name>, 'tensor' | 'rows'>;

/** What one batch did. */
export interface Outcome<Name extends string = string> {
  /**
   * Norm of the gradient, after loss scale and accumulation, before clipping: the root of a float64 sum, rounded to float32, where
   * one may clip or gradients are unscaled or averaged; otherwise within 1e-5 of that.
   */
  readonly gradientNorm: number;
  /** Norm of what the parameters lost, weight decay, averages and constraints left out; summed in float32: within 1e-5 from 1e-15 on, less or 0 below, infinite from 1.8e19. */
  readonly updateNorm: number;
  /** What the gradient was multiplied by to keep a norm within its limit, 1 where nothing was; the least where each tensor has its own. */
  readonly clipFactor: number;
  /** Share of the model's rows that the batch held, 0 to 1; a dense tensor has all its rows, a scalar one. */
  readonly rowsTouched: number;
  /** Whether the batch was left out by a dynamic loss scale, for a value that is not finite. */
  readonly skipped: boolean;
  /** Whether the parameters moved: not while gradients are accumulated, and not for a batch that was skipped. */
  readonly updated: boolean;
  readonly touched: readonly Touched<Name>[];
}

/** What a fold works with. */
interface FoldParts {
  readonly arena: Arena;
  readonly kernel: Kernel;
  readonly debts: Debts;
  /** What holds for each tensor, in layout order. */
  readonly parts: readonly Part[];
}

/** The fold of one optimizer over its arena. */
export class Fold {
  readonly lossScale: LossScale;
  /** Tensors that any batch of the running accumulation held. */
  readonly accumulating: Set<TensorSpec> = new Set<TensorSpec>();
  readonly #all: Hyperparameters;
  readonly #model: Layout;
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  readonly #staging: Staging;
  readonly #descent: Descent;
  readonly #parts: ReadonlyMap<TensorSpec, Part>;
  readonly #clipping: Clipping | undefined;
  readonly #rowCount: number;

  constructor(model: Layout, all: Hyperparameters, { arena, kernel, debts, parts }: FoldParts) {
    this.#all = all;
    this.#model = model;
    this.#arena = arena;
    this.#kernel = kernel;
    this.#descent = new Descent(all, { arena, kernel, debts });
    this.#parts = new Map(model.tensors.map((tensor, i) => [tensor, parts[i]]));
    this.#clipping = clippingOf(all);
    this.#staging = new Staging(all, { arena, kernel, clips: this.#clipping !== undefined });
    this.#rowCount = model.tensors.reduce((sum, { rows }) => sum + rows, 0);
    this.lossScale = new LossScale(all.lossScale);
    setConstants(arena.constants, all);
  }

  /**
   * Folds a batch of the model's own tensors.
   *
   * @throws GradwireError `E_NONFINITE`, `E_RANGE` or `E_ROWS`; nothing has changed then.
   */
  fold(tensors: readonly TensorGradient[], turn: Turn): Outcome {
    let rows = 0;
    for (const each of tensors) rows += each.rows?.length ?? each.tensor.rows;
    const rowsTouched = rows / this.#rowCount;
    const none = { rowsTouched, updateNorm: 0, clipFactor: 1, skipped: false, updated: false, touched: [] };
    const checked = this.#staging.stage(tensors, this.#parts);
    if (checked === notFinite) {
      this.lossScale.halve();
      return { ...none, gradientNorm: Number.NaN, skipped: true };
    }
    const staged = this.#average(this.#unscale(checked), turn);
    this.lossScale.note();
    let squaresOfGradient = 0;
    for (const { sum } of staged) squaresOfGradient += sum;
    const gradientNorm = normOf(squaresOfGradient);
    if (!turn.ends) return { ...none, gradientNorm };
    const scalings = this.#clipping?.(staged);
    const squares = this.#descent.descend(staged, scalings, turn);
    const overwrites = this.#descent.finish(staged, turn.t);
    return {
      gradientNorm,
      updateNorm: normOf(squares),
      clipFactor: scalings === undefined ? 1 : leastOf(scalings),
      rowsTouched,
      skipped: false,
      updated: true,
      touched: overwrites ? this.#model.tensors.map((tensor) => ({ tensor, rows: undefined })) : staged,
    };
  }

  /** Throws `E_ROWS` for rows that these options cannot fold. */
  demandFoldable(tensors: readonly TensorGradient[]): void {
    for (const each of tensors) this.#staging.refuseRows(each, this.#parts.get(each.tensor) as Part);
  }

  #unscale(staged: readonly Staged[]): readonly Staged[] {
    const { scale } = this.lossScale;
    if (scale === 1) return staged;
    this.#arena.constants[at.scale] = scale;
    return staged.map((each) => this.#rerun(each, passes.unscale | passes.squares));
  }

  // adds to the sums; at the last batch of an accumulation the means of all that it held
  #average(staged: readonly Staged[], { ends }: Turn): readonly Staged[] {
    if (this.#all.gradientAccumulationSteps === 1) return staged;
    for (const { tensor, length } of staged) {
      this.#kernel.run(passes.accumulate, tensor.offset, length);
      this.accumulating.add(tensor);
    }
    if (!ends) return staged;
    const together = [...this.accumulating].sort((a, b) => a.offset - b.offset);
    this.accumulating.clear();
    return together.map((tensor) => {
      const part = this.#parts.get(tensor) as Part;
      return this.#rerun({ tensor, rows: undefined, length: tensor.length, part, sum: 0 }, passes.average | passes.squares);
    });
  }

  #rerun(each: Staged, which: number): Staged {
    return { ...each, sum: this.#kernel.run(which, each.tensor.offset, each.length) };
  }
}

function leastOf(scalings: readonly (Scaling | undefined)[]): number {
  return scalings.reduce((least, each) => Math.min(least, each === undefined ? 1 : each.limit / each.norm), 1);
}

// constants that no step changes
function setConstants(constants: Float32Array, all: Hyperparameters): void {
  const { epsilon, momentum, maxAbs, gradientAccumulationSteps, emaMomentum } = all;
  constants[at.epsilon] = epsilon;
  constants[at.mu] = momentum;
  constants[at.steps] = gradientAccumulationSteps;
  constants[at.beta] = emaMomentum;
  constants[at.omb] = 1 - Math.fround(emaMomentum);
  constants[at.maxAbs] = floor32(maxAbs);
}
