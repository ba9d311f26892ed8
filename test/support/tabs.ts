// A browser with tabs that a test steers: each runs a module, answers questions, sleeps and wakes.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { collect, startBrowser } from './browser.ts';
import { Devtools } from './devtools.ts';
import { endGroup } from './group.ts';
import { type Page, servePage } from './page.ts';

/** What a tab runs. */
export interface TabOptions {
  /** Seen from the repository's top; its `run(argument)` is called, and puts what {@link Tab.ask} asks for on `globalThis`. */
  readonly modulePath: string;
  readonly argument?: unknown;
  /** The port of this machine where WebSockets to the page's own origin lead. */
  readonly socketPort?: number;
}

interface Targets {
  readonly targetInfos: readonly { readonly targetId: string; readonly type: string }[];
}

/** One browser process. Whoever opens it closes it. */
export class Browser {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #devtools: Devtools;
  readonly #printed: () => string;
  #blankId = '';

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), `gradwire-browser-${process.pid}-`));
    this.#child = startBrowser('about:blank', this.#folder);
    this.#printed = collect(this.#child.stderr as Readable);
    this.#devtools = new Devtools(this.#child);
  }

  /** Starts it; rejects, with what it printed, where it ends before it answers. */
  static async open(): Promise<Browser> {
    const opened = new Browser();
    try {
      const { targetInfos } = await opened.#devtools.ask<Targets>('Target.getTargets');
      opened.#blankId = targetInfos.find(({ type }) => type === 'page')?.targetId ?? '';
      return opened;
    } catch (error) {
      await opened.close();
      throw new Error(`${(error as Error).message}; it printed:\n${opened.#printed()}`);
    }
  }

  /** Opens a tab; resolves when its module runs, and rejects with the module's error. Whoever opens it closes it. */
  async openTab({ modulePath, argument, socketPort }: TabOptions): Promise<Tab> {
    const page = await servePage(modulePath, argument, socketPort);
    const { targetId } = await this.#devtools.ask<{ targetId: string }>('Target.createTarget', { url: page.url });
    const attached = await this.#devtools.ask<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    const { sessionId } = attached;
    const tab = new Tab({ page, targetId, otherId: this.#blankId, devtools: this.#devtools, sessionId });
    const { error } = await page.outcome;
    if (error === undefined) return tab;
    await tab.close();
    throw new Error(`${modulePath} failed: ${error}${page.missing()}`);
  }

  /** Ends the browser with all tabs, and removes its folder. */
  async close(): Promise<void> {
    const closed = once(this.#child, 'close');
    endGroup(this.#child);
    await closed;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

interface TabParts {
  readonly page: Page;
  readonly targetId: string;
  /** The tab that the browser opened by itself. */
  readonly otherId: string;
  readonly devtools: Devtools;
  readonly sessionId: string;
}

interface Evaluated {
  readonly result: { readonly value: unknown };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

/** A tab whose module runs. */
export class Tab {
  readonly #parts: TabParts;

  /** @internal Made by a browser. */
  constructor(parts: TabParts) {
    this.#parts = parts;
  }

  /** The value of an expression in the page, as JSON; of a promise, what it resolves with. */
  async ask<Value>(expression: string): Promise<Value> {
    const { devtools, sessionId } = this.#parts;
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await devtools.ask<Evaluated>('Runtime.evaluate', params, sessionId);
    if (exceptionDetails === undefined) return result.value as Value;
    throw new Error(`${expression} failed in the page: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
  }

  /** The browser hides the page and runs no task of it from now on, as it does to a tab that nobody looked at for a while. */
  async sleep(): Promise<void> {
    const { devtools, sessionId } = this.#parts;
    await devtools.ask('Page.setWebLifecycleState', { state: 'frozen' }, sessionId);
  }

  /** Somebody looks at it again. */
  async wake(): Promise<void> {
    const { devtools, sessionId, targetId, otherId } = this.#parts;
    await devtools.ask('Page.setWebLifecycleState', { state: 'active' }, sessionId);
    // a tab that woke is still hidden, and its timers slow, until it is switched to
    for (const each of [otherId, targetId]) await devtools.ask('Target.activateTarget', { targetId: each });
  }

  async close(): Promise<void> {
    const { devtools, targetId, page } = this.#parts;
    await devtools.ask('Target.closeTarget', { targetId });
    page.close();
  }
}
