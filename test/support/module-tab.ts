// A tab of a real browser that runs one module: it answers questions, sleeps and wakes.
import type { Chromium, Session } from './chromium.ts';
import { type Page, servePage } from './page.ts';

/** What a tab runs. */
export interface ModuleTabOptions {
  /** Seen from the repository's top; its `run(argument)` is called, and puts what {@link ModuleTab.ask} asks for on `globalThis`. */
  readonly modulePath: string;
  readonly argument?: unknown;
  /** The port of this machine where WebSockets to the page's own origin lead. */
  readonly socketPort?: number;
}

/** A tab whose module runs. */
export class ModuleTab {
  readonly #session: Session;
  readonly #page: Page;
  readonly #other: Session;

  private constructor(session: Session, page: Page, other: Session) {
    this.#session = session;
    this.#page = page;
    this.#other = other;
  }

  /** Opens a tab; resolves when its module runs, and rejects with the module's error. Whoever opens it closes it. */
  static async open(chromium: Chromium, { modulePath, argument, socketPort }: ModuleTabOptions): Promise<ModuleTab> {
    const page = await servePage(modulePath, argument, socketPort);
    const tab = new ModuleTab(await chromium.tab(page.url), page, chromium.first);
    const { error } = await page.outcome;
    if (error === undefined) return tab;
    await tab.close();
    throw new Error(`${modulePath} failed: ${error}${page.missing()}`);
  }

  /** The value of an expression in the page, as JSON; of a promise, what it resolves with. */
  ask<Value>(expression: string): Promise<Value> {
    return this.#session.evaluate(expression);
  }

  /** The browser hides the page and runs no task of it from now on, as it does to a tab that nobody looked at for a while. */
  async sleep(): Promise<void> {
    await this.#session.send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  /** Somebody looks at it again. */
  async wake(): Promise<void> {
    await this.#session.send('Page.setWebLifecycleState', { state: 'active' });
    // a tab that woke is still hidden, and its timers slow, until it is switched to
    for (const each of [this.#other, this.#session]) await each.activate();
  }

  async close(): Promise<void> {
    await this.#session.close();
    this.#page.close();
  }
}
