// The original timing of a recording, faster or slower: when each batch is due.
import { asyncScheduler, concatMap, defer, EMPTY, type Observable, type SchedulerLike, timer } from 'rxjs';

// what a timer of JavaScript can wait; a longer one fires at once
const longestMs = 2 ** 31 - 1;

/** The timing of one replay, which begins with the first batch waited for. */
export class Pace {
  readonly #speed: number;
  readonly #scheduler: SchedulerLike;
  #startMs: number | undefined;
  #lastMs: number | undefined;
  #elapsedMs = 0;

  constructor({ speed, scheduler = asyncScheduler }: { readonly speed: number; readonly scheduler?: SchedulerLike }) {
    this.#speed = speed;
    this.#scheduler = scheduler;
  }

  /** Completes when the batch is due that was written at that time: at once for the first, and for one that is late. */
  wait(writtenMs: number): Observable<never> {
    return defer(() => {
      this.#startMs ??= this.#scheduler.now();
      // the clock of another start of the trainer may be behind
      this.#elapsedMs += Math.max(0, writtenMs - (this.#lastMs ?? writtenMs));
      this.#lastMs = writtenMs;
      // from the start, not from the batch before: no delay adds up
      return this.#until(this.#startMs + this.#elapsedMs / this.#speed);
    });
  }

  #until(dueMs: number): Observable<never> {
    return defer(() => {
      const leftMs = dueMs - this.#scheduler.now();
      if (leftMs <= 0) return EMPTY;
      return timer(Math.min(leftMs, longestMs), this.#scheduler).pipe(concatMap(() => this.#until(dueMs)));
    });
  }
}
