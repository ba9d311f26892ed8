// inSlices: long work beside a stream, a slice at a time, so that the event loop is held for one slice and no longer.
import type { SchedulerLike } from 'rxjs';
import type { Work } from '../../src/work.ts';

/** Who hears of the result, or of what the work threw. */
interface Listener<T> {
  readonly next: (result: T) => void;
  readonly error: (error: unknown) => void;
}

/**
 * Does the first slice in the next microtask and each further one in a turn of the scheduler's. The function that it gives
 * does all that is left at once, and nothing where the work is done.
 */
export function inSlices<T>(work: Work<T>, scheduler: SchedulerLike, { next, error }: Listener<T>): () => void {
  let done = false;
  const advance = (): void => {
    if (done) return;
    try {
      const slice = work.next();
      done = slice.done === true;
      if (slice.done) next(slice.value);
    } catch (cause) {
      done = true;
      error(cause);
    }
  };
  void Promise.resolve().then(() => {
    advance();
    if (done) return;
    scheduler.schedule(function () {
      advance();
      if (!done) this.schedule();
    });
  });
  return () => {
    while (!done) advance();
  };
}
