// What `connect` gives back: live weights that follow a trainer elsewhere, and a worker's way to push batches to it.
import type { Observable } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { ReplicaCounts } from '../../../src/replica.ts';
import type { Tensors } from '../../../src/tensors.ts';
import type { ConnectionStatus, Follower, FollowerCounts } from './follower.ts';
import type { AppliedFrame } from './holding.ts';
import type { Pushed } from './outbox.ts';
import type { Pushes, WorkerBatch } from './pushes.ts';

/** How long to wait for something. */
export interface WaitOptions {
  readonly timeoutMs?: number;
}

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

  /** **Live view** of the weights: the next version overwrites it; `weights.copy(name)` stays. Empty until {@link ready}. */
  get weights(): Tensors<Name> {
    return this.#follower.holding.replica.weights;
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
    return this.#follower.trainerVersion;
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
    return this.#follower.updates.asObservable();
  }

  /** Emits how the connection stands now, and every change. Completes after `closed`. */
  get status$(): Observable<ConnectionStatus> {
    return this.#follower.status.asObservable();
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
    return { ...this.#follower.holding.replica.counts, ...this.#follower.counts };
  }

  /** Resolves when the weights are at `version` or later. Rejects with `E_TIMEOUT`, or where the replica has ended. */
  async reached(version: number, { timeoutMs }: WaitOptions = {}): Promise<void> {
    const { holding, error, waiters } = this.#follower;
    const { held } = holding;
    if (!Number.isSafeInteger(version) || version < 0) {
      throw new GradwireError('E_CONFIG', `a version is an integer from 0; got ${String(version)}`);
    }
    if (held !== undefined && held.version >= version) return;
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
  readonly #pushes: Pushes<Name>;

  /** @internal Made by `connect`. */
  constructor(follower: Follower<Name>, pushes: Pushes<Name>) {
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
   * @throws GradwireError `E_BUSY` where `maxQueue` batches are unanswered; `E_CLOSED`; the codes of a batch that does not fit,
   *   found here or by the trainer. Nothing was applied then, except after `E_CLOSED`, which leaves that open.
   */
  push(batch: WorkerBatch<Name>): Promise<Pushed> {
    return this.#pushes.push(batch, this.version);
  }
}
