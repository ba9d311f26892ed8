// The batches of a training on their way through a trainer that follows it, and no others.
import { filter, type MonoTypeOperatorFunction, map, type Observable } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { type Batch, type GradientRecord, isRows } from '../../src/gradients/batch.ts';
import { nackOf } from '../operators/admit.ts';
import type { Arrival, SourceFollower, TrainingSource } from '../operators/index.ts';
import type { Held } from './held.ts';
import { type Followed, type Pushed, Pusher } from './pusher.ts';

// what a source may have made and the journal not yet taken, where nothing else is told
const defaultWaitingBytes = 64 << 20;
const retryMs = 200;

const forbidden = 'this trainer follows a training in its own process and takes no other batches; nothing was applied';

/** What a follower is told. */
export interface FollowingOptions {
  readonly source: TrainingSource;
  readonly maxWaitingBytes: number | undefined;
  /** Ends the trainer. */
  readonly fail: (error: unknown) => void;
}

/** Batches of a source on their way, in the order they were made; they are sent again where the disk takes none. */
export class Following<Name extends string> extends Pusher<Name> implements SourceFollower {
  readonly #held: Held<Name>;
  readonly #source: TrainingSource;
  readonly #mostBytes: number;
  readonly #fail: (error: unknown) => void;
  readonly #waiting: { readonly batch: Batch<Name>; readonly version: number; readonly bytes: number }[] = [];
  readonly #digests = new Map<number, string>();
  readonly #idle: { resolve(): void; reject(error: unknown): void }[] = [];
  #bytes = 0;
  // how many of those that wait were sent
  #sent = 0;
  #flying = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ended: unknown;

  constructor(held: Held<Name>, { source, maxWaitingBytes = defaultWaitingBytes, fail }: FollowingOptions) {
    super(held, { maxAbs: held.optimizer.maxAbs }, Number.POSITIVE_INFINITY);
    this.#held = held;
    this.#source = source;
    this.#mostBytes = maxWaitingBytes;
    this.#fail = fail;
  }

  /** Batches of others are refused: the source's own weights would not be the trainer's any more. */
  override async push(): Promise<Pushed> {
    throw new GradwireError('E_FORBIDDEN', forbidden);
  }

  /** Answers what comes over a socket, and lets nothing pass. */
  override gate(): MonoTypeOperatorFunction<Arrival> {
    return (arrivals$: Observable<Arrival>) =>
      arrivals$.pipe(
        map(({ frame, answer }) =>
          answer(nackOf(new GradwireError('E_FORBIDDEN', forbidden), sequenceOf(frame), this.#held.version())),
        ),
        filter((_none): _none is never => false),
      );
  }

  demandRoom(byteLength: number): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#bytes === 0 || this.#bytes + byteLength <= this.#mostBytes) return;
    const text = `${this.#bytes} bytes of steps wait for the journal of the trainer; await drained() after each batch, as model.fit's onBatchEnd can; nothing was applied`;
    throw new GradwireError('E_BUSY', text, { retryable: true });
  }

  take(batch: Batch, { version, digest }: { readonly version: number; readonly digest: string | undefined }): void {
    const bytes = bytesIn(batch.gradients);
    this.#waiting.push({ batch: batch as Batch<Name>, version, bytes });
    this.#bytes += bytes;
    if (digest !== undefined) this.#digests.set(version, digest);
    this.#send();
  }

  idle(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#idle.push({ resolve, reject }));
  }

  override end(error: GradwireError): void {
    this.#ended ??= error;
    clearTimeout(this.#retry);
    super.end(error);
    for (const { reject } of this.#idle.splice(0)) reject(error);
  }

  /** Follows from the next step on, until the trainer closes. */
  override begin<Running extends Followed>(running: Running, closing$: Observable<void>): Running {
    closing$.subscribe(this.#source.follow(this));
    // an error of the trainer reaches its owner by its own ways
    running.updates$.subscribe({ next: ({ version }) => this.#verify(version), error: () => undefined });
    return running;
  }

  // the weights of a published version must be the source's
  #verify(version: number): void {
    const expected = this.#digests.get(version);
    this.#digests.delete(version);
    if (expected === undefined || expected === this.#held.digest()) return;
    const text = `at version ${version} the trainer's weights are not its source's; the trainer ends`;
    this.#giveUp(new GradwireError('E_DIGEST', text));
  }

  #send(): void {
    while (this.#retry === undefined && this.#sent < this.#waiting.length && this.#ended === undefined) {
      const { batch, version, bytes } = this.#waiting[this.#sent];
      this.#sent += 1;
      this.#flying += 1;
      const { gradients, examples, loss, time } = batch;
      // its base is not known to the trainer before its journal has it; what is on its way is not stale
      const sent = { gradients, examples, loss, time, producer: batch.producer ?? 'source', sequence: version };
      super.push(sent).then(
        ({ version: made }) => this.#folded(version, made, bytes),
        (error: unknown) => this.#refused(error),
      );
    }
  }

  #folded(version: number, made: number, bytes: number): void {
    this.#flying -= 1;
    if (version !== made) {
      this.#giveUp(
        new GradwireError('E_DIGEST', `the source's version ${version} became ${made} in the trainer; the trainer ends`),
      );
      return;
    }
    this.#waiting.shift();
    this.#sent -= 1;
    this.#bytes -= bytes;
    if (this.#waiting.length === 0) for (const { resolve } of this.#idle.splice(0)) resolve();
  }

  #refused(error: unknown): void {
    this.#flying -= 1;
    if (this.#ended !== undefined) return;
    const { retryable = false, retryAfterMs = 0 } = error as Partial<GradwireError>;
    if (!retryable) {
      this.#giveUp(error);
      return;
    }
    this.#retry ??= setTimeout(() => this.#sendAgain(), Math.max(retryAfterMs, retryMs));
  }

  // all that were on their way are refused with the first; they go again together, in their order
  #sendAgain(): void {
    this.#retry = this.#flying > 0 ? setTimeout(() => this.#sendAgain(), retryMs) : undefined;
    if (this.#retry !== undefined) return;
    this.#sent = 0;
    this.#send();
  }

  #giveUp(error: unknown): void {
    this.#ended ??= error;
    for (const { reject } of this.#idle.splice(0)) reject(error);
    this.#fail(error);
  }
}

function sequenceOf(frame: Uint8Array): number | null {
  try {
    const { sequence = '' } = deserialize(frame).metadata;
    return /^(0|[1-9]\d{0,15})$/.test(sequence) ? Number(sequence) : null;
  } catch {
    return null;
  }
}

function bytesIn(record: GradientRecord): number {
  return Object.values(record).reduce((sum, gradient) => {
    if (gradient === undefined) return sum;
    return sum + (isRows(gradient) ? gradient.values.byteLength + gradient.rows.byteLength : gradient.byteLength);
  }, 0);
}
