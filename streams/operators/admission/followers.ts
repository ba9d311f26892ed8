// Resends of batches that are on their way: each is answered together with the batch itself.
import type { Answer } from '../flow.ts';

/** A resend that waits for the answer of its batch. */
export interface Follower {
  readonly sequence: number;
  readonly answer: (answer: Answer) => void;
}

/** Resends by the version that their batch is to become. */
export class Followers {
  readonly #waiting = new Map<number, readonly Follower[]>();

  /** Notes one more. */
  add(version: number, follower: Follower): void {
    this.#waiting.set(version, [...(this.#waiting.get(version) ?? []), follower]);
  }

  /** The batch is to become another version, which nobody waits for yet. */
  move(from: number, to: number): void {
    const followers = this.#waiting.get(from);
    this.#waiting.delete(from);
    if (followers !== undefined) this.#waiting.set(to, followers);
  }

  /** Answers those of a version: an ack as a duplicate, each with its own number. */
  answer(version: number, given: Answer): void {
    const duplicate = given.type === 'ack' ? { ...given, duplicate: true } : given;
    for (const { sequence, answer } of this.#waiting.get(version) ?? []) answer({ ...duplicate, sequence });
    this.#waiting.delete(version);
  }
}
