// What a journal does while the disk takes no writes: it says so, and tries again until it can go on.
import { defer, EMPTY, exhaustMap, expand, ignoreElements, type Observable, Subject, timer } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';

/** A disk that may not take writes at the moment. */
export class Mending {
  readonly #probe: (byteLength: number) => Promise<void>;
  readonly #failed$ = new Subject<number>();
  #trouble: GradwireError | undefined;

  /** `probe` finds out whether so many bytes can be written. */
  constructor(probe: (byteLength: number) => Promise<void>) {
    this.#probe = probe;
  }

  /** Why nothing can be written at the moment; undefined where it can. */
  get trouble(): GradwireError | undefined {
    return this.#trouble;
  }

  /** A write of so many bytes failed. Throws where trying again would lie. */
  note(error: unknown, byteLength: number): void {
    if (!isRetryable(error)) throw error;
    this.#trouble = error;
    this.#failed$.next(byteLength);
  }

  /** While it is subscribed, tries the disk after each failure until it takes writes. Errors: what is not retryable. */
  mend(): Observable<never> {
    return this.#failed$.pipe(
      exhaustMap((byteLength) => this.#attempt(byteLength).pipe(expand((again) => (again ? this.#attempt(byteLength) : EMPTY)))),
      ignoreElements(),
    );
  }

  /** One attempt, after a while; gives whether another is needed. */
  #attempt(byteLength: number): Observable<boolean> {
    return timer(this.#trouble?.retryAfterMs ?? 0).pipe(exhaustMap(() => defer(() => this.#try(byteLength))));
  }

  async #try(byteLength: number): Promise<boolean> {
    try {
      await this.#probe(byteLength);
      this.#trouble = undefined;
      return false;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      this.#trouble = error;
      return true;
    }
  }
}

function isRetryable(error: unknown): error is GradwireError {
  return error instanceof GradwireError && error.retryable;
}
