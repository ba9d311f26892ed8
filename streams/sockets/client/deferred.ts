// A promise that is settled from outside, and that nobody has to listen to.

/** Its rejection ends no process where nobody waits for it. */
export class Deferred {
  readonly promise: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise.catch(() => undefined);
  }

  /** Only the first of these counts. */
  resolve(): void {
    this.#resolve();
  }

  /** Only the first of these counts. */
  reject(error: Error): void {
    this.#reject(error);
  }
}
