// A worker's way up: batches are numbered and encoded once, then stay in the outbox until they are answered.
import { encodingOf } from '../../../src/encodings/encodings.ts';
import type { EncodingName, EncodingOptions } from '../../../src/encodings/names.ts';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import { encodeGradients } from '../../../src/frames/gradients.ts';
import type { Batch } from '../../../src/gradients/batch.ts';
import type { Gradients } from '../../../src/gradients/check.ts';
import { Feedback } from '../../../src/gradients/feedback.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Ack, Nack } from '../../operators/flow.ts';
import type { Welcome } from '../protocol/words.ts';
import { bytesIn, copyOf } from './copies.ts';
import { Outbox, type Pushed } from './outbox.ts';
import type { Pushing } from './pushing.ts';

/** A batch as a worker pushes it: its producer is the worker's. */
export interface WorkerBatch<Name extends string = string>
  extends Pick<Batch<Name>, 'gradients' | 'base' | 'examples' | 'loss' | 'time'> {
  /**
   * The batch's number, above those that this worker has pushed; the next one unless told. A program that keeps its batches
   * and their numbers, and gives `producer` and `producerEpoch`, pushes them again after a crash without doubling any: the same
   * bytes, `base` included, under the same number are answered as a duplicate.
   */
  readonly sequence?: number;
  /** In which encoding it is sent; the worker's own unless told. What it drops is added to the next batch of that tensor. */
  readonly encoding?: EncodingName;
  /** `topk`: the share of values that is sent; the worker's own unless told. */
  readonly share?: number;
}

/** What pushes are numbered by, and limited to, and how they are encoded. */
export interface PushesOptions extends EncodingOptions {
  readonly producer: string;
  readonly producerEpoch: number | undefined;
  readonly maxQueue: number;
  readonly maxQueueBytes: number;
  readonly pushTimeoutMs: number;
}

// pushed before the trainer's model was known
interface Early<Name extends string> {
  readonly batch: WorkerBatch<Name> & { readonly base: number };
  readonly slot: Slot;
  readonly resolve: (pushed: Promise<Pushed>) => void;
  readonly reject: (error: GradwireError) => void;
}

const batchNames = ['gradients', 'base', 'examples', 'loss', 'time', 'sequence', 'encoding', 'share'];

// where a push waits at the moment
interface Slot {
  giveUp(error: GradwireError): void;
}

// the trainer judges the size of values; a frame only has to hold finite ones
const anyFinite = { maxAbs: Number.MAX_VALUE };

/** The batches of one worker. */
export class Pushes<Name extends string = string> implements Pushing<Name> {
  readonly producer: string;
  readonly #options: PushesOptions;
  readonly #outbox: Outbox;
  readonly #feedback = new Feedback<Name>();
  #early: Early<Name>[] = [];
  #earlyBytes = 0;
  #model: Layout<Name> | undefined;
  #producerEpoch: number | undefined;
  // the highest of this producer and epoch, here or at the trainer
  #sequence: number | undefined;
  #lastPushed = -1;
  #error: GradwireError | undefined;

  constructor(options: PushesOptions, send: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.producer = options.producer;
    this.#options = options;
    this.#producerEpoch = options.producerEpoch;
    // a worker's options alone, so what a replica loads need not know them
    encodingOf(options);
    this.#outbox = new Outbox(send);
  }

  /** The epoch that the frames carry; undefined before the first welcome, unless it was given. */
  get producerEpoch(): number | undefined {
    return this.#producerEpoch;
  }

  /** The highest number of this producer and epoch, pushed here or known to the trainer; undefined before the first welcome. */
  get sequence(): number | undefined {
    return this.#sequence;
  }

  /** Batches that are unanswered. */
  get size(): number {
    return this.#outbox.size + this.#early.length;
  }

  /** Resolves with the ack. See {@link RemoteWorker.push} for its errors. */
  async push(batch: WorkerBatch<Name>, version: number, timeoutMs: number = this.#options.pushTimeoutMs): Promise<Pushed> {
    const slot: Slot = { giveUp: () => undefined };
    const text = `no answer within ${timeoutMs} ms; the batch may have been applied or not: the same bytes under the same number tell`;
    const late = (): void => slot.giveUp(new GradwireError('E_TIMEOUT', text));
    const timer = Number.isFinite(timeoutMs) ? setTimeout(late, timeoutMs) : undefined;
    return this.#begin(batch, version, slot).finally(() => clearTimeout(timer));
  }

  async #begin(batch: WorkerBatch<Name>, version: number, slot: Slot): Promise<Pushed> {
    if (this.#error !== undefined) throw this.#error;
    refuseUnknownOptions('worker batch', batch, batchNames);
    refuseSequence(batch.sequence);
    encodingOf(this.#encoding(batch));
    const { maxQueue, maxQueueBytes } = this.#options;
    if (this.size >= maxQueue || this.#outbox.byteLength + this.#earlyBytes >= maxQueueBytes) {
      const text = `${this.size} batches wait for an answer already; nothing was sent; wait for one of them`;
      throw new GradwireError('E_BUSY', text, { retryable: true });
    }
    const based = { ...batch, base: batch.base ?? version };
    if (this.#model !== undefined) return this.#add(this.#model, based, slot);
    const gradients = copyOf(batch.gradients);
    this.#earlyBytes += bytesIn(gradients);
    return new Promise((resolve, reject) => {
      const early = { batch: { ...based, gradients }, slot, resolve, reject };
      this.#early.push(early);
      slot.giveUp = (error) => {
        this.#early = this.#early.filter((each) => each !== early);
        this.#earlyBytes -= bytesIn(gradients);
        reject(error);
      };
    });
  }

  /** A connection is there. The first welcome decides the epoch and where the numbers begin. */
  open({ credit, producerEpoch, sequence }: Welcome): void {
    this.#producerEpoch ??= producerEpoch ?? 0;
    this.#sequence ??= sequence ?? 0;
    this.#outbox.open(credit);
  }

  /** The weights are there, and with them the model that batches are checked against. */
  ready(model: Layout<Name>): void {
    this.#model = model;
    for (const { batch, slot, resolve } of this.#takeEarly()) resolve(this.#add(model, batch, slot));
  }

  /** The connection is gone; `tooLarge` where it ended over the size of a message. */
  shut(tooLarge: boolean): void {
    if (tooLarge) this.#outbox.giveUpLargest();
    this.#outbox.shut();
  }

  /** An answer from the trainer. */
  settle(answer: Ack | Nack): void {
    this.#outbox.settle(answer);
  }

  /** Everything unanswered, and every later push, ends with this error. */
  fail(error: GradwireError): void {
    this.#error = error;
    for (const { reject } of this.#takeEarly()) reject(error);
    this.#outbox.fail(error);
  }

  #takeEarly(): Early<Name>[] {
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    return early;
  }

  #encoding({ encoding, share }: Pick<WorkerBatch<Name>, 'encoding' | 'share'>): EncodingOptions {
    const own = this.#options;
    return { encoding: encoding ?? own.encoding, share: share ?? own.share, blockLength: own.blockLength };
  }

  async #add(
    model: Layout<Name>,
    { base, sequence: asked, ...batch }: WorkerBatch<Name> & { base: number },
    slot: Slot,
  ): Promise<Pushed> {
    const highest = this.#sequence ?? 0;
    const sequence = asked ?? highest + 1;
    // unanswered batches are kept, and sent again, in the order of their numbers
    if (sequence <= this.#lastPushed) {
      const text = `sequence ${sequence} does not follow ${this.#lastPushed}, which was pushed before it; nothing was sent`;
      throw new GradwireError('E_CONFIG', text);
    }
    const identity = { producer: this.producer, producerEpoch: this.#producerEpoch ?? 0, sequence, base };
    const encode = (tensors: Gradients<Name>['tensors']) => this.#feedback.encode(tensors, this.#encoding(batch));
    const frame = encodeGradients(model, identity, batch, { ...anyFinite, encode });
    // a batch that does not fit has thrown and takes no number
    this.#lastPushed = sequence;
    this.#sequence = Math.max(highest, sequence);
    slot.giveUp = (error) => this.#outbox.giveUp(sequence, error);
    return this.#outbox.add(sequence, frame);
  }
}

function refuseSequence(sequence: unknown): void {
  if (sequence === undefined || (Number.isSafeInteger(sequence) && (sequence as number) >= 0)) return;
  throw new GradwireError('E_CONFIG', `sequence must be an integer 0..2^53-1; got ${String(sequence)}; nothing was sent`);
}
