// Batches from this process: the same frames, checks and answers as those from a socket.
import { identity, type MonoTypeOperatorFunction, type Observable, Subject } from 'rxjs';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';
import { encodeGradientsOpened } from '../../src/frames/gradients.ts';
import { type Batch, type GradientRecord, isBatch } from '../../src/gradients/batch.ts';
import type { CheckOptions } from '../../src/gradients/check.ts';
import type { Arrival } from '../operators/flow.ts';
import type { Held } from './held.ts';

// as many as the sockets together may have waiting
const defaultWaitingBytes = 64 << 20;

/** A batch's fate: the version it became, and whether it had become that before. */
export interface Pushed {
  readonly version: number;
  readonly duplicate: boolean;
}

/** A trainer, as far as whoever brings it batches looks at it. */
export interface Followed {
  readonly updates$: Observable<{ readonly version: number }>;
}

/** Turns pushes into arrivals and answers into promises. */
export class Pusher<Name extends string = string> {
  readonly arrivals$: Subject<Arrival> = new Subject<Arrival>();
  readonly #held: Held<Name>;
  readonly #check: CheckOptions;
  readonly #mostWaitingBytes: number;
  readonly #waiting = new Set<(error: unknown) => void>();
  #waitingBytes = 0;
  #sequence = 0;
  #ended: GradwireError | undefined;

  constructor(held: Held<Name>, check: CheckOptions, mostWaitingBytes: number = defaultWaitingBytes) {
    this.#mostWaitingBytes = mostWaitingBytes;
    this.#held = held;
    this.#check = check;
  }

  /** Resolves once the batch is durable and folded; rejects with the code of the refusal. */
  async push(input: Batch<Name> | GradientRecord<Name>): Promise<Pushed> {
    if (this.#ended !== undefined) throw this.#ended;
    const batch: Batch<Name> = isBatch(input) ? input : { gradients: input };
    const { epoch, model, layout } = this.#held;
    const { producer = 'trainer', producerEpoch = epoch, base = this.#held.version() } = batch;
    const sequence = batch.sequence ?? ++this.#sequence;
    const made = encodeGradientsOpened(layout, { model, producer, producerEpoch, sequence, base }, batch, this.#check);
    if (this.#waitingBytes > 0 && this.#waitingBytes + made.frame.byteLength > this.#mostWaitingBytes) {
      throw new GradwireError('E_BUSY', `${this.#waitingBytes} bytes of batches wait to be written; await earlier pushes first`, {
        retryable: true,
      });
    }
    return this.#hand(made);
  }

  /** What the arrivals of others pass. */
  gate(): MonoTypeOperatorFunction<Arrival> {
    return identity;
  }

  /** Told of the trainer that is running now; gives it back. */
  begin<Running extends Followed>(running: Running, _closing$: Observable<void>): Running {
    return running;
  }

  /** Rejects what is unanswered, and every later push. */
  end(error: GradwireError): void {
    this.#ended ??= error;
    for (const reject of this.#waiting) reject(this.#ended);
    this.#waiting.clear();
  }

  // whatever waits for the answer holds its number of bytes, not the batch: thousands of them may wait for the disk
  #hand({ frame, opened }: Pick<Arrival, 'frame' | 'opened'>): Promise<Pushed> {
    const { byteLength } = frame;
    this.#waitingBytes += byteLength;
    const { promise, answer } = this.#answered(byteLength);
    this.arrivals$.next({ frame, opened, answer });
    return promise;
  }

  #answered(byteLength: number): { readonly promise: Promise<Pushed>; readonly answer: Arrival['answer'] } {
    let answer!: Arrival['answer'];
    const promise = new Promise<Pushed>((resolve, reject) => {
      this.#waiting.add(reject);
      answer = (given) => {
        this.#waiting.delete(reject);
        this.#waitingBytes -= byteLength;
        if (given.type === 'ack') resolve({ version: given.version, duplicate: given.duplicate });
        else reject(new GradwireError(given.code as ErrorCode, given.text, given));
      };
    });
    return { promise, answer };
  }
}
