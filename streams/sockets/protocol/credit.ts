// A worker's credit: how many batches and bytes it has in flight, on both sides of the wire.
import type { Credit } from './words.ts';

/** What is in flight against a limit. One batch is always allowed, whatever its size. */
export class InFlight {
  readonly #credit: Credit;
  #batches = 0;
  #bytes = 0;

  constructor(credit: Credit) {
    this.#credit = credit;
  }

  /** Whether one more batch of that size may go. */
  allows(byteLength: number): boolean {
    if (this.#batches === 0) return true;
    return this.#batches < this.#credit.batches && this.#bytes + byteLength <= this.#credit.bytes;
  }

  /** A batch is under way. */
  take(byteLength: number): void {
    this.#batches += 1;
    this.#bytes += byteLength;
  }

  /** A batch has been answered. */
  give(byteLength: number): void {
    this.#batches -= 1;
    this.#bytes -= byteLength;
  }
}
