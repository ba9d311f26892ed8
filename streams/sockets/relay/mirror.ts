// What a relay shows of its trainer: the run, epochs, versions and weights of the replica that it holds.
import { GradwireError } from '../../../src/errors.ts';
import { encodeWeights } from '../../../src/frames/weights.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Follower } from '../client/follower.ts';
import type { ConnectionStatus } from '../client/standing.ts';
import type { Epochs } from '../protocol/resume.ts';
import type { Hello, Welcome } from '../protocol/words.ts';
import type { Served } from '../server/served.ts';
import type { WayUp } from '../server/way-up.ts';

/** How a relay stands, as `GET /models/<model>` shows it under `relay`. */
export interface RelayStatus {
  /** A random name of this relay. */
  readonly id: string;
  /** The address that it follows. */
  readonly upstream: string;
  readonly state: ConnectionStatus['state'];
  /** Why it is not live, where it is not. */
  readonly reason: string | null;
  /** Relays from the trainer to this one, itself included. */
  readonly depth: number;
  /** Versions behind what the upstream has told of. */
  readonly lag: number;
}

/** A replica as the server of a relay sees it. */
export class Mirror implements Served {
  readonly id: string = crypto.randomUUID().slice(0, 8);
  readonly upstream: string;
  /** Asked before a client is welcomed. */
  enter: (hello: Hello) => Promise<WayUp | undefined> = async () => undefined;
  readonly #follower: Follower<string>;
  #history: Pick<Welcome, 'epochs' | 'relays' | 'encoding'> = { encoding: 'f32' };
  // of a welcome whose weights have not come yet
  #next: Welcome | undefined;

  /** Follows the follower's welcomes from now on, so it must not be open yet. */
  constructor(upstream: string, follower: Follower<string>) {
    this.upstream = upstream;
    this.#follower = follower;
    follower.welcomes.values$.subscribe((welcome) => {
      this.#next = welcome;
      if (welcome.resumed) this.#turn();
    });
    follower.updates.values$.subscribe({ next: ({ kind }) => kind === 'weights' && this.#turn(), error: () => undefined });
  }

  get model(): string {
    return this.#follower.holding.replica.model;
  }

  get layout(): Layout {
    return this.#follower.holding.replica.layout;
  }

  get run(): string {
    return this.#follower.holding.held?.run ?? '';
  }

  get epoch(): number {
    return this.#follower.holding.held?.epoch ?? 0;
  }

  /** The trainer's, as it told them; a trainer that does not tell them has one epoch for all a relay knows. */
  get epochs(): Epochs {
    return this.#history.epochs ?? [[this.epoch, 0]];
  }

  /** The trainer's, for updates go out as they came. */
  encoding(): Welcome['encoding'] {
    return this.#history.encoding;
  }

  /** The relays between the trainer and this one, and this one. */
  get relays(): readonly string[] {
    return [...(this.#history.relays ?? []), this.id];
  }

  /** That of the last step; not a number before the first update. */
  get learningRate(): number {
    return this.#follower.holding.replica.lastUpdate?.learningRate ?? Number.NaN;
  }

  /** Whether the weights are known to be those of their version. They are not between a wrong digest and the weights that mend it. */
  get whole(): boolean {
    return this.#follower.holding.replica.position !== undefined;
  }

  /** Whether the upstream is there, and has told of no later version. */
  get caughtUp(): boolean {
    return this.#isThere && this.lag === 0;
  }

  /** Versions behind what the upstream has told of. */
  get lag(): number {
    return Math.max(0, this.#follower.standing.trainerVersion - this.version());
  }

  version(): number {
    return this.#follower.holding.held?.version ?? 0;
  }

  digest(): string {
    this.#demandWhole();
    return this.#follower.holding.replica.digest();
  }

  /** The trainer's own weights frame of this version, byte for byte, for it is made in the same way from the same values. */
  weights(): Uint8Array {
    this.#demandWhole();
    const { model, run, epoch } = this;
    return encodeWeights({ model, run, epoch, version: this.version() }, this.#follower.holding.replica.weights);
  }

  /** Who a producer is, only the trainer knows: see {@link enter}. */
  producer(): undefined {
    return undefined;
  }

  /** Why no batch goes up at the moment. */
  trouble(): GradwireError | undefined {
    const { reason = 'it has not answered yet' } = this.#follower.standing.now;
    if (this.#isThere) return undefined;
    const text = `the upstream ${this.upstream} is not there (${reason}); version ${this.version()} is served, batches are not taken; send the same again`;
    return new GradwireError('E_NOT_READY', text, { retryable: true, retryAfterMs: 1000 });
  }

  status(): { readonly relay: RelayStatus } {
    const { id, upstream, lag, relays } = this;
    const { state, reason = null } = this.#follower.standing.now;
    return { relay: { id, upstream, state, reason, depth: relays.length, lag } };
  }

  get #isThere(): boolean {
    const { state } = this.#follower.standing.now;
    return state === 'live' || state === 'behind';
  }

  #turn(): void {
    if (this.#next === undefined) return;
    const { epochs, relays, encoding } = this.#next;
    this.#history = { epochs, relays, encoding };
    this.#next = undefined;
  }

  #demandWhole(): void {
    if (this.whole) return;
    const text = 'these weights were found not to be the trainer’s; the right ones are being fetched';
    throw new GradwireError('E_NOT_READY', text, { retryable: true, retryAfterMs: 1000 });
  }
}
