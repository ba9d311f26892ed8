// A rollback: a batch without gradients, whose fold is the state of an earlier version as a new version.
import { Gradients } from '../../gradients/check.ts';
import type { Layout } from '../../layout.ts';
import type { RMSpropConfig } from '../options/hyperparameters.ts';
import type { RMSpropState } from './state.ts';

/** What a rollback goes back to. */
export interface RollbackTarget {
  /** The whole state at that version; borrowed. */
  readonly state: RMSpropState;
  /** The configuration under which it was made, as `getConfig` gives it. */
  readonly optimizer: RMSpropConfig;
}

/**
 * Takes a batch's place in a model's history: `state(n + 1) = state(k)`. An optimizer of the same configuration folds it as
 * {@link RMSprop.step} folds any batch; to whoever looks at its gradients it is one that has none.
 */
export class Rollback<Name extends string = string> extends Gradients<Name> implements RollbackTarget {
  readonly state: RMSpropState;
  readonly optimizer: RMSpropConfig;

  /** @internal */
  constructor(layout: Layout<Name>, { state, optimizer }: RollbackTarget) {
    super(layout, []);
    this.state = state;
    this.optimizer = optimizer;
  }

  /** The version whose state it brings back. */
  get to(): number {
    return this.state.version;
  }
}

/**
 * A state as a later version: what was folded between is undone. Versions go on, while the optimizer's own iterations, by which
 * its schedules and accumulations go, stand where they stood.
 */
export function asVersion(state: RMSpropState, version: number): RMSpropState {
  const undone = version - state.version;
  return { ...state, version, skipped: (state.skipped ?? 0) + undone, undone: (state.undone ?? 0) + undone };
}

/** The distance between two flat ranges of the same length, rounded to float32. */
export function movementBetween(a: Float32Array, b: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2;
  return Math.fround(Math.sqrt(squares));
}
