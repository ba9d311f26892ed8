// The client's connection: made, lost and made again, until it is closed or refused for good.
import { type GradwireError, printable } from '../../../src/errors.ts';
import { closeCodes, isFinal } from '../protocol/close-codes.ts';
import { subprotocol } from '../protocol/words.ts';
import { Backoff } from './backoff.ts';
import type { ConnectOptions } from './connect-options.ts';
import {
  type ClientSocket,
  type CloseEvent,
  type ErrorEvent,
  leaveSocket,
  type MessageEvent,
  openSocket,
} from './socket-class.ts';
import { errorOfClose, errorOfRefusal } from './trouble.ts';

/** Who hears what a link has to say. */
export interface LinkListener {
  /** The text of the hello, asked for at each connection. */
  hello(): string;
  text(text: string): void;
  frame(frame: Uint8Array): void;
  /** The connection is lost and will be made again. */
  down(code: number, reason: string): void;
  /** The trainer refuses this client for good. */
  refused(error: GradwireError): void;
}

type LinkOptions = Pick<
  ConnectOptions,
  'WebSocket' | 'tls' | 'connectTimeoutMs' | 'silenceMs' | 'backoffMinMs' | 'backoffMaxMs' | 'random'
>;

// what a client's own close says: it goes, and all is well
const goingAway = 1000;

// no close event: the connection broke
const brokenOff = 1006;

/** The code with which either side of a WebSocket refuses the size of a message. */
export const messageTooBig = 1009;

/** One connection after the other to the same address. */
export class Link {
  readonly #url: string;
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #backoff: Backoff;
  #socket: ClientSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watching: ReturnType<typeof setInterval> | undefined;
  #heardMs = 0;
  #lastError = '';
  #welcomed = false;
  #held = false;
  #closed = false;

  constructor(url: string, options: LinkOptions, listener: LinkListener) {
    this.#url = url;
    this.#options = options;
    this.#listener = listener;
    this.#backoff = new Backoff({ minMs: options.backoffMinMs, maxMs: options.backoffMaxMs, random: options.random });
  }

  /** Makes a connection now. */
  open(): void {
    const { connectTimeoutMs, silenceMs } = this.#options;
    const socket = openSocket(this.#options, this.#url, subprotocol);
    this.#socket = socket;
    this.#lastError = '';
    this.#welcomed = false;
    this.#heardMs = performance.now();
    this.#timer = setTimeout(() => this.#cut(`no welcome within ${connectTimeoutMs} ms`), connectTimeoutMs);
    this.#watching = setInterval(() => this.#watch(), silenceMs / 4);
    socket.onopen = () => socket.send(this.#listener.hello());
    socket.onmessage = ({ data }: MessageEvent) => this.#hear(data);
    socket.onerror = ({ message = '' }: ErrorEvent) => (this.#lastError = message);
    socket.onclose = ({ code, reason }: CloseEvent) => this.#lost(code, reason === '' ? this.#lastError : reason);
  }

  /** Sends a message; whoever sends knows from `down` that it may not have arrived. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket?.send(data);
  }

  /** The welcome has come. */
  welcomed(): void {
    clearTimeout(this.#timer);
    this.#welcomed = true;
    if (this.#held) this.#socket?.pause?.();
  }

  /** Stops reading, where the WebSocket class can, or goes on; the welcome is read all the same. */
  hold(on: boolean): void {
    if (on === this.#held) return;
    this.#held = on;
    this.#heardMs = performance.now();
    if (!this.#welcomed) return;
    if (on) this.#socket?.pause?.();
    else this.#socket?.resume?.();
  }

  /** The connection does what it is for, so the next failure counts as the first. */
  works(): void {
    this.#backoff.reset();
  }

  /** Leaves this connection and comes back, to resume or to start over. */
  comeBack(code: number, reason: string): void {
    if (this.#socket === undefined) return;
    leaveSocket(this.#socket, code);
    this.#lost(code, reason);
  }

  /** Gives up for good, as where the trainer does. */
  refuse(error: GradwireError): void {
    if (this.#socket !== undefined) leaveSocket(this.#socket, goingAway);
    this.#forget();
    this.#closed = true;
    this.#listener.refused(error);
  }

  /** Ends it. Nothing is heard from then on; resolves when the socket is closed, or has been cut. */
  close(): Promise<void> {
    this.#closed = true;
    const socket = this.#socket;
    this.#forget();
    if (socket === undefined) return Promise.resolve();
    leaveSocket(socket, goingAway);
    return new Promise((resolve) => {
      const timer = setTimeout(finish, 1000);
      socket.onclose = finish;
      function finish(): void {
        clearTimeout(timer);
        socket?.terminate?.();
        resolve();
      }
    });
  }

  #hear(data: unknown): void {
    this.#heardMs = performance.now();
    if (typeof data === 'string') this.#listener.text(data);
    else this.#listener.frame(new Uint8Array(data as ArrayBuffer));
  }

  #watch(): void {
    const { silenceMs } = this.#options;
    if (!this.#held && performance.now() - this.#heardMs >= silenceMs) this.#cut(`nothing heard for ${silenceMs} ms`);
  }

  // the other side may be gone without a word, so no answer to a close is waited for
  #cut(reason: string): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    leaveSocket(socket, closeCodes.silent);
    socket.terminate?.();
    this.#lost(brokenOff, reason);
  }

  #lost(code: number, reason: string): void {
    this.#forget();
    if (this.#closed) return;
    const refusal = isFinal(code) ? errorOfClose(code, reason) : errorOfRefusal(reason, this.#url);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    this.#timer = setTimeout(() => this.open(), this.#backoff.next());
    this.#listener.down(code, printable(reason));
  }

  #forget(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#watching);
    this.#socket = undefined;
  }
}
