// Rounds that are being gathered: one batch of each producer in each, the next ones behind the one at hand.
import { type Observable, Subject } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import type { GradientsHeader } from '../../../src/frames/gradients.ts';
import type { Gradients } from '../../../src/gradients/check.ts';
import type { Answer } from '../flow.ts';
import type { SynchronousMode } from './policies.ts';
import type { RoundsStatus } from './tally.ts';

/** A batch in a round. */
export interface Part<Name extends string = string> {
  readonly header: GradientsHeader;
  readonly checked: Gradients<Name>;
  readonly payload: string;
  readonly answer: (answer: Answer) => void;
}

/** The parts of a round that is done, by the names of their producers (in the order of their UTF-16 code units). */
export type Round<Name extends string = string> = readonly Part<Name>[];

// one in the round at hand and one for the next; a worker that is told to wait sends again by itself
const mostRoundsAhead = 2;
const retryAfterMs = 20;

/** The rounds of one admission that are not done. */
export class Rounds<Name extends string = string> {
  readonly #mode: SynchronousMode;
  readonly #rounds: Map<string, Part<Name>>[] = [];
  readonly #begun$ = new Subject<boolean>();
  #count = 0;
  #short = 0;
  #last: readonly string[] | null = null;

  constructor(mode: SynchronousMode) {
    this.#mode = mode;
  }

  /** Emits when the round at hand has its first batch, true, and when it is done and the next has none, false. */
  get begun$(): Observable<boolean> {
    return this.#begun$.asObservable();
  }

  /** Whether the round at hand has a batch of every producer that it takes. */
  get full(): boolean {
    return (this.#rounds[0]?.size ?? 0) >= this.#mode.workers;
  }

  /** How many rounds are before the one that takes the producer's next batch. Throws `E_BUSY` where that is too far ahead. */
  place(producer: string): number {
    const index = this.#rounds.findIndex((round) => !round.has(producer));
    const place = index < 0 ? this.#rounds.length : index;
    if (place < mostRoundsAhead) return place;
    const text = 'a batch of this producer waits for the next round already; nothing was applied; send the same again';
    throw new GradwireError('E_BUSY', text, { retryable: true, retryAfterMs });
  }

  /** Takes a batch into the round that {@link place} gave. */
  add(part: Part<Name>, place: number): void {
    const round = this.#rounds[place];
    if (round === undefined) this.#rounds.push(new Map([[part.header.producer, part]]));
    else round.set(part.header.producer, part);
    if (round === undefined && place === 0) this.#begun$.next(true);
  }

  /** Batches that wait, round by round. */
  waiting(): readonly Part<Name>[][] {
    return this.#rounds.map((round) => [...round.values()]);
  }

  /** Takes the round at hand as it is. */
  take(): Round<Name> {
    const parts = [...(this.#rounds.shift()?.values() ?? [])];
    parts.sort((a, b) => (a.header.producer < b.header.producer ? -1 : 1));
    this.#count += 1;
    if (parts.length < this.#mode.workers) this.#short += 1;
    this.#last = parts.map(({ header }) => header.producer);
    this.#begun$.next(this.#rounds.length > 0);
    return parts;
  }

  /** Gives up all that waits, round by round. */
  clear(): readonly Part<Name>[][] {
    const waiting = this.waiting();
    if (this.#rounds.splice(0).length > 0) this.#begun$.next(false);
    return waiting;
  }

  status(): RoundsStatus {
    const { workers, deadlineMs = null } = this.#mode;
    const waiting = [...(this.#rounds[0]?.keys() ?? [])];
    return { workers, deadlineMs, rounds: this.#count, short: this.#short, waiting, last: this.#last };
  }
}
