// The workers seen from the main process: hands them ranges of digits and adds up what they report.
import { startMember } from '../support/crew.ts';
import type { Cursor } from '../support/cursor.ts';
import type { RangeAnswer } from '../support/ranges.ts';
import type { Report, WorkerMessage } from './messages.ts';
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

  #startedMs: number | undefined;
  #lastHeardMs = 0;
  #running: number;
  #latest: Report[] = [];

  constructor(options: WorkersOptions) {
    this.#running = options.options.workers;
    const workers = Array.from({ length: this.#running }, (_, i) => this.#start(i + 1, options));
    this.finished = Promise.all(workers).then((complete) => complete.every(Boolean));
  }

  /** Seconds from the first range handed out to the last answer, or to now. */
  get seconds(): number {
    if (this.#startedMs === undefined) return 0;
    return ((this.#running > 0 ? performance.now() : this.#lastHeardMs) - this.#startedMs) / 1000;
  }

  /** The mean loss of the latest batches; NaN before the first. */
  get loss(): number {
    const sum = (of: 'lossSum' | 'batches') => this.#latest.reduce((all, report) => all + report[of], 0);
    return sum('lossSum') / sum('batches');
  }

  async #start(number: number, { url, cursor, options, trouble }: WorkersOptions): Promise<boolean> {
    const args = [url, `w${number}`, options.push, ...[options.batch, options.digits, options.seed].map(String)];
    const worker = startMember<WorkerMessage, RangeAnswer>(import.meta.url, { role: 'worker', number, args });
    let done = false;
    worker.onMessage((message) => {
      this.#lastHeardMs = performance.now();
      if (message.type === 'next') {
        this.#startedMs ??= performance.now();
        worker.send({ range: cursor.next() });
      } else if (message.type === 'report') {
        this.#add(message.report);
      } else if (message.type === 'done') {
        done = true;
        worker.dismiss();
      }
    });
    const reason = await worker.ended;
    this.#running--;
    if (!done) trouble(`${reason ?? `${worker.name} ended early`}; what it was about to learn is left out`);
    return done;
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
