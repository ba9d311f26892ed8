// What fails beside the pipe: most of it is told and passes, some of it must end the trainer.
import { Subject } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';

/** Errors from outside the flow of batches, as from a snapshot being written. */
export class Failing {
  /** Errs with what must end the trainer; never emits. */
  readonly failed$: Subject<never> = new Subject<never>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void = () => undefined) {
    this.#onError = onError;
  }

  /** Sorts an error. A disk that failed fails under the journal too, and a trainer that was replaced has nothing more to do. */
  readonly note = (error: unknown): void => {
    const ends = error instanceof GradwireError && (error.code === 'E_DISK_FAILED' || error.code === 'E_FENCED');
    if (ends) this.failed$.error(error);
    else this.#onError(error);
  };
}
