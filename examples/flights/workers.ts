// The workers seen from the main process: what they report, added up.
import type { Cursor } from '../support/cursor.ts';
import { Lending } from '../support/lending.ts';
import type { Report } from './messages.ts';
import { Prequential, WindowedScore } from './metrics.ts';

// more gradients under way than this, over all workers, make them so stale that the model gets worse
const batchesUnderWay = 8;

/** Flights in the windowed score. */
const windowFlights = 100_000;

/** What the workers need to know. `trouble` hears, in one line, of a worker that ended early. */
export interface WorkersOptions {
  readonly url: string;
  readonly count: number;
  readonly batch: number;
  readonly cursor: Cursor;
  readonly trouble: (line: string) => void;
}

/** Worker processes and their common score. */
export class Workers {
  readonly total: Prequential = new Prequential();
  readonly latest: WindowedScore = new WindowedScore(windowFlights);
  /** Batches learned. */
  batches = 0;
  stalenessSum = 0;
  stalenessMax = 0;
  /** Settles when all workers have ended: whether each of them learned all it was handed. */
  readonly finished: Promise<boolean>;

  readonly #lending: Lending<Report>;

  constructor({ url, count, batch, cursor, trouble }: WorkersOptions) {
    const inFlight = Math.max(1, Math.floor(batchesUnderWay / count));
    this.#lending = new Lending({
      ...{ beside: import.meta.url, cursor, trouble },
      workers: Array.from({ length: count }, (_, i) => [url, `w${i + 1}`, String(batch), String(inFlight)]),
      onReport: (report) => this.#add(report),
    });
    this.finished = this.#lending.finished;
  }

  /** Seconds from the first range handed out to the last answer, or to now. */
  get seconds(): number {
    return this.#lending.seconds;
  }

  #add({ counts, batches, stalenessSum, stalenessMax }: Report): void {
    this.total.merge(counts);
    this.latest.push(counts);
    this.batches += batches;
    this.stalenessSum += stalenessSum;
    this.stalenessMax = Math.max(this.stalenessMax, stalenessMax);
  }
}
