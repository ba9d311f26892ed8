// Lends ranges of examples to worker processes, one after the other, and passes on what they report.
import type { Failure } from './child.ts';
import { startMember } from './crew.ts';
import type { Cursor } from './cursor.ts';
import type { RangeAnswer, RangeQuestion } from './ranges.ts';

/** From a worker to which ranges are lent. `done` says that all it was handed is learned. */
export type BorrowerMessage<Report> = RangeQuestion | { type: 'report'; report: Report } | { type: 'done' } | Failure;

/** To whom what is lent, and who hears of it. */
export interface LendingOptions<Report> {
  /** The module beside which the workers' module is. */
  readonly beside: string;
  /** The arguments of each worker. */
  readonly workers: readonly (readonly string[])[];
  readonly cursor: Cursor;
  readonly onReport: (report: Report) => void;
  /** Hears, in one line, of a worker that ended early. */
  readonly trouble: (line: string) => void;
}

/** Worker processes that learn what the cursor hands out. */
export class Lending<Report> {
  /** Settles when all workers have ended: whether each of them learned all it was handed. */
  readonly finished: Promise<boolean>;

  #startedMs: number | undefined;
  #lastHeardMs = 0;
  #running: number;

  constructor(options: LendingOptions<Report>) {
    this.#running = options.workers.length;
    const workers = options.workers.map((args, i) => this.#start(i + 1, args, options));
    this.finished = Promise.all(workers).then((complete) => complete.every(Boolean));
  }

  /** Seconds from the first range handed out to the last answer, or to now. */
  get seconds(): number {
    if (this.#startedMs === undefined) return 0;
    return ((this.#running > 0 ? performance.now() : this.#lastHeardMs) - this.#startedMs) / 1000;
  }

  async #start(number: number, args: readonly string[], options: LendingOptions<Report>): Promise<boolean> {
    const { beside, cursor, onReport, trouble } = options;
    const worker = startMember<BorrowerMessage<Report>, RangeAnswer>(beside, { role: 'worker', number, args });
    let done = false;
    worker.onMessage((message) => {
      this.#lastHeardMs = performance.now();
      if (message.type === 'next') {
        this.#startedMs ??= performance.now();
        worker.send({ range: cursor.next() });
      } else if (message.type === 'report') {
        onReport(message.report);
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
}
