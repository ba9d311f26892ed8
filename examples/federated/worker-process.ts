// A worker as the main process sees it: started, started again where it was killed, and what it reports.
import { setTimeout as delay } from 'node:timers/promises';
import { type Member, startMember } from '../support/crew.ts';
import type { Display } from '../support/display.ts';
import { producerOf, type Task, type WorkerMessage, type WorkerOrder } from './messages.ts';

// how long a worker that was killed stays away
const awayMs = 2000;

/** `joining` loads and connects, `away` was killed and comes back, `lost` does not. */
export type WorkerState = 'joining' | 'learning' | 'away' | 'lost' | 'done';

/** One worker process, and those that come after it under its name. */
export class WorkerProcess {
  readonly name: string;
  readonly producer: string;
  state: WorkerState = 'joining';
  /** Batches that were folded, and how many of them in a later round than they were made for. */
  batches = 0;
  late = 0;
  /** Bytes it sent. */
  bytesUp = 0;
  /** The loss of its latest batches, smoothed; NaN before the first. */
  loss: number = Number.NaN;
  /** Settles when it has its shard and the weights for the first time, or has ended. */
  readonly ready: Promise<unknown>;
  /** Settles when it has ended for good. */
  readonly ended: Promise<void>;

  readonly #task: Task;
  readonly #display: Pick<Display<never>, 'say' | 'warn'>;
  readonly #finishing = new AbortController();
  #member: Member<WorkerMessage, WorkerOrder>;
  #begun = false;

  /** Starts it. What becomes of it is said in a line each time. */
  constructor(task: Task, display: Pick<Display<never>, 'say' | 'warn'>) {
    this.#task = task;
    this.#display = display;
    this.producer = producerOf(task.number);
    this.#member = this.#start();
    this.name = this.#member.name;
    const joined = new Promise<void>((resolve) => {
      this.#member.onMessage(({ type }) => {
        if (type === 'ready') resolve();
      });
    });
    this.ready = Promise.race([joined, this.#member.ended]);
    this.ended = this.#live();
  }

  /** From now on it learns. */
  begin(): void {
    this.#begun = true;
    this.#member.send({ type: 'begin' });
    if (this.state === 'joining') this.state = 'learning';
  }

  /** Kills it in the middle of whatever it does. */
  kill(): void {
    this.#member.kill();
  }

  /** The rounds are over: what it still waits for does not come. */
  finish(): void {
    this.#finishing.abort();
    this.#member.send({ type: 'finish' });
  }

  #return(): void {
    this.begin();
    this.#display.say(`${this.name} is back`);
  }

  async #live(): Promise<void> {
    for (let before = 0; ; before = this.batches) {
      const reason = await this.#member.ended;
      if (this.state === 'done' || this.#finishing.signal.aborted) return;
      // what ends before its first batch would do so again
      const returns = this.batches > before;
      this.state = returns ? 'away' : 'lost';
      const then = returns
        ? `and it is started again in ${awayMs / 1000} s`
        : 'and it is not started again, for it made no batch';
      this.#display.warn(`${reason ?? `${this.name} ended early`}; the rounds go on without it, ${then}`);
      if (!returns) return;
      await delay(awayMs, undefined, { signal: this.#finishing.signal }).catch(() => undefined);
      if (this.#finishing.signal.aborted) return;
      this.#member = this.#start();
    }
  }

  #start(): Member<WorkerMessage, WorkerOrder> {
    const args = [JSON.stringify(this.#task)];
    const member = startMember<WorkerMessage, WorkerOrder>(import.meta.url, { role: 'worker', number: this.#task.number, args });
    this.state = 'joining';
    member.onMessage((message) => {
      if (message.type === 'ready' && this.#begun) this.#return();
      if (message.type === 'done') {
        this.state = 'done';
        member.dismiss();
      }
      if (message.type !== 'report') return;
      const { loss, late, bytes } = message.report;
      this.batches += 1;
      this.late += late ? 1 : 0;
      this.bytesUp += bytes;
      this.loss = Number.isNaN(this.loss) ? loss : 0.9 * this.loss + 0.1 * loss;
    });
    return member;
  }
}
