// A trainer while it runs: what its owner sees of it, and how it ends.
import type { Observable, Subject } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import type { Batch, GradientRecord } from '../../src/gradients/batch.ts';
import type { Layout } from '../../src/layout.ts';
import type { Tensors } from '../../src/tensors.ts';
import type { Admitted, Publication } from '../operators/flow.ts';
import type { RecoveryReport } from '../recordings/index.ts';
import type { Guarding } from './guarding.ts';
import type { Held } from './held.ts';
import type { Pushed, Pusher } from './pusher.ts';
import type { RolledBack } from './rollbacks.ts';
import type { TrainerServer } from './server.ts';
import type { TrainerStatus } from './status.ts';

/** What a trainer is put together from. */
export interface TrainerParts<Name extends string> {
  readonly held: Held<Name>;
  readonly server: TrainerServer;
  readonly pusher: Pusher<Name>;
  readonly guarding: Guarding<Name>;
  readonly updates$: Observable<Publication<Admitted<Name>>>;
  readonly closing$: Subject<void>;
}

/** A running trainer, made by `trainer(…)`; whoever made it closes it. */
export class Trainer<Name extends string = string> {
  /** Each published version, as it goes out; hot. Errs where the trainer fails, completes when it is closed. */
  readonly updates$: Observable<Publication<Admitted<Name>>>;
  /** Resolves when the trainer has been closed, rejects with what made it fail. */
  readonly closed: Promise<void>;
  readonly #parts: TrainerParts<Name>;

  /** @internal */
  constructor(parts: TrainerParts<Name>) {
    this.#parts = parts;
    this.updates$ = parts.updates$;
    const flow = new Promise<void>((complete, error) => parts.updates$.subscribe({ complete, error }));
    this.closed = flow.then(
      () => this.#end(),
      (error: unknown) => this.#fail(error),
    );
    // whoever does not look at `closed` still learns of a failure from updates$ and from the next push
    this.closed.catch(() => undefined);
  }

  /** `http://host:port`, which `connect`, curl and browsers take. Throws `E_NOT_READY` without `listen`. */
  get url(): string {
    const { url } = this.#parts.server;
    if (url === undefined) throw new GradwireError('E_NOT_READY', 'this trainer has no server; give it `listen`');
    return url;
  }

  /** The model's name. */
  get name(): string {
    return this.#parts.held.model;
  }

  get layout(): Layout<Name> {
    return this.#parts.held.layout;
  }

  get run(): string {
    return this.#parts.held.run;
  }

  get epoch(): number {
    return this.#parts.held.epoch;
  }

  /** What recovery passed over: unfinished last writes that nobody was told of, and snapshots that were damaged. */
  get recovered(): RecoveryReport {
    return this.#parts.held.history.recovered;
  }

  /** The published version. */
  get version(): number {
    return this.#parts.held.version();
  }

  /** The published weights: a **live view** that the next version overwrites. */
  get weights(): Tensors<Name> {
    return this.#parts.held.published.weights;
  }

  /** The segment that is being written; undefined without a directory. */
  get recording(): string | undefined {
    return this.#parts.held.history.recording;
  }

  /** Bytes of all segments of the recording. */
  get recordedBytes(): number {
    return this.#parts.held.history.bytes;
  }

  /** The newest snapshot's path, if there is one. */
  get snapshot(): string | undefined {
    return this.#parts.held.history.snapshots?.newest();
  }

  /** The xxHash64 of the published weights, as 16 hexadecimal digits. */
  digest(): string {
    return this.#parts.held.digest();
  }

  /** What the trainer is and where it stands; `GET /models/<name>` adds the connections. */
  status(): TrainerStatus & { readonly digest: string } {
    return { ...this.#parts.held.status(), digest: this.digest() };
  }

  /**
   * Folds a batch from this process: a {@link Batch} or bare gradients. Resolves once it is durable and folded; rejects with
   * the code of a refusal, with `E_BUSY` where 64 MiB wait already, with `E_CLOSED` after `close`.
   */
  push(batch: Batch<Name> | GradientRecord<Name>): Promise<Pushed> {
    return this.#parts.pusher.push(batch);
  }

  /** Tells the guard how good the weights of a version are, of the published one unless told: the higher the better. Throws `E_CONFIG`. */
  score(value: number, version: number = this.version): void {
    this.#parts.guarding.gate.score(value, version);
  }

  /**
   * Publishes nothing from now on: replicas stay where they are, while batches are folded and acknowledged as ever. Until
   * {@link release} or a {@link rollback}; not beyond the end of the trainer. Throws `E_CONFIG` for what is no reason.
   */
  hold(reason?: string): void {
    this.#parts.guarding.hold(reason);
  }

  /** Publishes all that was held back as one update, and goes on publishing; resolves with the published version. */
  release(): Promise<number> {
    return this.#parts.guarding.release();
  }

  /**
   * Makes the whole state of an earlier version the newest: a new version, durable and published when this resolves; every hold
   * ends with it. What was folded since is undone, and stays acknowledged; nothing is published until it is done.
   *
   * @throws GradwireError `E_CONFIG` without a directory and for a version that is not there, `E_RECORDING` for one that the
   *   recording leads to no more, `E_BUSY` while another is under way, `E_CLOSED`, `E_DISK`, and the codes of `restore`.
   */
  rollback(version: number): Promise<RolledBack> {
    return this.#parts.guarding.rollback(version);
  }

  /** Takes no more batches, finishes those on their way, publishes what is missing, writes a last snapshot and closes recording and server. */
  close(): Promise<void> {
    this.#parts.closing$.next();
    return this.closed;
  }

  async #end(): Promise<void> {
    const { held, server, pusher, guarding } = this.#parts;
    const { history } = held;
    const closed = new GradwireError('E_CLOSED', 'the trainer was closed; what was not answered may not have been applied');
    pusher.end(closed);
    guarding.rollbacks.end(closed);
    try {
      await history.snapshots?.write(held.snapshotFrame(), held.folded());
    } finally {
      await Promise.all([history.close(), server.close()]);
    }
  }

  async #fail(cause: unknown): Promise<never> {
    const { held, server, pusher, guarding } = this.#parts;
    const failed = new GradwireError('E_CLOSED', `the trainer failed: ${String(cause)}`, { cause });
    pusher.end(failed);
    guarding.rollbacks.end(failed);
    await Promise.allSettled([held.history.close(), server.close()]);
    throw cause;
  }
}
