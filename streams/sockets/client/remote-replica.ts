// What `connect` gives back: live weights that follow a trainer elsewhere, and a worker's way to push batches to it.
import type { Observable } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { ReplicaCounts } from '../../../src/replica.ts';
import type { Tensors } from '../../../src/tensors.ts';
import type { FollowerCounts } from './counts.ts';
import type { Follower } from './follower.ts';
import type { AppliedFrame, Stamp } from './holding.ts';
import type { Pushed } from './outbox.ts';
import type { WorkerBatch } from './pushes.ts';
import type { Pushing } from './pushing.ts';
import type { ConnectionStatus } from './standing.ts';

/** How long to wait for something. */
export interface WaitOptions {
  /** Milliseconds; `Infinity` for no limit. */
  readonly timeoutMs?: number;
}

// how long `reached` waits unless told
const reachedTimeoutMs = 60_000;

/**
 * Weights that follow a trainer, bit for bit. It connects by itself, again after every cut, and holds one whole version at any
 * time. Whoever called `connect` closes it.
 */
export class RemoteReplica<Name extends string = string> {
  readonly #follower: Follower<Name>;

  /** @internal Made by `connect`. */
  constructor(follower: Follower<Name>) {
    this.#follower = follower;
  }

  /**
   * **Live view** of the weights, always of one whole version: the next one overwrites it; `weights.copy(name)` stays. Until
   * {@link ready} it is empty, and `get` throws `E_NOT_READY`. Throws `E_DIGEST` while the weights are known not to be the trainer's.
   */
  get weights(): Tensors<Name> {
    const { replica, wrong } = this.#follower.holding;
    if (wrong !== undefined) throw wrong;
    return replica.weights;
  }

  /**
   * What `fn` gives for the weights and where they are from. All that it reads is of one version: it is called at once, and no
   * frame is applied before it returns. So it must not be async.
   *
   * @throws GradwireError `E_NOT_READY` before the first weights; `E_DIGEST` while they are known not to be the trainer's;
   *   `E_CONFIG` where `fn` gives a promise.
   */
  read<Result>(fn: (weights: Tensors<Name>, stamp: Stamp) => Result): Result {
    const stamp = this.stamp();
    const result = fn(this.weights, stamp);
    if (result instanceof Promise)
      throw new GradwireError('E_CONFIG', 'the function that reads must not be async: the weights change while it waits');
    return result;
  }

  /** Whether the weights can be read: the first are there, and they are not known to be other than the trainer's. */
  get readable(): boolean {
    const { held, wrong } = this.#follower.holding;
    return held !== undefined && wrong === undefined;
  }

  /** Where the weights are from, and how old they are: for a prediction made with them. Throws as {@link read}. */
  stamp(): Stamp {
    return this.#follower.holding.stamp();
  }

  get layout(): Layout<Name> {
    return this.#follower.holding.replica.layout;
  }

  /** The version of the weights; 0 until {@link ready}. */
  get version(): number {
    return this.#follower.holding.held?.version ?? 0;
  }

  /** The model's history; undefined until {@link ready}. */
  get run(): string | undefined {
    return this.#follower.holding.held?.run;
  }

  /** The fencing number of the trainer that is followed; 0 until {@link ready}. */
  get epoch(): number {
    return this.#follower.holding.held?.epoch ?? 0;
  }

  /** The model's name; empty until {@link ready}. */
  get model(): string {
    return this.#follower.holding.replica.model;
  }

  /** The newest version that the trainer told of; less {@link version} it is the lag. */
  get trainerVersion(): number {
    return this.#follower.standing.trainerVersion;
  }

  /** The xxHash64 of the weights, as 16 hexadecimal digits; computed when asked for. */
  digest(): string {
    return this.#follower.holding.replica.digest();
  }

  /**
   * Emits after each frame that was applied, weights frames included. Hot. Completes on {@link close}, and errs with a
   * `GradwireError` where the trainer refuses this client for good.
   */
  get updates$(): Observable<AppliedFrame> {
    return this.#follower.updates.values$;
  }

  /** Emits how the replica stands now, and every change. Completes after `closed`. */
  get status$(): Observable<ConnectionStatus> {
    return this.#follower.standing.status$;
  }

  /** Emits the version of the weights, where there are any, and then each new one. Ends as {@link updates$}. */
  get version$(): Observable<number> {
    return this.#follower.versions.values$;
  }

  /** Resolves when the first weights are there; rejects where that cannot be any more, or not within `readyTimeoutMs`. */
  get ready(): Promise<void> {
    return this.#follower.ready.promise;
  }

  /** Resolves after {@link close}; rejects where the trainer refuses this client for good. */
  get closed(): Promise<void> {
    return this.#follower.closed.promise;
  }

  /** Frames by what became of them, and connections. */
  get counts(): Readonly<ReplicaCounts & FollowerCounts> {
    const { holding, counts } = this.#follower;
    return { ...holding.replica.counts, ...counts, faults: { ...counts.faults } };
  }

  /** Resolves when the weights are at `version` or later. Rejects with `E_TIMEOUT` after 60 s unless told, or where the replica has ended. */
  async reached(version: number, { timeoutMs = reachedTimeoutMs }: WaitOptions = {}): Promise<void> {
    const { holding, error, waiters } = this.#follower;
    const { held, wrong } = holding;
    if (!Number.isSafeInteger(version) || version < 0) {
      throw new GradwireError('E_CONFIG', `a version is an integer from 0; got ${String(version)}`);
    }
    if (held !== undefined && wrong === undefined && held.version >= version) return;
    if (error !== undefined) throw error;
    await waiters.wait(version, timeoutMs);
  }

  /** Ends the connection and every timer; unanswered batches are rejected with `E_CLOSED`. The weights stay readable. */
  async close(): Promise<void> {
    await this.#follower.close();
  }
}

/** A replica that also pushes batches. */
export class RemoteWorker<Name extends string = string> extends RemoteReplica<Name> {
  readonly #pushes: Pushing<Name>;

  /** @internal Made by `connect`. */
  constructor(follower: Follower<Name>, pushes: Pushing<Name>) {
    super(follower);
    this.#pushes = pushes;
  }

  /** The name under which the batches are numbered. */
  get producer(): string {
    return this.#pushes.producer;
  }

  /**
   * The highest sequence number of this producer and epoch, pushed here or known to the trainer; undefined before the first
   * welcome, 0 where there is none.
   */
  get sequence(): number | undefined {
    return this.#pushes.sequence;
  }

  /** Batches that are unanswered. */
  get unanswered(): number {
    return this.#pushes.size;
  }

  /**
   * Pushes one batch; resolves when the trainer has it in its journal and has folded it, exactly once, as `version`.
   *
   * `base` is the version the gradients were computed on: the one held now, unless told. The gradients are copied, and sent
   * again after every cut until they are answered. `sequence` numbers the batch; it counts on unless told.
   *
   * @throws GradwireError `E_BUSY` where `maxQueue` batches are unanswered; `E_TIMEOUT` after `timeoutMs` (the option `pushTimeoutMs`
   *   unless told); `E_CLOSED`; the codes of a batch that does not fit, found here or by the trainer. Nothing was applied then, except
   *   after `E_TIMEOUT` and `E_CLOSED`, which leave that open.
   */
  push(batch: WorkerBatch<Name>, { timeoutMs }: WaitOptions = {}): Promise<Pushed> {
    return this.#pushes.push(batch, this.version, timeoutMs);
  }
}
