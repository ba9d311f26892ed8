// The client's side of the protocol: joins, applies what comes, and after every cut resumes or starts over.
import { BehaviorSubject, Subject } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import { readServerMessage, type ServerMessage } from '../protocol/from-server.ts';
import { writeHello } from '../protocol/hello.ts';
import type { Heartbeat, Welcome } from '../protocol/words.ts';
import type { ConnectOptions } from './connect-options.ts';
import { Deferred } from './deferred.ts';
import { type AppliedFrame, Holding } from './holding.ts';
import { Link, type LinkListener, messageTooBig } from './link.ts';
import type { Pushes } from './pushes.ts';
import { Waiters } from './waiters.ts';

/** How the connection stands. `reason` is there where it was lost, or is not made again. */
export interface ConnectionStatus {
  readonly state: 'connecting' | 'live' | 'closed';
  readonly reason?: string;
}

/** What has happened to the connection so far. */
export interface FollowerCounts {
  /** Welcomes. */
  connections: number;
  /** Connections that went on from this replica's version. */
  resumed: number;
  /** Connections that wanted to, and were told to start over. */
  reset: number;
  /** Frames and messages that did not fit, after each of which the replica came back by itself. */
  troubles: number;
}

/** Everything behind a remote replica. */
export class Follower<Name extends string> implements LinkListener {
  readonly holding: Holding<Name> = new Holding<Name>();
  readonly updates: Subject<AppliedFrame> = new Subject();
  /** Each welcome, once what is held is what it says. */
  readonly welcomes: Subject<Welcome> = new Subject();
  readonly status: BehaviorSubject<ConnectionStatus> = new BehaviorSubject<ConnectionStatus>({ state: 'connecting' });
  readonly waiters: Waiters = new Waiters();
  readonly ready: Deferred = new Deferred();
  readonly closed: Deferred = new Deferred();
  readonly counts: FollowerCounts = { connections: 0, resumed: 0, reset: 0, troubles: 0 };
  readonly #options: ConnectOptions;
  readonly #link: Link;
  readonly #pushes: Pushes<Name> | undefined;
  readonly #readyTimer: ReturnType<typeof setTimeout> | undefined;
  #trainerVersion = 0;
  #troublesInRow = 0;
  #error: GradwireError | undefined;

  constructor(
    url: string,
    options: ConnectOptions,
    makePushes?: (send: (frame: Uint8Array<ArrayBuffer>) => void) => Pushes<Name>,
  ) {
    this.#options = options;
    this.#link = new Link(url, options, this);
    this.#pushes = makePushes?.((frame) => this.#link.send(frame));
    const { readyTimeoutMs } = options;
    if (readyTimeoutMs === undefined) return;
    const late = new GradwireError('E_CONNECTION', `no weights from ${url} within ${readyTimeoutMs} ms; is the trainer up?`);
    this.#readyTimer = setTimeout(() => this.ready.reject(late), readyTimeoutMs);
  }

  /** The newest version that the trainer told of. */
  get trainerVersion(): number {
    return this.#trainerVersion;
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
    const { role, token, mode } = this.#options;
    const identity = { producer: this.#pushes?.producer, producerEpoch: this.#pushes?.producerEpoch };
    return writeHello({ role, token, mode, ...identity, resume: this.holding.place() });
  }

  text(text: string): void {
    let message: ServerMessage;
    try {
      message = readServerMessage(text);
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      this.#trouble(error);
      return;
    }
    if (message?.type === 'welcome') this.#join(message);
    else if (message?.type === 'heartbeat') this.#compare(message);
    else if (message !== undefined) {
      this.#told(message.version);
      this.#pushes?.settle(message);
    }
  }

  frame(frame: Uint8Array): void {
    let applied: AppliedFrame | undefined;
    try {
      applied = this.holding.accept(frame);
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      this.#trouble(error);
    }
    if (applied !== undefined) this.#applied(applied);
  }

  down(code: number, reason: string): void {
    this.#pushes?.shut(code === messageTooBig);
    this.status.next({ state: 'connecting', reason: reason === '' ? `the connection was lost (${code})` : reason });
  }

  refused(error: GradwireError): void {
    this.#finish(error);
    this.status.next({ state: 'closed', reason: error.message });
    this.status.complete();
    this.updates.error(error);
    this.closed.reject(error);
  }

  /** Ends everything; resolves when the connection is closed. */
  async close(): Promise<void> {
    if (this.#error !== undefined) return;
    this.#finish(new GradwireError('E_CLOSED', 'this replica was closed'));
    const ended = this.#link.close();
    this.status.next({ state: 'closed' });
    this.status.complete();
    this.updates.complete();
    await ended;
    this.closed.resolve();
  }

  #join(welcome: Welcome): void {
    const { epoch, version, resumed, reason } = welcome;
    if (this.holding.outranks(welcome)) {
      this.#link.comeBack(closeCodes.fenced, `the trainer of epoch ${epoch} has been replaced by a newer one`);
      return;
    }
    this.#link.welcomed();
    this.counts.connections += 1;
    if (resumed) this.counts.resumed += 1;
    else if (reason !== null) this.counts.reset += 1;
    this.#trainerVersion = version;
    if (resumed) this.holding.resume(welcome);
    else this.holding.replace(welcome);
    this.welcomes.next(welcome);
    this.#pushes?.open(welcome);
    if (resumed) this.status.next({ state: 'live' });
  }

  #applied(applied: AppliedFrame): void {
    this.#troublesInRow = 0;
    this.#told(applied.version);
    // a server that only ever gets as far as its weights is come back to more and more slowly
    if (applied.kind === 'update') this.#link.works();
    else {
      clearTimeout(this.#readyTimer);
      this.#pushes?.ready(this.holding.replica.layout);
      if (this.status.value.state !== 'live') this.status.next({ state: 'live' });
      this.ready.resolve();
    }
    this.updates.next(applied);
    this.waiters.reach(applied.version);
  }

  #compare({ version, digest }: Heartbeat): void {
    this.#told(version);
    if (this.holding.contradicts(version, digest)) {
      this.holding.forget();
      this.#trouble(new GradwireError('E_DIGEST', `at version ${version} these weights are not the trainer's`));
    } else this.#link.works();
  }

  #told(version: number): void {
    if (version > this.#trainerVersion) this.#trainerVersion = version;
  }

  // the first time it asks for what is missing, after that for everything
  #trouble(error: GradwireError): void {
    this.counts.troubles += 1;
    this.#troublesInRow += 1;
    if (this.#troublesInRow > 1) this.holding.forget();
    this.#link.comeBack(closeCodes.resync, error.message);
  }

  #finish(error: GradwireError): void {
    this.#error = error;
    clearTimeout(this.#readyTimer);
    this.ready.reject(error);
    this.waiters.fail(error);
    this.#pushes?.fail(error);
  }
}
