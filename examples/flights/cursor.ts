// Where the stream stands: hands out consecutive ranges of flights, so that all workers together learn in time order.

/** Consecutive flights, from `start` on. */
export interface Range {
  readonly start: number;
  readonly flights: number;
}

/** The shared position in the data. A range never runs over the end of the data, where the stream begins again. */
export class Cursor {
  readonly #total: number;
  readonly #rangeLength: number;
  #position: number;
  #left: number;

  /** `total` flights in the data, `position` the next of them, `limit` how many to hand out. */
  constructor({ total, position, limit, rangeLength }: { total: number; position: number; limit: number; rangeLength: number }) {
    this.#total = total;
    this.#rangeLength = rangeLength;
    this.#position = position % total;
    this.#left = limit;
  }

  /** The next range, or undefined at the end of the run. */
  next(): Range | undefined {
    const flights = Math.min(this.#rangeLength, this.#left, this.#total - this.#position);
    if (flights === 0) return undefined;
    const range = { start: this.#position, flights };
    this.#position = (this.#position + flights) % this.#total;
    this.#left -= flights;
    return range;
  }

  /** Nothing more is handed out. */
  stop(): void {
    this.#left = 0;
  }
}
