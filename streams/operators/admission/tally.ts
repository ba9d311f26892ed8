// What an admission has refused, whom it does not hear, and how its rounds went: for whoever watches a trainer.
import type { ErrorCode } from '../../../src/errors.ts';
import type { Quarantined } from './quarantine.ts';

/** How rounds go. */
export interface RoundsStatus {
  /** Producers whose batches make a full round. */
  readonly workers: number;
  /** Null where rounds wait for all. */
  readonly deadlineMs: number | null;
  /** Rounds that were made. */
  readonly rounds: number;
  /** Those of them that went on at their deadline, without some. */
  readonly short: number;
  /** Producers whose batches are in the round that is being gathered, in the order of their arrival. */
  readonly waiting: readonly string[];
  /** Producers of the last round, null before the first. */
  readonly last: readonly string[] | null;
}

/** What an admission shows: plain data. */
export interface AdmissionStatus {
  /** Batches refused since the start, by code. */
  readonly refused: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Producers in quarantine, at most 100 of them. */
  readonly quarantined: readonly Quarantined[];
  /** Null where single batches are folded. */
  readonly synchronous: RoundsStatus | null;
}

// as many as a page shows
const mostShown = 100;

/** Counts of one admission; hand it to `admit`, and read its status. */
export class AdmissionTally {
  readonly #refused = new Map<ErrorCode, number>();
  #quarantined: () => readonly Quarantined[] = () => [];
  #rounds: () => RoundsStatus | null = () => null;

  /** @internal A batch was refused. */
  refuse(code: ErrorCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** @internal Who knows the rest. */
  ask(quarantined: () => readonly Quarantined[], rounds: () => RoundsStatus | null): void {
    this.#quarantined = quarantined;
    this.#rounds = rounds;
  }

  /** What is to be shown now. */
  status(): AdmissionStatus {
    const quarantined = this.#quarantined().slice(0, mostShown);
    return { refused: Object.fromEntries(this.#refused), quarantined, synchronous: this.#rounds() };
  }
}
