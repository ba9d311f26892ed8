// Values taken one by one when they are wanted: iterables as they are, observables through a queue with a limit.
import { isObservable, type Observable, type Subscription } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';

/** Where values come from. Iterables are asked for the next one only when it is wanted; observables come by themselves. */
export type Source<T> = Observable<T> | Iterable<T> | AsyncIterable<T>;

/** Takes values from a source. Whoever makes it ends it. */
export interface Pulled<T> {
  /** The next value; `done` at the end. Rejects with the source's error, or `E_BUSY` where more than `maxWaiting` have come unasked. */
  next(): Promise<IteratorResult<T, unknown>>;
  /** Leaves the source. */
  end(): void;
}

/** Opens a source. */
export function pulled<T>(source: Source<T>, maxWaiting: number): Pulled<T> {
  if (isObservable(source)) return new Queue(source, maxWaiting);
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  return { next: async () => iterator.next(), end: () => void iterator.return?.() };
}

class Queue<T> implements Pulled<T> {
  readonly #waiting: T[] = [];
  readonly #asking: { resolve(result: IteratorResult<T, unknown>): void; reject(error: unknown): void }[] = [];
  readonly #subscription: Subscription;
  #done = false;
  #error: { readonly cause: unknown } | undefined;

  constructor(source: Observable<T>, maxWaiting: number) {
    this.#subscription = source.subscribe({
      next: (value) => {
        this.#waiting.push(value);
        if (this.#waiting.length > maxWaiting && this.#error === undefined) {
          const text = `${this.#waiting.length} examples wait for the worker; give an iterable, which is asked for the next, or a larger maxWaiting`;
          this.#error = { cause: new GradwireError('E_BUSY', text) };
          this.#waiting.length = 0;
        }
        this.#settle();
      },
      error: (cause: unknown) => {
        this.#error ??= { cause };
        this.#settle();
      },
      complete: () => {
        this.#done = true;
        this.#settle();
      },
    });
  }

  next(): Promise<IteratorResult<T, unknown>> {
    return new Promise((resolve, reject) => {
      this.#asking.push({ resolve, reject });
      this.#settle();
    });
  }

  end(): void {
    this.#subscription.unsubscribe();
    this.#waiting.length = 0;
  }

  #settle(): void {
    while (this.#asking.length > 0) {
      if (this.#waiting.length > 0) this.#asking.shift()?.resolve({ done: false, value: this.#waiting.shift() as T });
      else if (this.#error !== undefined) this.#asking.shift()?.reject(this.#error.cause);
      else if (this.#done) this.#asking.shift()?.resolve({ done: true, value: undefined });
      else return;
    }
  }
}
