// When to try again: full jitter, so that a thousand replicas of a trainer that restarts do not come back in one instant.

/** The range of waiting times, and the source of chance. */
export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Waiting times: a random part of a range that doubles with each failure in a row, from `minMs` up to `maxMs`. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How long to wait before the next attempt, in milliseconds. */
  next(): number {
    const { minMs, maxMs, random } = this.#options;
    const range = Math.min(maxMs, minMs * 2 ** this.#failures);
    this.#failures += 1;
    return random() * range;
  }

  /** It works again. */
  reset(): void {
    this.#failures = 0;
  }
}
