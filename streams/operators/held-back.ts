// Steps that are held back from publication: what they touched, and who made their batches.
import type { UpdateHeader } from '../../src/frames/update.ts';
import type { TensorSpec } from '../../src/layout.ts';
import type { Touched } from '../../src/rmsprop/fold/fold.ts';
import type { Step } from './flow.ts';
import { originOf } from './origin.ts';

// more would not fit into the header of the update that publishes them
const mostOrigins = 1024;

/** The steps since the last publication, as one. */
export class HeldBack<Name extends string = string, Input = unknown> {
  /** The version that was published last. */
  readonly from: number;
  #last: Step<Name, Input> | undefined;
  #folded: UpdateHeader['folded'] = [];
  readonly #touched = new Map<TensorSpec<Name>, Set<number> | 'all'>();

  constructor(from: number) {
    this.from = from;
  }

  /** The newest step; undefined where there is none. */
  get last(): Step<Name, Input> | undefined {
    return this.#last;
  }

  /** Takes the next step. */
  add(step: Step<Name, Input>): void {
    this.#last = step;
    this.#folded = [...this.#folded, ...originOf(step.batch)].slice(-mostOrigins);
    for (const each of step.touched) this.#touch(each);
  }

  /** All of them as one step: the newest, with everything that any of them touched. */
  merged(): Step<Name, Input> | undefined {
    if (this.#last === undefined) return undefined;
    const touched = [...this.#touched]
      .sort(([a], [b]) => a.offset - b.offset)
      .map(([tensor, rows]) => ({ tensor, rows: rows === 'all' ? undefined : Int32Array.from(rows).sort() }));
    return { ...this.#last, touched, merged: { from: this.from, folded: this.#folded } };
  }

  #touch({ tensor, rows }: Touched<Name>): void {
    const known = this.#touched.get(tensor) ?? new Set<number>();
    if (known === 'all') return;
    for (const row of rows ?? []) known.add(row);
    this.#touched.set(tensor, rows === undefined || known.size === tensor.rows ? 'all' : known);
  }
}
