// The workers seen from the main process: what they report, added up.
import type { Cursor } from '../support/cursor.ts';
import { Lending } from '../support/lending.ts';
import type { Report } from './messages.ts';
import type { Options } from './options.ts';

/** What the workers need to know. `trouble` hears, in one line, of a worker that ended early. */
export interface WorkersOptions {
  readonly url: string;
  readonly cursor: Cursor;
  readonly options: Pick<Options, 'workers' | 'batch' | 'digits' | 'seed' | 'push'>;
  readonly trouble: (line: string) => void;
}

// the shown loss is the mean of the newest reports that hold so many batches
const lossBatches = 100;

/** Worker processes and what they have learned. */
export class Workers {
  digits = 0;
  batches = 0;
  stalenessSum = 0;
  stalenessMax = 0;
  /** Settles when all workers have ended: whether each of them learned all it was handed. */
  readonly finished: Promise<boolean>;

  readonly #lending: Lending<Report>;
  #latest: Report[] = [];

  constructor({ url, cursor, options: { workers, push, batch, digits, seed }, trouble }: WorkersOptions) {
    const args = (i: number): string[] => [url, `w${i + 1}`, push, ...[batch, digits, seed].map(String)];
    this.#lending = new Lending({
      ...{ beside: import.meta.url, cursor, trouble },
      workers: Array.from({ length: workers }, (_, i) => args(i)),
      onReport: (report) => this.#add(report),
    });
    this.finished = this.#lending.finished;
  }

  /** Seconds from the first range handed out to the last answer, or to now. */
  get seconds(): number {
    return this.#lending.seconds;
  }

  /** The mean loss of the latest batches; NaN before the first. */
  get loss(): number {
    const sum = (of: 'lossSum' | 'batches') => this.#latest.reduce((all, report) => all + report[of], 0);
    return sum('lossSum') / sum('batches');
  }

  #add(report: Report): void {
    this.digits += report.digits;
    this.batches += report.batches;
    this.stalenessSum += report.stalenessSum;
    this.stalenessMax = Math.max(this.stalenessMax, report.stalenessMax);
    if (report.batches === 0) return;
    this.#latest.push(report);
    let held = this.#latest.reduce((all, { batches }) => all + batches, 0);
    while (held - this.#latest[0].batches >= lossBatches) {
      held -= this.#latest[0].batches;
      this.#latest.shift();
    }
  }
}
