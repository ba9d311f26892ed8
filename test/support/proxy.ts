// A TCP proxy that misbehaves on demand: latency, cuts by FIN or RST, also in mid-frame, silence, and refused connections.
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** How a cut looks to both ends: an orderly end without a word, or a reset. */
export type Cut = 'end' | 'reset';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Stands between a client and a port of this machine. Whoever starts it closes it. */
export class ChaosProxy {
  /** Connections made so far. */
  accepted = 0;
  /** Delay of every chunk, in milliseconds. */
  latencyMs = 0;
  /** New connections are reset at once. */
  refusing = false;
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #silent = false;
  #budget: { bytes: number; how: Cut } | undefined;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** Starts a proxy in front of `port`, on a free port of its own. */
  static async start(port: number): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection now. */
  cut(how: Cut): void {
    for (const pair of this.#pairs) this.#break(pair, how);
  }

  /** Cuts once that many further bytes have gone down to the clients, wherever in a frame that is. */
  cutAfter(bytes: number, how: Cut): void {
    this.#budget = { bytes, how };
  }

  /** A black hole: nothing moves, nothing ends. Bytes wait where they are. */
  set silent(on: boolean) {
    this.#silent = on;
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) on ? socket.pause() : socket.resume();
    }
  }

  async close(): Promise<void> {
    this.cut('reset');
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket): void {
    this.accepted += 1;
    near.on('error', () => near.destroy());
    if (this.refusing) {
      near.resetAndDestroy();
      return;
    }
    const far = dial(this.#target, '127.0.0.1');
    const pair = { near, far };
    this.#pairs.add(pair);
    far.on('error', () => this.#break(pair, 'reset'));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.setNoDelay();
      from.on('data', (chunk: Buffer) => void this.#pass(pair, from, to, chunk));
      from.on('close', () => this.#break(pair, 'end'));
      if (this.#silent) from.pause();
    }
  }

  async #pass(pair: Pair, from: Socket, to: Socket, chunk: Buffer): Promise<void> {
    if (this.latencyMs > 0) {
      from.pause();
      await delay(this.latencyMs);
      if (!this.#silent) from.resume();
    }
    const whole = from === pair.far ? this.#spend(chunk.byteLength) : chunk.byteLength;
    const flushed = to.write(chunk.subarray(0, whole));
    if (whole < chunk.byteLength) this.#break(pair, this.#budget?.how ?? 'reset');
    else if (!flushed) {
      from.pause();
      to.once('drain', () => {
        if (!this.#silent) from.resume();
      });
    }
  }

  /** How many of these bytes still go through. */
  #spend(bytes: number): number {
    if (this.#budget === undefined) return bytes;
    const allowed = Math.min(bytes, this.#budget.bytes);
    this.#budget.bytes -= allowed;
    if (allowed === bytes) return bytes;
    return allowed;
  }

  #break(pair: Pair, how: Cut): void {
    if (!this.#pairs.delete(pair)) return;
    if (this.#budget?.bytes === 0) this.#budget = undefined;
    for (const socket of [pair.near, pair.far]) {
      // Node never closes a handle that is reset while its own end is on the way, and then cannot exit
      if (how === 'reset' && !socket.writableEnded) socket.resetAndDestroy();
      else socket.destroy();
    }
  }
}
