// groupCommit: values pass once they are written; all that wait while one write is under way are the next one.
import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  dematerialize,
  EMPTY,
  endWith,
  exhaustMap,
  expand,
  finalize,
  from,
  ignoreElements,
  type MonoTypeOperatorFunction,
  map,
  materialize,
  type Observable,
  type ObservableInput,
  type ObservableNotification,
  of,
  repeat,
  Subscription,
  tap,
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
 * for all that waits. The end of the source, an error too, takes its place in the line. A failed write is an error, unless `onFailed` takes it.
 *
 * The line itself has no limit: it is as long as what the source lets in before it hears that earlier values have passed.
 * The trainer's admission bounds it by its credit for each worker and its accept queue.
 */
export function groupCommit<T>(options: GroupCommitOptions<T>): MonoTypeOperatorFunction<T> {
  const groups = options.pass === 'before' ? groupsWrittenLate : groupsWrittenFirst;
  return (source) =>
    defer(() => {
      const waiting: Line<T> = [];
      // a value that finds no write under way starts one; it goes on until nothing waits
      const groups$ = groups(waiting, options);
      return source.pipe(
        materialize(),
        tap((notification) => waiting.push(notification)),
        exhaustMap(() => groups$),
        dematerialize(),
      );
    });
}

/** Values that wait, and the end of the source behind them. */
type Line<T> = ObservableNotification<T>[];

/** Values pass, then they are written. */
function groupsWrittenLate<T>(waiting: Line<T>, options: GroupCommitOptions<T>): Observable<ObservableNotification<T>> {
  const group$ = defer(() => {
    const { values, notifications } = takeGroup(waiting, options);
    return concat(
      from(notifications),
      values.length === 0 ? EMPTY : defer(() => from(options.write(values))).pipe(ignoreElements()),
    );
  });
  return group$.pipe(repeat({ delay: () => (waiting.length > 0 ? of(true) : EMPTY) }));
}

/** A group whose write has begun. */
interface Group<T> {
  readonly values: readonly T[];
  readonly notifications: Line<T>;
  readonly written$: Observable<unknown>;
}

/**
 * Values are written, then they pass. The write of the next group begins before those of the last pass: whoever takes them may
 * take its time, and makes further ones, while the disk is busy.
 */
function groupsWrittenFirst<T>(waiting: Line<T>, options: GroupCommitOptions<T>): Observable<ObservableNotification<T>> {
  const { write, onFailed = rethrow } = options;
  return defer(() => {
    const writes = new Subscription();
    const begin = (): Group<T> | undefined => {
      if (waiting.length === 0) return undefined;
      const { values, notifications } = takeGroup(waiting, options);
      const written$ = new AsyncSubject<unknown>();
      writes.add((values.length === 0 ? EMPTY : defer(() => from(write(values)))).subscribe(written$));
      return { values, notifications, written$ };
    };
    /** What passes once the group has been written, and the group whose write has begun by then. */
    const settle = (group: Group<T>): Observable<Settled<T>> =>
      group.written$.pipe(
        ignoreElements(),
        endWith(group.notifications),
        catchError((error) => {
          onFailed(error, [...group.values, ...takeValues(waiting)]);
          return of([]);
        }),
        map((passing) => ({ passing, next: begin() })),
      );
    return of<Settled<T>>({ passing: [], next: begin() }).pipe(
      expand(({ next = begin() }) => (next === undefined ? EMPTY : settle(next))),
      concatMap(({ passing }) => passing),
      finalize(() => writes.unsubscribe()),
    );
  });
}

interface Settled<T> {
  readonly passing: Line<T>;
  readonly next: Group<T> | undefined;
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
