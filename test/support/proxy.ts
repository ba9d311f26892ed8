// A TCP proxy that misbehaves on demand, seeded: latency, jitter, a narrow wire, small pieces, cuts by FIN or RST also in mid-frame,
// black holes, directions that stall, and refused connections.
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, Lane, type Weather } from './proxy/lane.ts';
import { chance, type Random } from './random.ts';

/** How a cut looks to both ends: an orderly end without a word, or a reset. */
export type Cut = 'end' | 'reset';

/** To the clients, or to the server. */
export type Direction = 'down' | 'up';

/** What a proxy may be told. */
export interface ProxyOptions {
  /** The source of chance for jitter and pieces; the run's seed unless told. */
  readonly random?: Random;
  readonly clock?: Clock;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket | undefined;
  readonly lanes: Readonly<Record<Direction, Lane>> | undefined;
}

const wallClock: Clock = { nowMs: () => performance.now(), after: (ms) => delay(ms) };
const directions = ['down', 'up'] as const;

/** Stands between clients and a port of this machine. Whoever starts it closes it. Everything can be combined, at any time. */
export class ChaosProxy {
  /** Connections made so far. */
  accepted = 0;
  /** Connections cut so far. */
  readonly cuts: Record<Cut, number> = { end: 0, reset: 0 };
  /** Bytes and pieces written so far. */
  readonly passed: Record<Direction, { bytes: number; pieces: number }> = {
    down: { bytes: 0, pieces: 0 },
    up: { bytes: 0, pieces: 0 },
  };
  /** What bytes go through, in each direction. */
  weather: Partial<Record<Direction, Weather>> = {};
  /** New connections are reset at once. */
  refusing = false;
  /** New connections are accepted, and nothing of them is ever forwarded or answered. */
  swallowing = false;
  /** The port behind; connections that come from now on go there. */
  target: number;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #stalled: Record<Direction, boolean> = { down: false, up: false };
  #waiting: { readonly accepted: number; readonly resolve: () => void }[] = [];
  readonly #budgets: Partial<Record<Direction, { bytes: number; readonly how: Cut }>> = {};

  private constructor(target: number, { random = chance(), clock = wallClock }: ProxyOptions) {
    this.target = target;
    this.#random = random;
    this.#clock = clock;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** Starts a proxy in front of `port`, on a free port of its own. */
  static async start(port: number, options: ProxyOptions = {}): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(port, options);
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

  /** Connections that are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Resolves when so many connections have been made in all. */
  reached(accepted: number): Promise<void> {
    if (this.accepted >= accepted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ accepted, resolve }));
  }

  /** Cuts every connection now. */
  cut(how: Cut): void {
    for (const pair of this.#pairs) this.#break(pair, how);
  }

  /** Cuts once exactly so many further bytes have gone in that direction, wherever in a frame that is. */
  cutAfter(bytes: number, how: Cut, direction: Direction = 'down'): void {
    this.#budgets[direction] = { bytes, how };
  }

  /** Delay of every piece in both directions, in milliseconds. */
  set latencyMs(latencyMs: number) {
    for (const each of directions) this.weather[each] = { ...this.weather[each], latencyMs };
  }

  /** One direction stands still, or goes on: its bytes wait where they are. */
  stall(direction: Direction, on: boolean): void {
    this.#stalled[direction] = on;
    for (const { lanes } of this.#pairs) lanes?.[direction].stall(on);
  }

  /** Nothing moves, nothing ends, in either direction. */
  set silent(on: boolean) {
    for (const each of directions) this.stall(each, on);
  }

  /** Fair weather from now on; what was cut or swallowed stays lost. */
  calm(): void {
    this.weather = {};
    this.refusing = false;
    this.swallowing = false;
    for (const each of directions) delete this.#budgets[each];
    this.silent = false;
  }

  async close(): Promise<void> {
    this.cut('reset');
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket): void {
    this.accepted += 1;
    near.on('error', () => near.destroy());
    for (const { accepted, resolve } of this.#waiting) if (accepted <= this.accepted) resolve();
    this.#waiting = this.#waiting.filter(({ accepted }) => accepted > this.accepted);
    if (this.refusing) reset(near);
    else if (this.swallowing) this.#swallow(near);
    else this.#join(near);
  }

  #swallow(near: Socket): void {
    const pair = { near, far: undefined, lanes: undefined };
    this.#pairs.add(pair);
    near.on('close', () => this.#pairs.delete(pair));
    near.resume();
  }

  #join(near: Socket): void {
    const far = dial(this.target, '127.0.0.1');
    const pair: Pair = {
      near,
      far,
      lanes: { up: this.#lane('up', near, far, () => pair), down: this.#lane('down', far, near, () => pair) },
    };
    this.#pairs.add(pair);
    far.on('error', () => this.#break(pair, 'reset'));
    for (const socket of [near, far]) {
      socket.setNoDelay();
      socket.on('close', () => this.#break(pair, 'end'));
    }
    for (const each of directions) if (this.#stalled[each]) pair.lanes?.[each].stall(true);
  }

  #lane(direction: Direction, from: Socket, to: Socket, pair: () => Pair): Lane {
    return new Lane({
      from,
      to,
      weather: () => this.weather[direction] ?? {},
      random: this.#random,
      clock: this.#clock,
      spend: (bytes) => this.#spend(direction, bytes),
      onSpent: () => {
        const { how = 'reset' } = this.#budgets[direction] ?? {};
        delete this.#budgets[direction];
        this.#break(pair(), how);
      },
    });
  }

  /** How many of these bytes still go through. */
  #spend(direction: Direction, bytes: number): number {
    const budget = this.#budgets[direction];
    const whole = budget === undefined ? bytes : Math.min(bytes, budget.bytes);
    if (budget !== undefined) budget.bytes -= whole;
    this.passed[direction].bytes += whole;
    this.passed[direction].pieces += 1;
    return whole;
  }

  #break(pair: Pair, how: Cut): void {
    if (!this.#pairs.delete(pair)) return;
    this.cuts[how] += 1;
    for (const each of directions) pair.lanes?.[each].end();
    for (const socket of [pair.near, pair.far]) {
      if (how === 'end') socket?.destroySoon();
      else if (socket !== undefined) reset(socket);
    }
  }
}

// resetAndDestroy() waits for what is still being written and says FIN first; the flag behind it resets at once
function reset(socket: Socket): void {
  // Node never closes a handle that is reset while its own end is on the way, and then cannot exit
  if (!socket.writableEnded) (socket as Socket & { resetAndClosing: boolean }).resetAndClosing = true;
  socket.destroy();
}
