// Rollbacks: the state of an earlier version, fetched beside the flow of batches and sent into it as a new version.
import { asyncScheduler, Subject } from 'rxjs';
import { digestInSlices } from '../../src/digest.ts';
import { type ErrorCode, GradwireError, quote } from '../../src/errors.ts';
import { encodeRollbackInSlices, rollbackProducer } from '../../src/frames/rollback.ts';
import type { Snapshot } from '../../src/frames/snapshot.ts';
import { Rollback } from '../../src/rmsprop/state/rollback.ts';
import type { Work } from '../../src/work.ts';
import type { Answer, Arrival } from '../operators/flow.ts';
import type { Gate } from '../operators/gate.ts';
import { inSlices } from '../operators/in-slices.ts';
import { restore } from '../recordings/index.ts';
import type { Held } from './held.ts';

/** What a rollback came to. */
export interface RolledBack {
  /** The new version, durable and published. */
  readonly version: number;
  /** The version whose state it has. */
  readonly to: number;
}

/** Where the earlier versions are. */
export interface RollbacksOptions {
  /** The recording; without it there are none. */
  readonly directory: string | undefined;
  /** Whether the trainer follows a training, which cannot be taken back. */
  readonly isFollowing: boolean;
}

/** A trainer's rollbacks, one at a time. */
export class Rollbacks<Name extends string = string> {
  readonly arrivals$: Subject<Arrival> = new Subject<Arrival>();
  readonly #held: Held<Name>;
  readonly #gate: Gate<Name>;
  readonly #directory: string | undefined;
  readonly #isFollowing: boolean;
  #sequence = 0;
  #ended: GradwireError | undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(held: Held<Name>, gate: Gate<Name>, { directory, isFollowing }: RollbacksOptions) {
    this.#held = held;
    this.#gate = gate;
    this.#directory = directory;
    this.#isFollowing = isFollowing;
  }

  /**
   * Goes back to a version; batches are folded and acknowledged meanwhile, and undone with the others.
   *
   * @throws GradwireError `E_CONFIG`, `E_BUSY`, `E_RECORDING` for a version that the recording does not lead to (any more),
   *   `E_CLOSED`, `E_DISK`, and the codes of `restore`.
   */
  async rollBack(to: number): Promise<RolledBack> {
    if (this.#ended !== undefined) throw this.#ended;
    const directory = this.#demand(to);
    this.#gate.begin(to);
    try {
      return await this.#finish(directory, to);
    } catch (error) {
      this.#gate.fail({ by: 'owner', reason: String(error) });
      throw error;
    }
  }

  /** A rollback that the guard asked for, and that its gate has begun. */
  async follow(to: number): Promise<RolledBack> {
    try {
      return await this.#finish(this.#demand(to), to);
    } catch (error) {
      this.#gate.fail({ by: 'guard', reason: `no rollback to version ${to}: ${String(error)}` });
      throw error;
    }
  }

  /** Rejects what is under way, and every later one. */
  end(error: GradwireError): void {
    this.#ended ??= error;
    this.#reject(this.#ended);
  }

  #demand(to: number): string {
    if (!Number.isSafeInteger(to) || to < 0)
      throw new GradwireError('E_CONFIG', `a rollback is to a version, an integer from 0; got ${quote(String(to))}`);
    const newest = this.#held.folded();
    if (to > newest) throw new GradwireError('E_CONFIG', `there is no version ${to} to go back to; the newest is ${newest}`);
    if (this.#isFollowing)
      throw new GradwireError(
        'E_CONFIG',
        'this trainer follows a training, which would go on from its own state; nothing was rolled back',
      );
    if (this.#directory !== undefined) return this.#directory;
    throw new GradwireError('E_CONFIG', 'a trainer without a directory keeps no earlier version; nothing was rolled back');
  }

  async #finish(directory: string, to: number): Promise<RolledBack> {
    const { state, optimizer } = await restoreLive(directory, to);
    const { model, epoch, layout } = this.#held;
    const identity = { model, producerEpoch: epoch, sequence: ++this.#sequence };
    const frame = await done(encodeRollbackInSlices(identity, { state, optimizer }));
    const payload = await done(digestInSlices([frame]));
    const checked = new Rollback<Name>(layout, { state, optimizer });
    const header = { ...identity, producer: rollbackProducer, base: to, examples: undefined, loss: undefined, time: undefined };
    return { version: await this.#hand({ frame, known: { header, checked, payload } }), to };
  }

  #hand(arrival: Omit<Arrival, 'answer'>): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      this.#reject = reject;
      const answer = (given: Answer): void => {
        if (given.type === 'ack') resolve(given.version);
        else reject(new GradwireError(given.code as ErrorCode, given.text, given));
      };
      this.arrivals$.next({ ...arrival, answer });
    });
  }
}

// the trainer itself removes old snapshots and segments while they are read
const mostTries = 3;

/** The state at a version of a directory that is being written. Throws the codes of `restore`. */
async function restoreLive(directory: string, version: number): Promise<Snapshot> {
  for (let i = 1; ; i++) {
    try {
      return await restore(directory, { version });
    } catch (error) {
      const gone = (error as { cause?: { code?: unknown } }).cause?.code === 'ENOENT';
      if (!gone || i === mostTries) throw error;
    }
  }
}

/** Does work in slices between which the event loop goes on. */
function done<T>(work: Work<T>): Promise<T> {
  return new Promise((next, error) => inSlices(work, asyncScheduler, { next, error }));
}
