// Frames on their way to the trainer: kept until they are answered, sent within the credit, sent again after a cut.
import { type ErrorCode, GradwireError } from '../../../src/errors.ts';
import type { Ack, Nack } from '../../operators/flow.ts';
import { InFlight } from '../protocol/credit.ts';
import type { Credit } from '../protocol/words.ts';

/** What became of a batch. */
export interface Pushed {
  /** The version that the batch made. */
  readonly version: number;
  /** Whether an earlier sending of it had been applied already. */
  readonly duplicate: boolean;
}

interface Entry {
  readonly sequence: number;
  readonly frame: Uint8Array<ArrayBuffer>;
  sent: boolean;
  /** Before this time it is not sent again. */
  notBeforeMs: number;
  readonly resolve: (pushed: Pushed) => void;
  readonly reject: (error: GradwireError) => void;
}

// what a nack that names no time waits
const leastRetryMs = 20;

/** Unanswered frames in the order of their sequence numbers. */
export class Outbox {
  readonly #send: (frame: Uint8Array<ArrayBuffer>) => void;
  readonly #entries = new Map<number, Entry>();
  // sent and given up: their bytes, by sequence number
  readonly #givenUp = new Map<number, number>();
  #inFlight: InFlight | undefined;
  #bytes = 0;
  #unsent = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
  }

  /** Frames that are unanswered. */
  get size(): number {
    return this.#entries.size;
  }

  /** Their bytes. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Keeps a frame until it is answered, and sends it when the credit allows. `sequence` is the highest so far. */
  add(sequence: number, frame: Uint8Array<ArrayBuffer>): Promise<Pushed> {
    return new Promise((resolve, reject) => {
      this.#entries.set(sequence, { sequence, frame, sent: false, notBeforeMs: 0, resolve, reject });
      this.#bytes += frame.byteLength;
      this.#unsent += 1;
      this.#flush();
    });
  }

  /** A connection is there: everything unanswered goes out, oldest first. */
  open(credit: Credit): void {
    this.#inFlight = new InFlight(credit);
    this.#givenUp.clear();
    for (const entry of this.#entries.values()) entry.sent = false;
    this.#unsent = this.#entries.size;
    this.#flush();
  }

  /** The connection is gone; what was sent may have arrived or not. */
  shut(): void {
    this.#inFlight = undefined;
    clearTimeout(this.#timer);
  }

  /** An answer. One that names no sequence number is for the oldest frame that was sent. */
  settle(answer: Ack | Nack): void {
    const given = this.#givenUp.get(answer.sequence ?? -1);
    if (given !== undefined) {
      this.#givenUp.delete(answer.sequence ?? -1);
      this.#inFlight?.give(given);
      this.#flush();
      return;
    }
    const entry = answer.sequence === null ? this.#oldestSent() : this.#entries.get(answer.sequence);
    // a second answer to the same frame says nothing new
    if (entry === undefined || !entry.sent) return;
    this.#inFlight?.give(entry.frame.byteLength);
    if (answer.type === 'nack' && answer.retryable) this.#putBack(entry, answer.retryAfterMs);
    else {
      this.#remove(entry);
      if (answer.type === 'ack') entry.resolve({ version: answer.version, duplicate: answer.duplicate });
      else entry.reject(new GradwireError(answer.code as ErrorCode, answer.text, answer));
    }
    this.#flush();
  }

  /** Gives up one, whether it was sent or not; an answer that still comes is for nobody. */
  giveUp(sequence: number, error: GradwireError): void {
    const entry = this.#entries.get(sequence);
    if (entry === undefined) return;
    // it keeps its credit until the answer comes, or the connection ends
    if (entry.sent) this.#givenUp.set(sequence, entry.frame.byteLength);
    this.#remove(entry);
    entry.reject(error);
  }

  /** The server takes no message of that size: the largest that was sent is given up, for it would end the next connection too. */
  giveUpLargest(): void {
    const sent = [...this.#entries.values()].filter((entry) => entry.sent);
    const [largest] = sent.sort((a, b) => b.frame.byteLength - a.frame.byteLength);
    if (largest === undefined) return;
    this.#remove(largest);
    const text = `a frame of ${largest.frame.byteLength} bytes is more than the trainer takes; nothing was applied`;
    largest.reject(new GradwireError('E_TOO_LARGE', text));
  }

  /** Gives up everything. */
  fail(error: GradwireError): void {
    this.shut();
    for (const entry of this.#entries.values()) entry.reject(error);
    this.#entries.clear();
    this.#bytes = 0;
    this.#unsent = 0;
  }

  #oldestSent(): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.sent) return entry;
    return undefined;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.sequence);
    this.#bytes -= entry.frame.byteLength;
    if (!entry.sent) this.#unsent -= 1;
  }

  #putBack(entry: Entry, retryAfterMs: number): void {
    entry.sent = false;
    entry.notBeforeMs = performance.now() + Math.max(leastRetryMs, retryAfterMs);
    this.#unsent += 1;
  }

  #flush(): void {
    const inFlight = this.#inFlight;
    if (inFlight === undefined || this.#unsent === 0) return;
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    for (const entry of this.#entries.values()) {
      if (entry.sent) continue;
      if (entry.notBeforeMs > nowMs) {
        // those after it wait too, or they would overtake it
        this.#timer = setTimeout(() => this.#flush(), entry.notBeforeMs - nowMs);
        return;
      }
      if (!inFlight.allows(entry.frame.byteLength)) return;
      this.#dispatch(entry, inFlight);
    }
  }

  #dispatch(entry: Entry, inFlight: InFlight): void {
    entry.sent = true;
    this.#unsent -= 1;
    inFlight.take(entry.frame.byteLength);
    this.#send(entry.frame);
  }
}
