// Promises that wait for a version.
import { GradwireError } from '../../../src/errors.ts';

interface Waiter {
  readonly version: number;
  readonly settle: (error?: GradwireError) => void;
}

/** Those who wait for a replica to get somewhere. Each waits in memory of its own until it is settled. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** Resolves once {@link reach} is called with `version` or a later one; rejects with `E_TIMEOUT` after `timeoutMs`. */
  wait(version: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        version,
        settle: (error) => {
          clearTimeout(timer);
          this.#waiting.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#waiting.add(waiter);
      const late = (): void =>
        waiter.settle(new GradwireError('E_TIMEOUT', `version ${version} has not arrived within ${timeoutMs} ms`));
      const timer = Number.isFinite(timeoutMs) ? setTimeout(late, timeoutMs) : undefined;
    });
  }

  /** The replica is at `version`. */
  reach(version: number): void {
    if (this.#waiting.size === 0) return;
    for (const waiter of this.#waiting) if (waiter.version <= version) waiter.settle();
  }

  /** Nothing will arrive any more. */
  fail(error: GradwireError): void {
    for (const waiter of this.#waiting) waiter.settle(error);
  }
}
