// What an optimizer carries from step to step: taken, checked and put back.
import { GradwireError, quote } from '../../errors.ts';
import { finite } from '../../floats.ts';
import type { Layout } from '../../layout.ts';
import { known } from '../../tensors.ts';
import type { Engine } from '../engine.ts';
import type { Arena } from '../kernel/arena.ts';
import type { Owed } from './debts.ts';
import type { LossScaleState } from './loss-scale.ts';

/** Slots that not every optimizer has: a float for each parameter, in layout order. */
export interface Slots {
  /** Mean gradients, of a centered optimizer; unpaid as the accumulator is. */
  readonly meanGradient?: Float32Array;
  /** Momentum buffers. */
  readonly momentum?: Float32Array;
  /** Moving averages of the parameters. */
  readonly average?: Float32Array;
  /** Sums of the gradients of an accumulation that has begun. */
  readonly gradientSum?: Float32Array;
}

/** The complete state: resuming from it gives the same bits as never having stopped. Everything in it is a copy. */
export interface RMSpropState extends Slots {
  /** Batches folded. */
  readonly version: number;
  /** All parameters in layout order. */
  readonly parameters: Float32Array;
  /** All mean squares in layout order, unpaid. */
  readonly accumulator: Float32Array;
  /** What rows owe their slots (`sparse: 'exact'`). */
  readonly owed: Owed;
  /** Versions that are no iteration: what a dynamic loss scale left out, and what rollbacks undid; 0 unless told. */
  readonly skipped?: number;
  /** How many of those rollbacks undid, each rollback's own version included; 0 unless told. */
  readonly undone?: number;
  /** Where a dynamic loss scale stands. */
  readonly lossScale?: LossScaleState;
  /** Names of the tensors that the running accumulation has had. */
  readonly accumulating?: readonly string[];
}

/** The slots by name. */
export const slotNames = ['meanGradient', 'momentum', 'average', 'gradientSum'] as const;

/** Everything that the next steps of an engine depend on; `spare`, a state of the same engine that nobody needs, gives its memory for it. */
export function stateOf(
  model: Layout,
  { arena, debts, fold }: Engine,
  counts: { version: number; skipped: number; undone: number },
  spare?: RMSpropState,
): RMSpropState {
  const lossScale = fold.lossScale.state();
  const accumulating = [...fold.accumulating].map(({ name }) => name);
  const slots = slotNames.filter((name) => arena[name].length > 0).map((name) => [name, copyOf(arena[name], spare?.[name])]);
  return {
    version: counts.version,
    parameters: copyOf(arena.parameters, spare?.parameters),
    accumulator: copyOf(arena.accumulator, spare?.accumulator),
    ...Object.fromEntries(slots),
    owed: debts.owed(model),
    ...(counts.skipped > 0 ? { skipped: counts.skipped } : {}),
    ...(counts.undone > 0 ? { undone: counts.undone } : {}),
    ...(lossScale === undefined ? {} : { lossScale }),
    ...(accumulating.length > 0 ? { accumulating } : {}),
  };
}

/** Puts a state back, but for its counts. Throws `E_WEIGHTS` where it does not fit; nothing is restored then. */
export function restoreState(model: Layout, { arena, debts, fold }: Engine, state: RMSpropState): void {
  refuseState(model, arena, state);
  arena.parameters.set(state.parameters);
  arena.accumulator.set(state.accumulator);
  for (const name of slotNames) arena[name].set(state[name] ?? []);
  debts.restore(state.owed);
  fold.lossScale.restore(state.lossScale);
  fold.accumulating.clear();
  for (const name of state.accumulating ?? []) fold.accumulating.add(known(model, name));
}

/** A copy in memory of its own, also of memory that threads share; in `spare` where that has the length. */
export function copyOf(values: Float32Array, spare?: Float32Array): Float32Array {
  if (spare?.length !== values.length) return new Float32Array(values);
  spare.set(values);
  return spare;
}

function refuseState(model: Layout, arena: Arena, state: RMSpropState): void {
  if (typeof state !== 'object' || state === null)
    throw misfit(`a state is an object; got ${state === null ? 'null' : typeof state}`);
  const { version, skipped = 0, undone = 0, owed, accumulating = [] } = state;
  if (!isCount(version)) throw misfit(`the state's version ${version} is not a count`);
  if (!isCount(skipped) || skipped > version) throw misfit(`the state's count of skipped batches, ${skipped}, is none`);
  if (!isCount(undone) || undone > skipped) throw misfit(`the state's count of undone versions, ${undone}, is none`);
  for (const name of ['parameters', 'accumulator'] as const) refuseSlot(name, state[name], model.length);
  for (const name of slotNames) refuseSlot(name, state[name] ?? new Float32Array(), arena[name].length);
  if (state.accumulator.some((each) => each < 0)) throw misfit('the state has accumulators that are negative');
  for (const [name, counts] of owed ?? []) {
    const rows = model.get(name)?.rows;
    if (rows !== counts.length || !counts.every(isCount))
      throw misfit(`what the rows of ${quote(name)} owe does not fit the model`);
  }
  for (const name of accumulating)
    if (model.get(name) === undefined) throw misfit(`the state accumulates ${quote(name)}, which the model does not have`);
  const { scale = 1, good = 0 } = state.lossScale ?? {};
  if (!(scale >= 1 && scale <= 2 ** 126) || !isCount(good)) throw misfit(`the state's loss scale ${scale} is none`);
}

function refuseSlot(name: string, values: unknown, length: number): void {
  if (!(values instanceof Float32Array) || values.length !== length)
    throw misfit(`the state has ${(values as Float32Array | undefined)?.length} ${name}, this optimizer ${length}`);
  if (!finite(values)) throw misfit(`the state has ${name} that are not finite`);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function misfit(text: string): GradwireError {
  return new GradwireError('E_WEIGHTS', `${text}; nothing was restored`);
}
