// One push of a recording into a trainer: what the trainer has already is passed over, the rest is pushed in order.
import { count, defer, from as fromInput, lastValueFrom, takeUntil } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { Rollback } from '../../../src/rmsprop/state/rollback.ts';
import { replayInto } from '../../recordings/history/replay.ts';
import { type RecordedBatch, replay } from '../../recordings/index.ts';
import type { RemoteWorker } from '../../sockets/index.ts';
import { pacedProgress, readingProgress } from '../output.ts';
import { InOrder } from './in-order.ts';
import { holds, type Span } from './span.ts';

/** Batches that may be under way at once: as many as a trainer lets a worker have, unless told. */
export const mostInFlight = 8;

/** What is pushed, and how. */
export interface PushPlan extends Span {
  /** The first batch of the part. */
  readonly first: RecordedBatch;
  /** Batches under way at once. */
  readonly inFlight: number;
  readonly speed?: number;
  /** Whether a batch that the target refuses is counted, and the push goes on. */
  readonly skipRefused?: boolean;
}

function notPushed(version: number, { to }: Rollback): GradwireError {
  const text = `version ${version} is a rollback to version ${to}, which only its own trainer has`;
  return new GradwireError(
    'E_CONFIG',
    `${text}; push up to it with --until ${version - 1}, or on from it with --from ${version}`,
  );
}

/** One push of a part of a recording, and its figures. */
export class Pushing {
  readonly #path: string;
  readonly #worker: RemoteWorker;
  readonly #plan: PushPlan;
  readonly #answers: InOrder;
  #passed = 0;
  #seconds = 0;
  #interrupted = false;

  constructor(path: string, worker: RemoteWorker, plan: PushPlan) {
    this.#path = path;
    this.#worker = worker;
    this.#plan = plan;
    this.#answers = new InOrder({ ...plan, upTo: plan.first.version - 1 });
  }

  /** The recorded version up to which everything is acknowledged, or counted as refused. */
  get upTo(): number {
    return this.#answers.upTo;
  }

  /** Whether it was stopped before its end. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** What has become of the batches so far. */
  figures(): Record<string, unknown> {
    const { batches, refused } = this.#answers;
    const duplicates = this.#passed + this.#answers.duplicates;
    return {
      batches,
      acknowledged: batches + duplicates,
      duplicates,
      refused,
      acknowledgedUpTo: this.upTo,
      interrupted: this.#interrupted,
      seconds: this.#seconds,
      batchesPerSecond: this.#seconds === 0 ? 0 : batches / this.#seconds,
    };
  }

  /** Pushes until the part ends, or `stop` resolves. */
  async run(stop: Promise<void>): Promise<void> {
    const stopping = stop.then(() => {
      this.#interrupted = true;
    });
    await Promise.race([this.#worker.ready, stopping]);
    if (this.#interrupted) return;
    // E_LAYOUT before anything is pushed
    await lastValueFrom(replay(this.#path, { from: this.upTo, until: this.upTo + 1, model: this.#worker.layout }));
    await this.#passKnown();
    const startMs = performance.now();
    try {
      await this.#pushAll(stopping);
    } finally {
      this.#seconds = (performance.now() - startMs) / 1000;
    }
  }

  /**
   * What the target has under this name is not pushed again, but for the last few: one of those may have been refused while
   * others after it were under way. The target knows the rest by their numbers.
   */
  async #passKnown(): Promise<void> {
    const before = this.upTo;
    const { until = Number.POSITIVE_INFINITY } = this.#plan;
    const known = Math.min(this.#worker.sequence ?? 0, until);
    if (known <= before) return;
    // a recording may end before what the target knows, where it is the copy of one that went on
    const there = (await holds(this.#path, known)) ? known - before : await this.#countFrom(before);
    this.#passed = Math.max(0, there - mostInFlight);
    this.#answers.upTo = before + this.#passed;
  }

  #countFrom(from: number): Promise<number> {
    return lastValueFrom(replay(this.#path, { from, until: this.#plan.until }).pipe(count()));
  }

  async #pushAll(stopping: Promise<void>): Promise<void> {
    const { until, speed } = this.#plan;
    const bar = speed === undefined ? readingProgress('pushing') : undefined;
    const line = speed === undefined ? undefined : pacedProgress(speed);
    const options = { from: this.upTo, until, speed, model: this.#worker.layout, progress: bar?.update };
    const pushed$ = replayInto(this.#path, options, (batch) =>
      defer(() => {
        line?.update(batch);
        return this.#answers.add(batch.version, this.#push(batch));
      }),
    );
    try {
      await lastValueFrom(pushed$.pipe(takeUntil(fromInput(stopping))), { defaultValue: undefined });
      if (!this.#interrupted) await Promise.race([this.#answers.all(), stopping]);
    } finally {
      bar?.stop();
      line?.stop();
    }
  }

  // its base is the version that the target holds now: that of the recording is of another history
  #push({ version, checked, gradients, examples, loss, time }: RecordedBatch): ReturnType<RemoteWorker['push']> {
    if (checked instanceof Rollback) return Promise.reject(notPushed(version, checked));
    return this.#worker.push({ gradients, examples, loss, time, sequence: version });
  }
}
