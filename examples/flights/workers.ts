// The workers seen from the main process: hands them ranges of flights and adds up what they report.
import { startMember } from '../support/crew.ts';
import type { Cursor } from '../support/cursor.ts';
import type { RangeAnswer } from '../support/ranges.ts';
import type { Report, WorkerMessage } from './messages.ts';
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

  #startedMs: number | undefined;
  #lastHeardMs = 0;
  #running: number;

  constructor(options: WorkersOptions) {
    this.#running = options.count;
    const workers = Array.from({ length: options.count }, (_, i) => this.#start(i + 1, options));
    this.finished = Promise.all(workers).then((complete) => complete.every(Boolean));
  }

  /** Seconds from the first range handed out to the last answer, or to now. */
  get seconds(): number {
    return this.#startedMs === undefined
      ? 0
      : ((this.#running > 0 ? performance.now() : this.#lastHeardMs) - this.#startedMs) / 1000;
  }

  async #start(number: number, { url, count, batch, cursor, trouble }: WorkersOptions): Promise<boolean> {
    const inFlight = Math.max(1, Math.floor(batchesUnderWay / count));
    const worker = startMember<WorkerMessage, RangeAnswer>(import.meta.url, {
      role: 'worker',
      number,
      args: [url, `w${number}`, String(batch), String(inFlight)],
    });
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

  #add({ counts, batches, stalenessSum, stalenessMax }: Report): void {
    this.total.merge(counts);
    this.latest.push(counts);
    this.batches += batches;
    this.stalenessSum += stalenessSum;
    this.stalenessMax = Math.max(this.stalenessMax, stalenessMax);
  }
}
