// What a server has done so far, counted for its metrics.
import type { Answer } from '../../operators/flow.ts';

/** Why somebody was not let in: the gate, the token, its scopes, or a limit. */
export type Barrier = 'host' | 'origin' | 'token' | 'scope' | 'limit';

/** The counts of one server; they only grow. */
export class Tally {
  readonly #answers = new Map<string, number>();
  readonly #refusals = new Map<Barrier, number>();
  #updates = 0;
  #updateBytes = 0;

  /** Answers to batches, by `ack`, `duplicate` or the code of the refusal. */
  get answers(): ReadonlyMap<string, number> {
    return this.#answers;
  }

  /** Requests and connections that were not let in. */
  get refusals(): ReadonlyMap<Barrier, number> {
    return this.#refusals;
  }

  /** Update frames published. */
  get updates(): number {
    return this.#updates;
  }

  /** Bytes of them, each counted once, however many follow. */
  get updateBytes(): number {
    return this.#updateBytes;
  }

  /** An update frame went out. */
  published(byteLength: number): void {
    this.#updates += 1;
    this.#updateBytes += byteLength;
  }

  /** A batch was answered. */
  answered(answer: Answer): void {
    const what = answer.type === 'nack' ? answer.code : answer.duplicate ? 'duplicate' : 'ack';
    this.#answers.set(what, (this.#answers.get(what) ?? 0) + 1);
  }

  /** Somebody was not let in. */
  refused(barrier: Barrier): void {
    this.#refusals.set(barrier, (this.#refusals.get(barrier) ?? 0) + 1);
  }
}
