// All connections of a server, and what they share: one backlog, one cache, one intake, one clock.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Layout } from '../../../src/layout.ts';
import type { Folded, Publication } from '../../operators/flow.ts';
import { closeCodes, closeReason } from '../protocol/close-codes.ts';
import { Access, type HubAccess } from './access/access.ts';
import { Connections } from './access/connections.ts';
import { Standing } from './access/standing.ts';
import { Backlog } from './backlog.ts';
import type { WeightsAt } from './feed.ts';
import { Gate } from './gate.ts';
import { greet } from './greet.ts';
import { type Guest, type PeerHost, refuseGuest } from './guest.ts';
import { Bodies } from './http-gradients.ts';
import { Intake } from './intake.ts';
import { EpochsGiven } from './join.ts';
import { Metrics } from './metrics.ts';
import { Peer } from './peer.ts';
import type { PeerInfo } from './peer-info.ts';
import { Records } from './records.ts';
import type { ServeLimits } from './serve-options.ts';
import { type Served, ServedCache } from './served.ts';
import { Subsets } from './subsets.ts';
import { Tally } from './tally.ts';
import { Turn } from './turn.ts';
import { entered, TurnedAway } from './way-up.ts';

type Queued = Pick<Publication, 'from' | 'version' | 'frame' | 'weights'>;

/** The connections of one server. */
export class Hub implements PeerHost {
  readonly served: Served;
  readonly limits: ServeLimits;
  readonly backlog: Backlog;
  readonly records: Records;
  readonly subsets: Subsets;
  readonly cache: ServedCache;
  readonly epochsGiven: EpochsGiven = new EpochsGiven();
  readonly intake: Intake;
  readonly bodies: Bodies;
  readonly gate: Gate;
  readonly access: Access;
  readonly connections: Connections;
  readonly tally: Tally = new Tally();
  readonly metrics: Metrics = new Metrics(this);
  readonly #sockets = new Set<WebSocket>();
  readonly #peers = new Set<Peer>();
  readonly #sweeping: NodeJS.Timeout;
  readonly #turn: Turn;
  #tokensMs = 0;

  constructor(served: Served, limits: ServeLimits, access: HubAccess) {
    this.served = served;
    this.limits = limits;
    this.gate = new Gate(access);
    this.access = new Access(access.tokens);
    this.connections = new Connections(limits);
    this.backlog = new Backlog(served.version(), { frames: limits.backlogFrames, bytes: limits.backlogBytes });
    this.records = new Records(served, limits, () => this.nowMs());
    this.cache = new ServedCache(served);
    // who was here in an earlier epoch resumes where this digest proves its weights
    this.cache.digest();
    this.subsets = new Subsets(served.layout, this.cache, limits, () => this.nowMs());
    const { acceptBytes, acceptBatches } = limits;
    const onFull = (full: boolean): void => {
      for (const peer of this.#peers) peer.hold(full);
    };
    this.intake = new Intake({ acceptBytes, acceptBatches, version: () => served.version(), onFull });
    this.bodies = new Bodies(limits.acceptBytes);
    this.#turn = new Turn(limits, () => this.pump());
    const finest = Math.min(limits.heartbeatMs, limits.pingMs, limits.pongMs, limits.resetMs, limits.tokensMs) / 4;
    this.#sweeping = setInterval(() => this.#sweep(), Math.min(Math.max(finest, 5), 1000));
  }

  /** Every connection that has said hello. */
  get peers(): PeerInfo[] {
    return Array.from(this.#peers, (peer) => peer.info);
  }

  /** Whether one more connection would be too many. */
  get full(): boolean {
    return this.#sockets.size >= this.limits.connections;
  }

  nowMs(): number {
    return performance.now();
  }

  get layout(): Layout {
    return this.served.layout;
  }

  weights(): WeightsAt {
    return this.cache.weights();
  }

  digest(): string {
    return this.cache.digest();
  }

  digestAt(version: number): string | undefined {
    return this.cache.digestAt(version);
  }

  /** Takes over a WebSocket that has just been opened; `raw` is the connection below. */
  accept(socket: WebSocket, raw: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // without a listener a bad frame would end the process; the socket closes itself
    socket.on('error', () => undefined);
    greet(socket, raw, this.limits.helloMs, (hello) => {
      const { token, ...rest } = hello;
      const guest = { hello: rest, standing: new Standing(this.access, hello.role, token) };
      const refused = refuseGuest(guest, this);
      if (refused !== undefined) return refused;
      if (this.served.enter === undefined) this.#admit(socket, raw, guest);
      else void this.#enter(socket, raw, guest);
      return undefined;
    });
  }

  /** Queues an update, as it is, for everybody. What is queued in one turn of the event loop leaves in one write for each socket. */
  pass(queued: Queued): void {
    const { from, version, frame } = queued;
    if (from === version) this.cache.revise();
    this.backlog.push({ from, version, frame: Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength) });
    this.tally.published(frame.byteLength);
    this.#turn.queue(Math.max(frame.byteLength, this.subsets.push(queued)));
  }

  /** Queues a folded batch for recorders, published or not. */
  record(folded: Folded): void {
    const bytes = this.records.push(folded);
    if (bytes > 0) this.#turn.queue(bytes);
  }

  /** Sends what there is, tells everybody that the trainer shuts down, and waits for them to go, at most `closeMs`. */
  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    this.pump();
    const gone = Promise.all(Array.from(this.#sockets, (socket) => new Promise((resolve) => socket.once('close', resolve))));
    for (const socket of this.#sockets) socket.close(closeCodes.shutdown, 'E_CLOSED: the trainer shuts down');
    const cutting = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate();
    }, this.limits.closeMs);
    await gone;
    clearTimeout(cutting);
  }

  /** Closes every connection that was welcomed, or those that follow some tensors only: each comes back, and resumes or starts over. */
  resync(text: string, who: 'all' | 'subsets' = 'all'): void {
    for (const peer of this.#peers) if (who === 'all' || peer.followsSome) peer.end(closeCodes.resync, text);
    this.subsets.clear();
  }

  /** Welcomes a client once the relay that is served has said that it may come; until then it is not read. */
  async #enter(socket: WebSocket, raw: Socket, guest: Guest): Promise<void> {
    const way = await entered(socket, guest.hello, this.served);
    if (way instanceof TurnedAway) socket.close(way.code, closeReason(way.message));
    else if (socket.readyState === socket.OPEN) this.#admit(socket, raw, { ...guest, wayUp: way });
    else way?.close();
  }

  #admit(socket: WebSocket, raw: Socket, guest: Guest): void {
    const { hello, wayUp } = guest;
    const scope = this.subsets.scopeOf(hello);
    if (Array.isArray(scope)) {
      socket.close(...scope);
      return;
    }
    this.connections.know(raw);
    const leave = hello.role === 'recorder' ? this.records.enter() : scope?.enter();
    const peer = new Peer(socket, raw, { ...guest, scope }, this);
    this.#peers.add(peer);
    wayUp?.whenEnded((code, reason) => socket.close(code, closeReason(reason)));
    socket.on('close', () => {
      this.#peers.delete(peer);
      leave?.();
      wayUp?.close();
    });
  }

  /** Offers everybody what there is, now. */
  pump(): void {
    this.#turn.done();
    for (const peer of this.#peers) peer.pump();
  }

  #sweep(): void {
    const nowMs = this.nowMs();
    this.records.sweep(nowMs);
    const renewing = nowMs - this.#tokensMs >= this.limits.tokensMs && !this.access.open;
    if (renewing) this.#tokensMs = nowMs;
    if (renewing) for (const peer of this.#peers) peer.renew();
    this.subsets.sweep(nowMs);
    for (const peer of this.#peers) peer.sweep(nowMs);
  }
}
