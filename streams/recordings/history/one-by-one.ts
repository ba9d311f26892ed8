// oneByOne: values that are asked for one at a time, when all is done with the one before.
import { concatMap, defer, finalize, type Observable, of, repeat, takeWhile } from 'rxjs';

const end: unique symbol = Symbol('end');

/**
 * Emits what `project` makes of each value; the next value is asked for when that has completed. The iterator is made at each
 * subscription, and told when nothing more is wanted.
 */
export function oneByOne<Value, Result>(
  values: () => AsyncIterator<Value, void, undefined>,
  project: (value: Value) => Observable<Result>,
): Observable<Result> {
  return defer(() => {
    const iterator = values();
    return defer(() => iterator.next()).pipe(
      concatMap((next): Observable<Result | typeof end> => (next.done === true ? of(end) : project(next.value))),
      repeat(),
      takeWhile((result): result is Result => result !== end),
      // a file that was only read has nothing to lose, and nobody is left to hear of it
      finalize(() => void iterator.return?.().catch(() => undefined)),
    );
  });
}
