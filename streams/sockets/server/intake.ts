// Where batches come in, from sockets and HTTP alike: counted until they are answered.
import { type Observable, Subject } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import type { Answer, Arrival } from '../../operators/flow.ts';
import { refusal } from './answers.ts';
import type { WayUp } from './way-up.ts';

/** What an intake needs to know. */
export interface IntakeOptions {
  /** Bytes of unanswered batches from which on the intake is full. */
  readonly acceptBytes: number;
  /** Unanswered batches from which on it is full, however small they are. */
  readonly acceptBatches: number;
  /** The trainer's version. */
  readonly version: () => number;
  /** Called when the intake becomes full, and when it has room again. */
  readonly onFull: (full: boolean) => void;
}

/** The batches under way. */
export class Intake {
  readonly arrivals$: Observable<Arrival>;
  readonly #arrivals = new Subject<Arrival>();
  readonly #options: IntakeOptions;
  #unanswered = 0;
  #bytes = 0;
  #full = false;
  #closed = false;
  #whenEmpty: (() => void) | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.arrivals$ = this.#arrivals.asObservable();
  }

  /** Whether a batch would find someone who takes it. */
  get ready(): boolean {
    return this.#arrivals.observed && !this.#closed;
  }

  /** Batches that are not answered yet. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Bytes of them. */
  get unansweredBytes(): number {
    return this.#bytes;
  }

  /** Whether senders must wait. */
  get full(): boolean {
    return this.#full;
  }

  /** Hands a frame on, to `arrivals$` or to a way of its own; `answer` is called once, now or later. */
  take(frame: Uint8Array, answer: (answer: Answer) => void, way?: Pick<WayUp, 'push'>): void {
    if (!this.ready) {
      answer(refusal(this.#whyNot(), frame, this.#options.version()));
      return;
    }
    let open = true;
    const { byteLength } = frame;
    this.#count(1, byteLength);
    const settle = (given: Answer): void => {
      if (!open) return;
      open = false;
      this.#count(-1, -byteLength);
      answer(given);
    };
    if (way === undefined) this.#arrivals.next({ frame, answer: settle });
    else way.push({ frame, answer: settle });
  }

  /** Takes nothing more, completes `arrivals$`, and waits until all that came is answered, at most `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    this.#arrivals.complete();
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #whyNot(): GradwireError {
    if (this.#closed)
      return new GradwireError('E_CLOSED', 'the trainer is shutting down; send the same again', {
        retryable: true,
        retryAfterMs: 1000,
      });
    const text = 'the trainer takes no batches at the moment; send the same again';
    return new GradwireError('E_NOT_READY', text, { retryable: true, retryAfterMs: 200 });
  }

  #count(batches: number, bytes: number): void {
    this.#unanswered += batches;
    this.#bytes += bytes;
    if (this.#unanswered === 0) this.#whenEmpty?.();
    const { acceptBytes, acceptBatches, onFull } = this.#options;
    const taken = Math.max(this.#bytes / acceptBytes, this.#unanswered / acceptBatches);
    // half of it must be free before reading goes on, so that sockets are not switched at every batch
    const full = this.#full ? taken > 0.5 : taken >= 1;
    if (full === this.#full) return;
    this.#full = full;
    onFull(full);
  }
}
