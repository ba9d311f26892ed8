// All connections of a server, and what they share: one backlog, one cache, one intake, one clock.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Publication } from '../../operators/flow.ts';
import { closeCodes, closeReason } from '../protocol/close-codes.ts';
import type { Hello } from '../protocol/words.ts';
import { Backlog } from './backlog.ts';
import type { WeightsAt } from './feed.ts';
import { greet } from './greet.ts';
import { Bodies } from './http-gradients.ts';
import { Intake } from './intake.ts';
import { EpochsGiven } from './join.ts';
import { Peer, type PeerHost } from './peer.ts';
import type { PeerInfo } from './peer-info.ts';
import { Records } from './records.ts';
import type { ServeLimits } from './serve-options.ts';
import { type Served, ServedCache } from './served.ts';
import type { Subset } from './subset.ts';
import { Subsets } from './subsets.ts';

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
    this.subsets = new Subsets(served.layout, this.cache, limits, () => this.nowMs());
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
      if (hello.role === 'recorder' && this.served.snapshotFrame === undefined)
        socket.close(closeCodes.forbidden, 'E_FORBIDDEN: this trainer gives no records');
      else if (hello.tensors === undefined) this.#admit(socket, raw, hello);
      else if (hello.role === 'replica') this.#admitTo(hello.tensors, socket, raw, hello);
      else socket.close(closeCodes.forbidden, `E_FORBIDDEN: a ${hello.role} needs all tensors; follow some as a replica`);
    });
  }

  /** Queues an update for everybody, and its batch for recorders. What is published in one turn of the event loop leaves in one write for each socket. */
  publish(publication: Publication): void {
    const { from, version, frame } = publication;
    const furtherBytes = Math.max(this.records.push(publication), this.subsets.push(publication));
    this.backlog.push({ from, version, frame: Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength) });
    this.#unsentFrames += 1;
    this.#unsentBytes += Math.max(frame.byteLength, furtherBytes);
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

  /** Lets in one who follows some tensors only, or tells it why not. */
  #admitTo(names: readonly string[], socket: WebSocket, raw: Socket, hello: Hello): void {
    let subset: Subset;
    try {
      subset = this.subsets.find(names);
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      socket.close(error.retryable ? closeCodes.busy : closeCodes.unknownTensor, closeReason(error.message));
      return;
    }
    this.#admit(socket, raw, hello, subset);
  }

  #admit(socket: WebSocket, raw: Socket, hello: Hello, subset?: Subset): void {
    const leave = hello.role === 'recorder' ? this.records.enter() : subset?.enter();
    const peer = new Peer(socket, raw, hello, this, subset);
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
    this.subsets.sweep(nowMs);
    for (const peer of this.#peers) peer.sweep(nowMs);
  }
}
