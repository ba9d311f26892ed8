// All connections of a server, and what they share: one backlog, one cache, one intake, one clock.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Publication } from '../../operators/flow.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import type { Hello } from '../protocol/words.ts';
import { Backlog } from './backlog.ts';
import type { WeightsAt } from './feed.ts';
import { greet } from './greet.ts';
import { Bodies } from './http-gradients.ts';
import { Intake } from './intake.ts';
import { EpochsGiven, hasNoEpochLeft } from './join.ts';
import { Peer, type PeerHost } from './peer.ts';
import type { PeerInfo } from './peer-info.ts';
import { Records } from './records.ts';
import type { ServeLimits } from './serve-options.ts';
import { type Served, ServedCache } from './served.ts';

/** The connections of one server. */
export class Hub implements PeerHost {
  readonly served: Served;
  readonly limits: ServeLimits;
  readonly backlog: Backlog;
  readonly records: Records;
  readonly cache: ServedCache;
  readonly epochsGiven: EpochsGiven = new EpochsGiven();
  readonly intake: Intake;
  readonly bodies: Bodies;
  readonly #sockets = new Set<WebSocket>();
  readonly #peers = new Set<Peer>();
  readonly #sweeping: NodeJS.Timeout;
  #pumping: NodeJS.Immediate | undefined;
  #unsentFrames = 0;
  #unsentBytes = 0;

  constructor(served: Served, limits: ServeLimits) {
    this.served = served;
    this.limits = limits;
    this.backlog = new Backlog(served.version(), { frames: limits.backlogFrames, bytes: limits.backlogBytes });
    this.records = new Records(served, limits, () => this.nowMs());
    this.cache = new ServedCache(served);
    this.intake = new Intake({
      acceptBytes: limits.acceptBytes,
      acceptBatches: limits.acceptBatches,
      version: () => served.version(),
      onFull: (full) => {
        for (const peer of this.#peers) peer.hold(full);
      },
    });
    this.bodies = new Bodies(limits.acceptBytes);
    const finest = Math.min(limits.heartbeatMs, limits.pingMs, limits.pongMs, limits.resetMs) / 4;
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

  weights(): WeightsAt {
    return this.cache.weights();
  }

  /** Takes over a WebSocket that has just been opened; `raw` is the connection below. */
  accept(socket: WebSocket, raw: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // without a listener a bad frame would end the process; the socket closes itself
    socket.on('error', () => undefined);
    greet(socket, raw, this.limits.helloMs, (hello) => {
      if (hello.role === 'recorder' && this.served.snapshotFrame === undefined)
        socket.close(closeCodes.forbidden, 'E_FORBIDDEN: this trainer gives no records');
      else if (hasNoEpochLeft(hello, this))
        socket.close(closeCodes.forbidden, 'E_PRODUCER_FENCED: this producer has used the last epoch; take another name');
      else this.#admit(socket, raw, hello);
    });
  }

  /** Queues an update for everybody, and its batch for recorders. What is published in one turn of the event loop leaves in one write for each socket. */
  publish(publication: Publication): void {
    const { from, version, frame } = publication;
    const recordBytes = this.records.push(publication);
    this.backlog.push({ from, version, frame: Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength) });
    this.#unsentFrames += 1;
    this.#unsentBytes += Math.max(frame.byteLength, recordBytes);
    // a turn that publishes much must not push anything out of the backlog before it was offered to the sockets
    const { backlogFrames, backlogBytes, highWaterBytes } = this.limits;
    const much = this.#unsentFrames * 2 >= backlogFrames || this.#unsentBytes >= Math.min(highWaterBytes, backlogBytes / 2);
    if (much) this.#pump();
    else this.#pumping ??= setImmediate(() => this.#pump());
  }

  /** Sends what there is, tells everybody that the trainer shuts down, and waits for them to go, at most `closeMs`. */
  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    this.#pump();
    const gone = Promise.all(Array.from(this.#sockets, (socket) => new Promise((resolve) => socket.once('close', resolve))));
    for (const socket of this.#sockets) socket.close(closeCodes.shutdown, 'E_CLOSED: the trainer shuts down');
    const cutting = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate();
    }, this.limits.closeMs);
    await gone;
    clearTimeout(cutting);
  }

  #admit(socket: WebSocket, raw: Socket, hello: Hello): void {
    const leave = hello.role === 'recorder' ? this.records.enter() : undefined;
    const peer = new Peer(socket, raw, hello, this);
    this.#peers.add(peer);
    socket.on('close', () => {
      this.#peers.delete(peer);
      leave?.();
    });
  }

  #pump(): void {
    clearImmediate(this.#pumping);
    this.#pumping = undefined;
    this.#unsentFrames = 0;
    this.#unsentBytes = 0;
    for (const peer of this.#peers) peer.pump();
  }

  #sweep(): void {
    const nowMs = this.nowMs();
    this.records.sweep(nowMs);
    for (const peer of this.#peers) peer.sweep(nowMs);
  }
}
