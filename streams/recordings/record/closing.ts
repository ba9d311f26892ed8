// closing: a recording is closed however its stream ends, and an error of the stream comes after that.
import {
  catchError,
  concat,
  concatWith,
  defer,
  finalize,
  from,
  ignoreElements,
  type MonoTypeOperatorFunction,
  throwError,
} from 'rxjs';

/** A recording being made. */
interface Closable {
  /** Whether it has been closed, or is about to be. */
  readonly closing: boolean;
  close(): Promise<void>;
}

/** Closes the recording when the source has completed or failed, before either passes, and when the stream is unsubscribed. */
export function closing<T>(recorder: Closable): MonoTypeOperatorFunction<T> {
  const close$ = defer(() => recorder.close()).pipe(ignoreElements());
  return (source) =>
    source.pipe(
      catchError((error) =>
        concat(
          close$,
          throwError(() => error),
        ),
      ),
      concatWith(close$),
      finalize(() => {
        // nobody is left to hear an error, so it goes where RxJS reports unheard ones
        if (!recorder.closing) from(recorder.close()).subscribe();
      }),
    );
}
