// The recording folded once, as far as it holds: what the snapshots are compared with, and the digest at the end.
import { bytesOf } from '../../../../src/digest.ts';
import type { Snapshot } from '../../../../src/frames/snapshot.ts';
import { Producers } from '../../../../src/producers.ts';
import { RMSprop } from '../../../../src/rmsprop/rmsprop.ts';
import { type RMSpropState, slotNames } from '../../../../src/rmsprop/state/state.ts';
import type { Tensors } from '../../../../src/tensors.ts';
import type { About } from '../../segment/about.ts';
import type { CheckedRecord } from './records.ts';

/** A fold under way. */
export class Fold {
  readonly #optimizer: RMSprop;
  readonly producers: Producers;
  examples: number;
  /** The version that it began with. */
  readonly start: number;

  private constructor(optimizer: RMSprop, producers: Producers, examples: number) {
    this.#optimizer = optimizer;
    this.producers = producers;
    this.examples = examples;
    this.start = optimizer.version;
  }

  /** A fold from the run's initial weights. */
  static fromInitial({ model, optimizer }: About, weights: Tensors): Fold {
    const initial = Object.fromEntries(weights);
    return new Fold(new RMSprop(model, { ...optimizer, initial }), new Producers(), 0);
  }

  /** A fold from a snapshot. */
  static fromSnapshot({ model, optimizer }: About, { state, producers, examples }: Snapshot): Fold {
    const fold = new RMSprop(model, optimizer);
    fold.restore(state);
    return new Fold(fold, producers, examples);
  }

  get version(): number {
    return this.#optimizer.version;
  }

  get state(): RMSpropState {
    return this.#optimizer.state();
  }

  digest(): string {
    return this.#optimizer.digest();
  }

  /** Folds the next record. Throws the codes of `step` for one that these options cannot fold. */
  step({ gradients, header, stamp }: CheckedRecord): void {
    this.#optimizer.step(gradients);
    this.producers.noteFolded({ header, ...stamp }, stamp.version);
    this.examples += header.examples ?? 0;
  }
}

/** In what a snapshot differs from the fold at its version: in its state, or in what it remembers of producers. */
export function differenceOf(
  snapshot: Snapshot,
  fold: Fold,
): { readonly state: string | undefined; readonly producers: string | undefined } {
  const [found, expected] = [snapshot.producers.toList(), fold.producers.toList()];
  const same = JSON.stringify(found.list) === JSON.stringify(expected.list) && equalBits(found.windows, expected.windows);
  const producers = !same
    ? 'it remembers other batches of the producers'
    : snapshot.examples !== fold.examples
      ? `it counts ${snapshot.examples} examples instead of ${fold.examples}`
      : undefined;
  return { state: stateDifference(snapshot.state, fold.state), producers };
}

/** In what a state differs from another; undefined where they are the same to the bit. */
export function stateDifference(found: RMSpropState, expected: RMSpropState): string | undefined {
  for (const slot of ['parameters', 'accumulator', ...slotNames] as const) {
    const [a, b] = [found[slot] ?? new Float32Array(), expected[slot] ?? new Float32Array()];
    if (!equalBits(a, b))
      return `its ${slot} ${a.length === b.length ? 'have other values' : `are ${a.length} instead of ${b.length}`}`;
  }
  const debts =
    expected.owed.size === found.owed.size &&
    [...expected.owed].every(([name, counts]) => sameDebt(found.owed.get(name), counts));
  if (!debts) return 'its rows owe something else';
  const counts = ({ skipped = 0, undone = 0, lossScale, accumulating }: RMSpropState) =>
    JSON.stringify({ skipped, undone, lossScale, accumulating });
  return counts(found) === counts(expected) ? undefined : `its counts are ${counts(found)} instead of ${counts(expected)}`;
}

function sameDebt(found: ArrayBufferView | undefined, expected: ArrayBufferView): boolean {
  return found !== undefined && equalBits(found, expected);
}

function equalBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}
