// Where the stream stands: hands out consecutive ranges of examples, so that all workers together learn in order.

/** Consecutive examples, `count` of them from `start` on. */
export interface Range {
  readonly start: number;
  readonly count: number;
  /** How often all of the data came before it. */
  readonly pass: number;
}

/** The shared position in the data. A range never runs over the end of the data, where the stream begins again. */
export class Cursor {
  readonly #total: number;
  readonly #rangeLength: number;
  #position: number;
  #pass: number;
  #left: number;

  /** `total` examples in the data, `position` the next of them, `limit` how many to hand out. */
  constructor({ total, position, limit, rangeLength }: { total: number; position: number; limit: number; rangeLength: number }) {
    this.#total = total;
    this.#rangeLength = rangeLength;
    this.#position = position % total;
    this.#pass = Math.floor(position / total);
    this.#left = limit;
  }

  /** The next range, or undefined at the end of the run. */
  next(): Range | undefined {
    const count = Math.min(this.#rangeLength, this.#left, this.#total - this.#position);
    if (count === 0) return undefined;
    const range = { start: this.#position, count, pass: this.#pass };
    this.#position += count;
    if (this.#position === this.#total) [this.#position, this.#pass] = [0, this.#pass + 1];
    this.#left -= count;
    return range;
  }

  /** Nothing more is handed out. */
  stop(): void {
    this.#left = 0;
  }
}
