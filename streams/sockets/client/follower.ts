// The client's side of the protocol: joins, applies what comes, and after every cut resumes or starts over.
import { GradwireError } from '../../../src/errors.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import { readServerMessage } from '../protocol/from-server.ts';
import { writeHello } from '../protocol/hello.ts';
import type { Heartbeat, Welcome } from '../protocol/words.ts';
import type { ConnectOptions } from './connect-options.ts';
import { type FollowerCounts, noCounts } from './counts.ts';
import { Deferred } from './deferred.ts';
import { Emitter } from './emitter.ts';
import { Fault, kindOf } from './faults.ts';
import { type AppliedFrame, Holding } from './holding.ts';
import { Link, type LinkListener, messageTooBig } from './link.ts';
import type { Pushing } from './pushing.ts';
import { mostEmptyHeartbeats, Standing } from './standing.ts';
import { Waiters } from './waiters.ts';

/** All that is behind a remote replica. */
export class Follower<Name extends string> implements LinkListener {
  readonly holding: Holding<Name> = new Holding<Name>();
  readonly updates: Emitter<AppliedFrame> = new Emitter();
  /** Each welcome, once what is held is what it says. */
  readonly welcomes: Emitter<Welcome> = new Emitter();
  readonly versions: Emitter<number> = new Emitter(() => this.holding.held?.version);
  readonly standing: Standing;
  readonly waiters: Waiters = new Waiters();
  readonly ready: Deferred = new Deferred();
  readonly closed: Deferred = new Deferred();
  readonly counts: FollowerCounts = noCounts();
  readonly #options: ConnectOptions;
  readonly #link: Link;
  readonly #pushes: Pushing<Name> | undefined;
  readonly #readyTimer: ReturnType<typeof setTimeout> | undefined;
  #troublesInRow = 0;
  #emptyHeartbeats = 0;
  #error: GradwireError | undefined;

  constructor(
    url: string,
    options: ConnectOptions,
    makePushes?: (send: (frame: Uint8Array<ArrayBuffer>) => void) => Pushing<Name>,
  ) {
    this.#options = options;
    this.standing = new Standing(options.behindBy);
    this.#link = new Link(url, options, this);
    this.#pushes = makePushes?.((frame) => this.#link.send(frame));
    const { readyTimeoutMs } = options;
    const late = new GradwireError('E_CONNECTION', `no weights from ${url} within ${readyTimeoutMs} ms; is the trainer up?`);
    if (Number.isFinite(readyTimeoutMs)) this.#readyTimer = setTimeout(() => this.ready.reject(late), readyTimeoutMs);
  }

  /** Why it has ended, where it has. */
  get error(): GradwireError | undefined {
    return this.#error;
  }

  /** Makes the first connection. */
  open(): void {
    this.#link.open();
  }

  hello(): string {
    const { role, token, mode, tensors } = this.#options;
    const identity = { producer: this.#pushes?.producer, producerEpoch: this.#pushes?.producerEpoch };
    return writeHello({ role, token, mode, ...identity, resume: this.holding.place(), tensors });
  }

  text(text: string): void {
    this.#guard(() => {
      const message = readServerMessage(text);
      if (message?.type === 'welcome') this.#join(message);
      else if (message?.type === 'heartbeat') this.#compare(message);
      else if (message !== undefined) this.#pushes?.settle(message);
      if (message?.type === 'ack' || message?.type === 'nack') this.standing.told(message.version);
    });
  }

  frame(frame: Uint8Array): void {
    const applied = this.#guard(() => this.holding.accept(frame));
    if (applied !== undefined) this.#applied(applied);
  }

  down(code: number, reason: string): void {
    this.#pushes?.shut(code === messageTooBig);
    const state = code === closeCodes.resync || code === closeCodes.fenced ? 'resyncing' : 'connecting';
    this.standing.set(state, reason === '' ? `the connection was lost (${code})` : reason);
  }

  refused(error: GradwireError): void {
    this.#finish(error, error.message);
    this.updates.error(error);
    this.versions.error(error);
    this.closed.reject(error);
  }

  /** Ends everything; resolves when the connection is closed. */
  async close(): Promise<void> {
    if (this.#error !== undefined) return;
    const ended = this.#link.close();
    this.#finish(new GradwireError('E_CLOSED', 'this replica was closed'));
    this.updates.complete();
    this.versions.complete();
    await ended;
    this.closed.resolve();
  }

  #join(welcome: Welcome): void {
    const { epoch, version, resumed, reason, layout } = welcome;
    const count = Object.keys(layout).length;
    if (this.holding.outranks(welcome)) {
      this.counts.faults.epoch += 1;
      this.#link.comeBack(closeCodes.fenced, `the trainer of epoch ${epoch} has been replaced by a newer one`);
      return;
    }
    if (count !== (this.#options.tensors?.length ?? count)) {
      this.#link.refuse(new GradwireError('E_PROTOCOL', 'this trainer does not know of subsets; leave out `tensors`'));
      return;
    }
    this.#link.welcomed();
    this.counts.connections += 1;
    if (resumed) this.counts.resumed += 1;
    else if (reason !== null) this.#reset(reason);
    this.standing.welcomed(version);
    this.#emptyHeartbeats = 0;
    if (resumed) this.holding.resume(welcome);
    else this.holding.replace(welcome);
    this.welcomes.next(welcome);
    this.#pushes?.open(welcome);
    if (resumed) this.standing.follow(this.holding.replica.version);
  }

  // weights of another history, or of a version that is lost, were right when they came; those of a fork never were
  #reset(reason: string): void {
    this.counts.reset += 1;
    const text = `the trainer sends all weights: ${reason}`;
    if (reason === 'diverged') {
      this.counts.faults.fork += 1;
      this.holding.disown(new GradwireError('E_DIGEST', `these weights are not the trainer's; ${text}`));
    }
    this.standing.set('resyncing', text);
  }

  #applied(applied: AppliedFrame): void {
    const { kind, version } = applied;
    this.#troublesInRow = 0;
    this.#emptyHeartbeats = 0;
    this.standing.told(version);
    // a server that only ever gets as far as its weights is come back to more and more slowly
    if (kind === 'update') this.#link.works();
    else {
      clearTimeout(this.#readyTimer);
      this.#pushes?.ready(this.holding.replica.layout);
      this.ready.resolve();
    }
    this.standing.follow(version);
    this.updates.next(applied);
    this.versions.next(version);
    this.waiters.reach(version);
  }

  #compare({ version, digest }: Heartbeat): void {
    this.standing.told(version, { due: true });
    this.holding.compare(version, digest);
    const held = this.holding.replica.version;
    this.#emptyHeartbeats = version > held ? this.#emptyHeartbeats + 1 : 0;
    if (this.#emptyHeartbeats >= mostEmptyHeartbeats)
      throw new Fault('gap', 'E_FRAME', `the trainer is at version ${version}, and nothing follows on ${held}`);
    this.#link.works();
    if (this.holding.replica.position !== undefined) this.standing.follow(held);
  }

  #guard<Result>(take: () => Result): Result | undefined {
    try {
      return take();
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      return this.#trouble(error);
    }
  }

  // the first time it asks for what is missing, after that for everything
  #trouble(error: GradwireError): undefined {
    const kind = kindOf(error);
    this.counts.troubles += 1;
    this.counts.faults[kind] += 1;
    this.#troublesInRow += 1;
    if (kind === 'fork') this.holding.disown(error);
    else if (this.#troublesInRow > 1) this.holding.forget();
    this.#link.comeBack(closeCodes.resync, error.message);
  }

  #finish(error: GradwireError, reason?: string): void {
    this.#error = error;
    clearTimeout(this.#readyTimer);
    this.ready.reject(error);
    this.waiters.fail(error);
    this.#pushes?.fail(error);
    this.standing.set('closed', reason);
  }
}
