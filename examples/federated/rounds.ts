// The rounds of a run, as the trainer folds them: who was in each, and when there have been enough.
import type { Trainer } from 'gradwire/trainer';

/** Rounds since the start of the run. A round is a version. */
export class Rounds {
  made = 0;
  /** Rounds that had all their batches; the others went on at their deadline. */
  full = 0;
  /** Digits learned in them. */
  digits = 0;
  /** Who was in the last one, by producer. */
  last: readonly string[] = [];
  /** In how many rounds each producer was. */
  readonly attended: Map<string, number> = new Map();
  /** Settles when there have been `count`. */
  readonly complete: Promise<void>;

  #startedMs: number | undefined;
  #lastMs = 0;
  #ended = false;

  /** Of this trainer from now on: `count` rounds of `size` batches. `onRound` is told the number of each. */
  constructor(
    { updates$ }: Trainer,
    { count, size, onRound }: { count: number; size: number; onRound: (round: number) => void },
  ) {
    this.complete = new Promise((resolve) => {
      updates$.subscribe({
        next: ({ batches }) => {
          for (const { parts = [], header } of batches) {
            this.#add(
              parts.map(({ producer }) => producer),
              { size, digits: header.examples ?? 0 },
            );
            onRound(this.made);
          }
          if (this.made >= count) resolve();
        },
        error: () => undefined, // trainer.closed says it
      });
    });
  }

  /** The workers begin. */
  begin(): void {
    this.#startedMs = performance.now();
  }

  /** No more rounds are wanted. */
  end(): void {
    this.#ended = true;
  }

  /** Seconds since the workers began, up to the last round once no more are wanted. */
  get seconds(): number {
    const untilMs = this.#ended ? this.#lastMs : performance.now();
    return this.#startedMs === undefined ? 0 : Math.max(0, untilMs - this.#startedMs) / 1000;
  }

  #add(producers: readonly string[], { size, digits }: { size: number; digits: number }): void {
    this.#lastMs = performance.now();
    this.made += 1;
    this.full += producers.length >= size ? 1 : 0;
    this.digits += digits;
    this.last = producers;
    for (const producer of producers) this.attended.set(producer, (this.attended.get(producer) ?? 0) + 1);
  }
}
