// A page's way through thousands of updates: cuts, sleeps of its tab, and its trainer killed and started again.
import * as assert from 'uvu/assert';
import type { EncodingName } from '../../src/encodings/names.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Chromium } from '../support/chromium.ts';
import { ModuleTab } from '../support/module-tab.ts';
import { ChaosProxy, type Cut } from '../support/proxy.ts';
import { chance, type Random, whole } from '../support/random.ts';
import type { Applied, Following, Progress, Tampering } from './following.ts';
import type { PublishedDigests } from './history.ts';
import { Stepper } from './stepper.ts';
import { batchOn, hyperparameters, shapes } from './trained.mjs';

/** What a way is made of. */
export interface RideOptions extends Tampering {
  readonly browser: Chromium;
  readonly encoding: EncodingName;
}

/** What has happened to the page, beside its own counts. */
interface Events {
  readonly cuts: number;
  readonly sleeps: number;
  readonly restarts: number;
}

// a burst stays within the backlog; a page that lags by more is reset
const burst = 200;
const backlogFrames = 600;

/** A page, the trainer that it follows, and the proxy between them. Whoever starts it closes it. */
export class Ride {
  readonly #random: Random;
  readonly #stepper: Stepper;
  readonly #proxy: ChaosProxy;
  readonly #tab: ModuleTab;
  #cuts = 0;
  #sleeps = 0;
  #restarts = 0;

  private constructor(parts: { stepper: Stepper; proxy: ChaosProxy; tab: ModuleTab; random: Random }) {
    this.#stepper = parts.stepper;
    this.#proxy = parts.proxy;
    this.#tab = parts.tab;
    this.#random = parts.random;
  }

  static async start({ browser, encoding, ...argument }: RideOptions): Promise<Ride> {
    const random = chance();
    const stepper = await Stepper.start(encoding, backlogFrames);
    const proxy = await ChaosProxy.start(stepper.port, { random });
    const tab = await ModuleTab.open(browser, {
      modulePath: 'test/browser/following.ts',
      argument,
      socketPort: proxy.port,
    });
    const ride = new Ride({ stepper, proxy, tab, random });
    await ride.#ask('reached', 0);
    return ride;
  }

  /** The trainer's newest version. */
  get version(): number {
    return this.#stepper.version;
  }

  get events(): Events {
    return { cuts: this.#cuts, sleeps: this.#sleeps, restarts: this.#restarts };
  }

  progress(): Promise<Progress> {
    return this.#ask('progress');
  }

  /** All that the page has applied, and all that the trainer has published. */
  async told(): Promise<{ history: readonly Applied[]; published: PublishedDigests }> {
    return { history: await this.#ask('history'), published: this.#stepper.published() };
  }

  /** So many versions further, or a burst; resolves when the page has them all. */
  async step(count: number = burst): Promise<void> {
    await this.#stepper.stepTo(this.version + count);
    await this.#ask('reached', this.version);
  }

  /** The same, with the connection cut within that burst, most often amid a message. */
  async cut(how: Cut): Promise<void> {
    this.#proxy.cutAfter(whole(this.#random, 1, burst * 200), how);
    await this.step();
    this.#cuts += 1;
  }

  /** The tab sleeps while the trainer goes on by so many versions, or for as long as `during` takes; then it wakes and catches up. */
  async sleep(during: number | (() => Promise<void>)): Promise<void> {
    await this.#tab.sleep();
    let before = await this.progress();
    for (let i = 0; i < 1000 && !before.asleep; i++) before = await this.progress();
    assert.ok(before.asleep, 'the browser has said that it stops the page');
    if (typeof during === 'number') await this.#stepper.stepTo(this.version + during);
    else await during();
    assert.equal(await this.progress(), before, 'a page that sleeps runs no timer and reads no message');
    await this.#tab.wake();
    await this.#ask('reached', this.version);
    const { ticks, version } = await this.progress();
    assert.ok(ticks > before.ticks && version > before.version, 'control: a page that woke does both');
    this.#sleeps += 1;
  }

  /** The connection ends while the tab sleeps, and the trainer goes on beyond what it keeps for those who come back. */
  sleepThroughCut(): Promise<void> {
    return this.sleep(async () => {
      this.#proxy.cut('reset');
      this.#cuts += 1;
      await this.#stepper.stepTo(this.version + backlogFrames + burst);
    });
  }

  /** SIGKILL in the midst of a burst; the next trainer goes on on the same directory. */
  async kill(): Promise<void> {
    await this.#stepper.killBeyond(this.version + burst / 2);
    await this.#begin();
    await this.#stepper.stepTo(this.version + burst / 2);
  }

  /** The same while nothing is stepped and the page has everything. */
  async killIdle(): Promise<void> {
    await this.#stepper.kill();
    await this.#begin();
    await this.step();
  }

  /** Resolves when the page holds the trainer's parameters, as a fold finds them that shares nothing with the trainer. */
  async settled(): Promise<void> {
    const fold = new RMSprop(layout(shapes), hyperparameters);
    for (let i = 0; i < this.version; i++) fold.step(batchOn(i));
    await this.#ask('became', fold.digest());
  }

  async close(): Promise<void> {
    await this.#tab.close();
    await this.#proxy.close();
    await this.#stepper.end();
  }

  async #begin(): Promise<void> {
    await this.#stepper.begin();
    this.#proxy.target = this.#stepper.port;
    this.#restarts += 1;
  }

  #ask<Name extends keyof Following>(
    name: Name,
    ...parameters: Parameters<Following[Name]>
  ): Promise<Awaited<ReturnType<Following[Name]>>> {
    return this.#tab.ask(`following.${name}(${parameters.map((each) => JSON.stringify(each)).join()})`);
  }
}
