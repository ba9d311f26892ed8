// One WebSocket on the server after its hello: updates out, batches in, until either side ends it.
import type { Socket } from 'node:net';
import { type RawData, WebSocket } from 'ws';
import { GradwireError } from '../../../src/errors.ts';
import type { Answer } from '../../operators/flow.ts';
import { type CloseCode, closeCodes, closeReason } from '../protocol/close-codes.ts';
import { InFlight } from '../protocol/credit.ts';
import type { Heartbeat, Hello, Role, Welcome } from '../protocol/words.ts';
import type { Standing } from './access/standing.ts';
import { refusal } from './answers.ts';
import { Feed, type FeedSource, type Scope } from './feed.ts';
import type { Guest, PeerHost } from './guest.ts';
import { heldForTick } from './held-for-tick.ts';
import { welcome } from './join.ts';
import { Liveness } from './liveness.ts';
import type { PeerInfo } from './peer-info.ts';
import { Replies } from './replies.ts';
import type { WayUp } from './way-up.ts';

/** A connection that has said who it is. */
export class Peer {
  readonly #socket: WebSocket;
  readonly #raw: Socket;
  readonly #host: PeerHost;
  readonly #hello: Hello;
  readonly #standing: Standing;
  readonly #wayUp: WayUp | undefined;
  readonly #scope: Scope;
  readonly #source: FeedSource;
  readonly #inFlight: InFlight;
  readonly #liveness: Liveness;
  readonly #feed: Feed;
  readonly #replies: Replies;
  readonly #pausedFor = new Set<'intake' | 'answers'>();

  /** Answers the hello and begins. `raw` is the connection below the socket. */
  constructor(socket: WebSocket, raw: Socket, { hello, standing, wayUp, ...guest }: Guest, host: PeerHost) {
    const scope: Scope = guest.scope ?? host;
    const { limits } = host;
    this.#socket = socket;
    this.#raw = raw;
    this.#host = host;
    this.#hello = hello;
    this.#wayUp = wayUp;
    this.#standing = standing;
    this.#scope = scope;
    this.#source = hello.role === 'recorder' ? host.records : scope;
    const { backlog } = this.#source;
    this.#inFlight = new InFlight({ batches: limits.creditBatches, bytes: limits.creditBytes });
    this.#liveness = new Liveness(limits, host.nowMs());
    const target = {
      bufferedAmount: () => socket.bufferedAmount,
      send: (frame: Uint8Array) => socket.send(frame, this.#sent),
      // without compression a ws socket writes each message at once, so that nothing of it can come in between
      write: (messages: Buffer) => raw.write(messages, this.#sent),
    };
    // a recording has every version
    const mode = hello.role === 'recorder' ? 'every' : hello.mode;
    this.#feed = new Feed(this.#source, target, { mode, highWaterBytes: limits.highWaterBytes, resetMs: limits.resetMs });
    const replies = {
      send: heldForTick(raw, (text: string, done: () => void) => socket.send(text, done)),
      onClogged: (on: boolean) => this.#pause('answers', on),
    };
    this.#replies = new Replies(replies, this.#feed, () => backlog.version);
    socket.on('message', (data, isBinary) => this.#read(data, isBinary));
    socket.on('pong', () => this.#liveness.heard());
    raw.setTimeout(limits.stallMs);
    raw.on('timeout', () => this.#cutIfStalled());
    if (host.intake.full) this.hold(true);
    this.#begin(welcome(hello, host, { scope, backlog, wayUp }));
  }

  /** Whether it follows some tensors only. */
  get followsSome(): boolean {
    return this.#scope !== this.#host;
  }

  get role(): Role {
    return this.#hello.role;
  }

  get info(): PeerInfo {
    const { version } = this.#feed;
    const lag = Math.max(0, this.#source.backlog.version - version);
    const who = { role: this.role, producer: this.#hello.producer ?? null, name: this.#standing.name ?? null };
    return { ...who, version, lag, bufferedAmount: this.#socket.bufferedAmount };
  }

  /** Asks again what its token allows, and ends the connection where that is not enough any more. */
  renew(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#standing.renew();
    const { ending } = this.#standing;
    if (ending === undefined) return;
    this.#host.tally.refused(ending.barrier);
    this.end(ending.code, ending.reason);
  }

  /** Sends what the socket takes, then the acks that waited for it: in one write. */
  pump(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const before = this.#feed.version;
    this.#raw.cork();
    this.#feed.pump();
    this.#replies.flush();
    this.#raw.uncork();
    if (this.#feed.version !== before) this.#liveness.sent(this.#host.nowMs());
  }

  /** Looks after the connection; called from time to time. */
  sweep(nowMs: number): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#feed.lost) this.pump();
    const due = this.#liveness.due(nowMs, this.#pausedFor.size > 0);
    if (due === 'terminate') this.#socket.terminate();
    else if (due === 'ping') this.#socket.ping();
    else if (due === 'heartbeat' && !this.#feed.blocked) {
      // what is queued first: the digest is of everything that is published
      this.pump();
      if (this.#feed.blocked) return;
      this.#liveness.sent(nowMs);
      this.#socket.send(this.#heartbeat());
    }
  }

  /** Stops reading a worker, or goes on. */
  hold(on: boolean): void {
    if (this.role === 'worker') this.#pause('intake', on);
  }

  /** Closes the connection. */
  end(code: CloseCode, text: string): void {
    this.#socket.close(code, closeReason(text));
  }

  #begin(message: Welcome): void {
    this.#raw.cork();
    this.#socket.send(JSON.stringify(message));
    if (message.resumed && this.#hello.resume !== undefined) this.#feed.resumeFrom(this.#hello.resume.version);
    else this.#feed.start();
    this.#raw.uncork();
    this.pump();
  }

  #read(data: RawData, isBinary: boolean): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const { buffer, byteOffset, byteLength } = data as Buffer;
    if (!isBinary)
      this.end(closeCodes.badRequest, 'E_PROTOCOL: after its hello a client sends gradients frames, which are binary');
    else if (!this.#inFlight.allows(byteLength)) this.end(closeCodes.credit, 'E_BUSY: more in flight than the credit allows');
    else this.#take(new Uint8Array(buffer, byteOffset, byteLength));
  }

  #take(frame: Uint8Array): void {
    const answer = (given: Answer): void => this.#answer(given, frame.byteLength);
    this.#inFlight.take(frame.byteLength);
    if (this.role === 'worker' && this.#standing.good) this.#host.intake.take(frame, answer, this.#wayUp);
    else {
      const error = new GradwireError(
        'E_FORBIDDEN',
        `a ${this.role} pushes no batches; nothing was applied; connect as a worker`,
      );
      answer(refusal(error, frame, this.#host.backlog.version));
    }
  }

  #answer(answer: Answer, byteLength: number): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#host.tally.answered(answer);
    this.#replies.send(answer, () => this.#inFlight.give(byteLength));
    this.#liveness.sent(this.#host.nowMs());
    const fenced = answer.type === 'nack' && answer.code === 'E_PRODUCER_FENCED' && this.#hello.producer !== undefined;
    if (fenced) this.end(closeCodes.forbidden, `E_PRODUCER_FENCED: ${answer.text}`);
  }

  #heartbeat(): string {
    const { served } = this.#host;
    const digest = this.#scope.digest();
    const heartbeat: Heartbeat = { type: 'heartbeat', epoch: served.epoch, version: served.version(), digest };
    return JSON.stringify(heartbeat);
  }

  readonly #sent = (): void => {
    if (this.#feed.blocked) this.pump();
  };

  // the connection's own timer runs out when neither side has moved a byte
  #cutIfStalled(): void {
    if (this.#socket.bufferedAmount > 0) this.#socket.terminate();
  }

  #pause(reason: 'intake' | 'answers', on: boolean): void {
    if (on) this.#pausedFor.add(reason);
    else this.#pausedFor.delete(reason);
    if (this.#pausedFor.size > 0) this.#socket.pause();
    else this.#socket.resume();
  }
}
