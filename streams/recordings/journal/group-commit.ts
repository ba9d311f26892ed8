// groupCommit: values pass once they are written; all that wait while one write is under way are the next one.
import {
  defer,
  dematerialize,
  EMPTY,
  from,
  type MonoTypeOperatorFunction,
  materialize,
  Observable,
  type ObservableInput,
  type ObservableNotification,
  type Subscriber,
  Subscription,
  takeWhile,
} from 'rxjs';

/** How groups are made and written. */
export interface GroupCommitOptions<T> {
  /** Writes a group, which is never empty. One group at a time. */
  readonly write: (group: readonly T[]) => ObservableInput<unknown>;
  /** Bytes of a value. */
  readonly sizeOf: (value: T) => number;
  /** A group has at most as many bytes, or one value; 16 MiB unless told. */
  readonly groupBytes?: number;
  /** Whether values pass `after` their group is written (default), or `before`, and what waits is held meanwhile. */
  readonly pass?: 'after' | 'before';
  /**
   * Told of a write that failed, and of all values that waited with it: they do not pass, and the stream lives on. What it
   * throws ends the stream, as a failed write does without it. For values that pass `after` alone.
   */
  readonly onFailed?: (error: unknown, lost: readonly T[]) => void;
}

/**
 * Passes each value on unchanged and in order, once the group that it is in has been written: under load there is one write
 * for all that waits. The end of the source, an error too, takes its place in the line. A failed write is an error, unless
 * `onFailed` takes it; it too takes its place, after what was written before.
 *
 * Values pass in short turns of the event loop while the disk is busy: once it has done its part it gets the next.
 *
 * The line itself has no limit: it is as long as what the source lets in before it hears that earlier values have passed.
 * The trainer's admission bounds it by its credit for each worker and its accept queue.
 */
export function groupCommit<T>(options: GroupCommitOptions<T>): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<ObservableNotification<T>>((subscriber) => {
      const groups = new Groups(options, subscriber);
      // asked each time, for a source that gives all at once cannot be unsubscribed meanwhile
      const subscription = source
        .pipe(
          materialize(),
          takeWhile(() => !subscriber.closed),
        )
        .subscribe((notification) => groups.take(notification));
      return () => {
        subscription.unsubscribe();
        groups.end();
      };
    }).pipe(dematerialize());
}

/** Values, and the end of the source behind them. */
type Line<T> = ObservableNotification<T>[];

/** A write that failed, until those who wait hear of it. */
interface Failure<T> {
  readonly error: unknown;
  readonly values: readonly T[];
}

// how long values pass in one turn, while the disk writes and while it does not
const turnMs = { writing: 0.25, resting: 2 };

/** What one subscription holds: a line of values that wait, at most one group that is being written, and a line of those that pass. */
class Groups<T> {
  readonly #options: GroupCommitOptions<T>;
  readonly #subscriber: Subscriber<ObservableNotification<T>>;
  readonly #waiting: Line<T> = [];
  readonly #writes = new Subscription();
  #isWriting = false;
  #failure: Failure<T> | undefined;
  readonly #passing: Line<T> = [];
  // of those, how many have passed in this turn
  #passed = 0;
  #isPassing = false;
  #turn: NodeJS.Immediate | undefined;

  constructor(options: GroupCommitOptions<T>, subscriber: Subscriber<ObservableNotification<T>>) {
    this.#options = options;
    this.#subscriber = subscriber;
  }

  /** A value, or the end of the source, joins the line. */
  take(notification: ObservableNotification<T>): void {
    this.#waiting.push(notification);
    // what comes in answer to those that pass is one group, not many
    if (!this.#isPassing && this.#turn === undefined) this.#write();
  }

  end(): void {
    this.#writes.unsubscribe();
    clearImmediate(this.#turn);
  }

  /** Begins the next write, where none is under way and no failure waits to be told. */
  #write(): void {
    if (this.#subscriber.closed || this.#isWriting || this.#failure !== undefined || this.#waiting.length === 0) return;
    // half is written while half passes; begun whenever the disk is free, groups would be small and many
    if (this.#waiting.length < this.#passing.length - this.#passed) return;
    this.#isWriting = true;
    const { write, pass } = this.#options;
    const { values, notifications } = takeGroup(this.#waiting, this.#options);
    if (pass === 'before') this.#passing.push(...notifications);
    const write$ = values.length === 0 ? EMPTY : defer(() => from(write(values)));
    const writing = write$.subscribe({
      error: (error: unknown) => {
        this.#failure = { error, values };
        this.#written([]);
      },
      complete: () => this.#written(pass === 'before' ? [] : notifications),
    });
    this.#writes.add(writing);
    // begun by then, so that what has passed is written though whoever takes it should have enough
    if (pass === 'before') this.#pass();
  }

  /** The next write may begin before those of the last pass: whoever takes them may take its time while the disk is busy. */
  #written(notifications: Line<T>): void {
    this.#isWriting = false;
    this.#passing.push(...notifications);
    this.#write();
    this.#pass();
  }

  /** Passes what it can in this turn, and the rest in the next ones. */
  #pass(): void {
    if (this.#isPassing || this.#turn !== undefined) return;
    this.#isPassing = true;
    const startMs = performance.now();
    while (this.#passed < this.#passing.length && !this.#subscriber.closed) {
      this.#subscriber.next(this.#passing[this.#passed++]);
      this.#write();
      if (performance.now() - startMs >= turnMs[this.#isWriting ? 'writing' : 'resting']) break;
    }
    this.#passing.splice(0, this.#passed);
    this.#passed = 0;
    this.#isPassing = false;
    if (this.#subscriber.closed) return;
    if (this.#passing.length > 0) {
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.#pass();
      });
      return;
    }
    if (this.#failure !== undefined) this.#tell(this.#failure);
    this.#write();
  }

  /** All that was written before has passed: now those hear of a failure who were in it, or behind it. */
  #tell({ error, values }: Failure<T>): void {
    const { onFailed = rethrow } = this.#options;
    this.#failure = undefined;
    try {
      onFailed(error, [...values, ...takeValues(this.#waiting)]);
    } catch (thrown) {
      this.#subscriber.error(thrown);
    }
  }
}

function rethrow(error: unknown): never {
  throw error;
}

/** Takes all values out of the line; the end of the source keeps its place. */
function takeValues<T>(waiting: Line<T>): T[] {
  const count = waiting.filter(({ kind }) => kind === 'N').length;
  return waiting.splice(0, count).flatMap((notification) => (notification.kind === 'N' ? [notification.value] : []));
}

// so that a group of small values does not hold the event loop for long
const mostValues = 1024;

/** Takes the next group out of the line: values up to the limit, or the end of the source alone. */
function takeGroup<T>(
  waiting: Line<T>,
  { sizeOf, groupBytes = 16 << 20 }: GroupCommitOptions<T>,
): { values: T[]; notifications: Line<T> } {
  const values: T[] = [];
  let bytes = 0;
  for (const notification of waiting) {
    if (notification.kind !== 'N') break;
    bytes += sizeOf(notification.value);
    if (values.length === mostValues || (values.length > 0 && bytes > groupBytes)) break;
    values.push(notification.value);
  }
  return { values, notifications: waiting.splice(0, Math.max(1, values.length)) };
}
