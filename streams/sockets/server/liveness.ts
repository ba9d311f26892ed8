// Whether a peer is still there: pings it must answer, bytes it must read, and a heartbeat when there is nothing else to say.

/** Times in milliseconds. */
export interface LivenessOptions {
  readonly heartbeatMs: number;
  readonly pingMs: number;
  readonly pongMs: number;
}

/** What is to be done now. */
export type Due = 'nothing' | 'heartbeat' | 'ping' | 'terminate';

/** The clockwork of one connection. It holds no timer: it is asked from time to time. */
export class Liveness {
  readonly #options: LivenessOptions;
  #pingedMs: number;
  #awaitsPong = false;
  #sentMs: number;

  constructor(options: LivenessOptions, nowMs: number) {
    this.#options = options;
    this.#pingedMs = nowMs;
    this.#sentMs = nowMs;
  }

  /** Something was sent. */
  sent(nowMs: number): void {
    this.#sentMs = nowMs;
  }

  /** A pong came. */
  heard(): void {
    this.#awaitsPong = false;
  }

  /** What is due. A peer that is not being read cannot be heard, so `deaf` puts pings off. */
  due(nowMs: number, deaf: boolean): Due {
    const { heartbeatMs, pingMs, pongMs } = this.#options;
    if (deaf) {
      this.#pingedMs = nowMs;
      this.#awaitsPong = false;
    } else if (this.#awaitsPong) {
      if (nowMs - this.#pingedMs >= pongMs) return 'terminate';
    } else if (nowMs - this.#pingedMs >= pingMs) {
      this.#pingedMs = nowMs;
      this.#awaitsPong = true;
      return 'ping';
    }
    return nowMs - this.#sentMs >= heartbeatMs ? 'heartbeat' : 'nothing';
  }
}
