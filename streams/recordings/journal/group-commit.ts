// groupCommit: values pass once they are written; all that wait while one write is under way are the next one.
import {
  catchError,
  concat,
  defer,
  dematerialize,
  EMPTY,
  exhaustMap,
  from,
  ignoreElements,
  type MonoTypeOperatorFunction,
  materialize,
  type ObservableInput,
  type ObservableNotification,
  of,
  repeat,
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
  const { write, pass = 'after', onFailed = rethrow } = options;
  return (source) =>
    defer(() => {
      const waiting: ObservableNotification<T>[] = [];
      const group$ = defer(() => {
        const { values, notifications } = takeGroup(waiting, options);
        if (values.length === 0) return from(notifications);
        const written$ = defer(() => from(write(values))).pipe(ignoreElements());
        if (pass === 'before') return concat(from(notifications), written$);
        return concat(written$, from(notifications)).pipe(
          catchError((error) => {
            onFailed(error, [...values, ...takeValues(waiting)]);
            return EMPTY;
          }),
        );
      });
      // a value that finds no write under way starts one; it goes on until nothing waits
      const groups$ = group$.pipe(repeat({ delay: () => (waiting.length > 0 ? of(true) : EMPTY) }));
      return source.pipe(
        materialize(),
        tap((notification) => waiting.push(notification)),
        exhaustMap(() => groups$),
        dematerialize(),
      );
    });
}

function rethrow(error: unknown): never {
  throw error;
}

/** Takes all values out of the line; the end of the source keeps its place. */
function takeValues<T>(waiting: ObservableNotification<T>[]): T[] {
  const count = waiting.filter(({ kind }) => kind === 'N').length;
  return waiting.splice(0, count).flatMap((notification) => (notification.kind === 'N' ? [notification.value] : []));
}

// so that a group of small values does not hold the event loop for long
const mostValues = 1024;

/** Takes the next group out of the line: values up to the limit, or the end of the source alone. */
function takeGroup<T>(
  waiting: ObservableNotification<T>[],
  { sizeOf, groupBytes = 16 << 20 }: GroupCommitOptions<T>,
): { values: T[]; notifications: ObservableNotification<T>[] } {
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
