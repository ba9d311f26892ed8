// The way from a trainer to its replicas, which breaks on demand: trainer, proxy, perhaps relays, another proxy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layout } from '../../../src/layout.ts';
import type { ServeOptions } from '../../../streams/sockets/index.ts';
import { type Trainer, type TrainerOptions, trainer } from '../../../streams/trainer.ts';
import { ChaosProxy, type Cut } from '../../support/proxy.ts';
import type { Random } from '../../support/random.ts';

/** What a trainer is told for each encoding of its publications. */
export const encodings: Readonly<Record<string, Partial<TrainerOptions>>> = {
  f32: {},
};

/** Something between a trainer and its replicas that serves what it receives: its address, and its end. */
export type Hop = (url: string) => Promise<{ readonly url: string; close(): Promise<void> }>;

/** What lies between, from the trainer on. */
export const routes: Readonly<Record<string, readonly Hop[]>> = {
  direct: [],
};

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

const serving: ServeOptions = { heartbeatMs: 300, closeMs: 300, creditBatches: 32 };

/** A real trainer with a real server, and every way to lose it. */
export class Path {
  /** The digest of the published weights at each version. */
  readonly digests: Map<number, string> = new Map();
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

  /** The newest version that was published. */
  get version(): number {
    return this.trainer.version;
  }

  /** Connections cut so far. */
  cuts(how: Cut): number {
    return this.proxies.reduce((sum, { cuts }) => sum + cuts[how], 0);
  }

  /** Ends the trainer and starts it again on its directory: a new epoch at another port. */
  async restart(): Promise<void> {
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
    this.#note(this.trainer.version);
    this.trainer.updates$.subscribe({ next: ({ version }) => this.#note(version), error: () => undefined });
  }

  #note(version: number): void {
    const digest = this.trainer.digest();
    const known = this.digests.get(version) ?? digest;
    if (known !== digest) this.faults.push(`version ${version} has the digest ${digest} after a restart, it had ${known}`);
    this.digests.set(version, digest);
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
