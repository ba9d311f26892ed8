// relay: a replica that serves the frames it receives, untouched, to replicas of its own, and passes gradients up.
import { mergeMap, type Observable, type Subscription } from 'rxjs';
import type { GradwireError } from '../../../src/errors.ts';
import type { Arrival } from '../../operators/flow.ts';
import { socketAddress } from '../client/address.ts';
import { Follower } from '../client/follower.ts';
import type { AppliedFrame } from '../client/holding.ts';
import type { ConnectionStatus } from '../client/standing.ts';
import type { PeerInfo } from '../server/peer-info.ts';
import { serveHub } from '../server/serve-hub.ts';
import type { Server } from '../server/server.ts';
import { Downstream } from './downstream.ts';
import { enter } from './entrance.ts';
import { forward } from './forward.ts';
import { HeldAnswers } from './held-answers.ts';
import { Mirror, type RelayStatus } from './mirror.ts';
import { type RelayOptions, type RelaySettings, relayOptionsOf } from './relay-options.ts';

/**
 * Follows a trainer, or another relay, and serves what it receives; it listens when the promise resolves, which is when the
 * first weights are there. Whoever called it closes it.
 *
 * @throws GradwireError `E_CONFIG` for an address or options that do not do, `E_BUSY` where the port is taken, `E_CONNECTION`
 *   where no weights have come within `readyTimeoutMs`, and what makes the upstream refuse a replica for good.
 */
export async function relay(url: string, options: RelayOptions = {}): Promise<Relay> {
  const settings = relayOptionsOf(options);
  const { connect, listen } = settings;
  const address = socketAddress(url, connect.model);
  const follower = new Follower<string>(address, connect);
  const mirror = new Mirror(address, follower);
  follower.open();
  try {
    await follower.ready.promise;
    const answers = new HeldAnswers(() => mirror.version());
    mirror.enter = (hello) => enter(hello, { mirror, follower, answers, ...settings });
    const failing = new Failing();
    const downstream = new Downstream({ mirror, follower, answers, onFailed: failing.fail });
    const { server, hub } = await serveHub(mirror, listen);
    downstream.attach(hub);
    return new Relay({ mirror, follower, server, answers, settings, failing });
  } catch (error) {
    await follower.close();
    throw error;
  }
}

// batches by HTTP that go up at a time, each on a connection of the upstream; the intake counts those that wait
const mostForwarded = 16;

/** What ends a relay from inside; kept until somebody listens. */
class Failing {
  readonly failed: Promise<never>;
  fail: (error: GradwireError) => void = () => undefined;

  constructor() {
    this.failed = new Promise((_, reject) => {
      this.fail = reject;
    });
    this.failed.catch(() => undefined);
  }
}

interface RelayParts {
  readonly mirror: Mirror;
  readonly follower: Follower<string>;
  readonly server: Server;
  readonly answers: HeldAnswers;
  readonly settings: RelaySettings;
  readonly failing: Failing;
}

/** A running relay, made by `relay(…)`; whoever made it closes it. */
export class Relay {
  /** Resolves after {@link close}; rejects where the upstream refuses this relay for good, or has another model now. */
  readonly closed: Promise<void>;
  readonly #parts: RelayParts;
  readonly #batches: Subscription;
  #ending: Promise<void> | undefined;

  /** @internal */
  constructor(parts: RelayParts) {
    const { mirror, follower, server, answers, settings, failing } = parts;
    this.#parts = parts;
    const { token, tls } = settings.connect;
    const send = async ({ frame, answer }: Arrival): Promise<void> =>
      answers.pass(await forward(frame, { mirror, answerMs: settings.answerMs, token, tls }), answer);
    this.#batches = server.arrivals$.pipe(mergeMap(send, mostForwarded)).subscribe();
    const over = Promise.race([follower.closed.promise, failing.failed]);
    this.closed = over.then(
      () => this.#end(),
      (error: unknown) => this.#end().then(() => Promise.reject(error)),
    );
    this.closed.catch(() => undefined);
  }

  /** `http://host:port`, for replicas, workers and HTTP, as a trainer's. */
  get url(): string {
    return this.#parts.server.url;
  }

  get port(): number {
    return this.#parts.server.port;
  }

  /** The model's name. */
  get model(): string {
    return this.#parts.mirror.model;
  }

  get run(): string {
    return this.#parts.mirror.run;
  }

  /** The trainer's. */
  get epoch(): number {
    return this.#parts.mirror.epoch;
  }

  /** The version that is served. */
  get version(): number {
    return this.#parts.mirror.version();
  }

  /** The xxHash64 of the weights, as 16 hexadecimal digits. Throws `E_NOT_READY` while wrong weights are being replaced. */
  digest(): string {
    return this.#parts.mirror.digest();
  }

  /** Upstream, depth and lag. */
  get status(): RelayStatus {
    return this.#parts.mirror.status().relay;
  }

  /** How the connection to the upstream stands, and every change. */
  get status$(): Observable<ConnectionStatus> {
    return this.#parts.follower.standing.status$;
  }

  /** Emits after each frame that was applied and handed on. Hot. */
  get updates$(): Observable<AppliedFrame> {
    return this.#parts.follower.updates.values$;
  }

  /** Every connection that has said hello. */
  get replicas(): readonly PeerInfo[] {
    return this.#parts.server.replicas;
  }

  /** Takes nothing more, tells every client to come back later, and ends all connections. */
  close(): Promise<void> {
    void this.#end();
    return this.closed;
  }

  #end(): Promise<void> {
    return (this.#ending ??= this.#close());
  }

  async #close(): Promise<void> {
    const { server, follower, answers } = this.#parts;
    const closing = server.close();
    answers.releaseAll();
    await closing;
    this.#batches.unsubscribe();
    await follower.close();
  }
}
