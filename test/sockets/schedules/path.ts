// The way from a trainer to its replicas, which breaks on demand: trainer, proxy, perhaps relays, another proxy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layout } from '../../../src/layout.ts';
import { type Relay, relay, type ServeOptions } from '../../../streams/sockets/index.ts';
import { type Trainer, type TrainerOptions, trainer } from '../../../streams/trainer.ts';
import { ChaosProxy, type Cut } from '../../support/proxy.ts';
import type { Random } from '../../support/random.ts';

// nobody listens there
const nowhere = 1;
const serving: ServeOptions = { heartbeatMs: 300, closeMs: 300, creditBatches: 32 };

/** What a trainer is told for each encoding of its publications. */
export const encodings: Readonly<Record<string, Partial<TrainerOptions>>> = {
  f32: {},
  f16: { publish: { encoding: 'f16', settleMs: 20 } },
  bf16: { publish: { encoding: 'bf16', every: 3, settleMs: 20 } },
  int8: { publish: { encoding: 'int8', settleMs: 20 } },
  topk: { publish: { encoding: 'topk', share: 0.2, intervalMs: 5, settleMs: 20 } },
};

/** Something between a trainer and its replicas that serves what it receives: its address, and its end. */
export type Hop = (url: string) => Promise<{ readonly url: string; close(): Promise<void> }>;

/** What lies between, from the trainer on. */
export const routes: Readonly<Record<string, readonly Hop[]>> = {
  direct: [],
  'two relays': [viaRelay, viaRelay],
};

function viaRelay(url: string): Promise<Relay> {
  return relay(url, { listen: serving, backoffMinMs: 5, backoffMaxMs: 50, silenceMs: 2000 });
}

/** The model of all schedules: a matrix whose rows can be sent alone, a vector and a scalar. */
const model = layout({ 'dense/kernel': [12, 3], 'dense/bias': [3], scale: [] });

/** What a path is made of. */
export interface PathOptions {
  readonly encoding: keyof typeof encodings;
  readonly route: keyof typeof routes;
  readonly random: Random;
  /** Whether the trainer has a directory, so that it can be started again. */
  readonly restarts: boolean;
  readonly listen?: ServeOptions;
}

/** A real trainer with a real server, and every way to lose it. */
export class Path {
  /** The digest of the published weights at each version, and another where what the encoding dropped followed. */
  readonly digests: Map<number, string[]> = new Map();
  /** What a restart changed of the weights, which is a fault. */
  readonly faults: string[] = [];
  trainer!: Trainer;
  /** The proxies, that of the replicas last. */
  proxies: ChaosProxy[] = [];
  readonly #options: PathOptions;
  readonly #directory: string | undefined;
  readonly #hops: { close(): Promise<void> }[] = [];
  restarts = 0;

  private constructor(options: PathOptions) {
    this.#options = options;
    this.#directory = options.restarts ? mkdtempSync(join(tmpdir(), 'gradwire-path-')) : undefined;
  }

  /** Starts everything. */
  static async open(options: PathOptions): Promise<Path> {
    const path = new Path(options);
    await path.#start();
    const { random } = options;
    path.proxies.push(await ChaosProxy.start(portOf(path.trainer.url), { random }));
    for (const hop of routes[options.route]) {
      const opened = await hop(path.url);
      path.#hops.unshift(opened);
      path.proxies.push(await ChaosProxy.start(portOf(opened.url), { random }));
    }
    return path;
  }

  /** Whether there is a directory to start again from. */
  get canRestart(): boolean {
    return this.#directory !== undefined;
  }

  /** Where replicas and workers connect. */
  get url(): string {
    return this.proxies[this.proxies.length - 1].url;
  }

  /** The newest version, published or not. */
  get version(): number {
    return this.trainer.status().folded;
  }

  /** Whether a restart may lose what an encoding owed to a replica that was not there. */
  get mayDiverge(): boolean {
    return this.canRestart && this.#options.encoding !== 'f32';
  }

  /** Connections cut so far. */
  cuts(how: Cut): number {
    return this.proxies.reduce((sum, { cuts }) => sum + cuts[how], 0);
  }

  /** Ends the trainer and starts it again on its directory: a new epoch at another port. */
  async restart(): Promise<void> {
    // the port may be another schedule's trainer by the time that somebody comes
    this.proxies[0].target = nowhere;
    await this.trainer.close();
    await this.#start();
    this.proxies[0].target = portOf(this.trainer.url);
    this.restarts += 1;
  }

  async close(): Promise<void> {
    for (const hop of this.#hops) await hop.close();
    await this.trainer.close();
    for (const proxy of this.proxies) await proxy.close();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const { encoding, listen } = this.#options;
    const directory = this.#directory === undefined ? {} : ({ directory: this.#directory, durability: 'none' } as const);
    const optimizer = { lr: 0.01 };
    const told = { model, optimizer, ...directory, ...encodings[encoding], listen: { ...serving, ...listen } };
    this.trainer = await trainer(told as TrainerOptions);
    const { version } = this.trainer;
    const digest = this.trainer.digest();
    const known = this.digests.get(version)?.at(-1) ?? digest;
    if (known !== digest) this.faults.push(`version ${version} has the digest ${digest} after a restart, it had ${known}`);
    this.#note({ from: version, version });
    this.trainer.updates$.subscribe({ next: (publication) => this.#note(publication), error: () => undefined });
  }

  #note({ from, version }: { readonly from: number; readonly version: number }): void {
    const digest = this.trainer.digest();
    const known = this.digests.get(version) ?? [];
    if (known.length > 0 && from !== version) this.faults.push(`version ${version} was published twice`);
    if (!known.includes(digest)) this.digests.set(version, [...known, digest]);
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
