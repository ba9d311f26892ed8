// One browser process that a test steers, and the sessions of its tabs.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { collect, startBrowser } from './browser.ts';
import { Devtools, type Fields, type OnEvent } from './devtools.ts';
import { endGroup } from './group.ts';

interface Evaluated {
  readonly result: { readonly value: unknown };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

/** One tab, as the browser's remote control has it. */
export class Session {
  readonly targetId: string;
  readonly #devtools: Devtools;
  readonly #id: string;

  /** @internal Made by a browser. */
  constructor(devtools: Devtools, targetId: string, id: string) {
    this.#devtools = devtools;
    this.targetId = targetId;
    this.#id = id;
  }

  /** One command to the tab. */
  send<Result = Fields>(method: string, params?: Fields): Promise<Result> {
    return this.#devtools.ask(method, params, this.#id);
  }

  /** Hears what the tab tells of by itself. */
  listen(listener: OnEvent): void {
    this.#devtools.listen(this.#id, listener);
  }

  /** The value of an expression in the page, as JSON; of a promise, what it resolves with. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send<Evaluated>('Runtime.evaluate', params);
    if (exceptionDetails === undefined) return result.value as Value;
    throw new Error(`${expression} failed in the page: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
  }

  /** Brings the tab to the front. */
  async activate(): Promise<void> {
    await this.#devtools.ask('Target.activateTarget', { targetId: this.targetId });
  }

  async close(): Promise<void> {
    await this.#devtools.ask('Target.closeTarget', { targetId: this.targetId });
  }
}

/** One browser process. Whoever opens it closes it. */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #closed: Promise<unknown>;
  readonly #devtools: Devtools;
  readonly #printed: () => string;
  #first: Session | undefined;

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), `gradwire-browser-${process.pid}-`));
    this.#child = startBrowser('about:blank', this.#folder);
    // noted from the beginning: it may end before it is closed
    this.#closed = once(this.#child, 'close');
    this.#printed = collect(this.#child.stderr as Readable);
    this.#devtools = new Devtools(this.#child);
  }

  /** Starts it; rejects, with what it printed, where it ends before it answers. */
  static async open(): Promise<Chromium> {
    const opened = new Chromium();
    try {
      const { targetInfos } = await opened.#devtools.ask<{ targetInfos: { targetId: string; type: string }[] }>(
        'Target.getTargets',
      );
      const first = targetInfos.find(({ type }) => type === 'page')?.targetId ?? '';
      opened.#first = new Session(opened.#devtools, first, '');
      return opened;
    } catch (error) {
      await opened.close();
      throw new Error(`${(error as Error).message}; it printed:\n${opened.#printed()}`);
    }
  }

  /** The tab that the browser opened by itself. */
  get first(): Session {
    return this.#first as Session;
  }

  /** Opens a tab, in a window of its own where that is asked for. */
  async tab(url: string, { newWindow = false }: { newWindow?: boolean } = {}): Promise<Session> {
    const { targetId } = await this.#devtools.ask<{ targetId: string }>('Target.createTarget', { url, newWindow });
    const attached = await this.#devtools.ask<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    return new Session(this.#devtools, targetId, attached.sessionId);
  }

  /** Ends the browser with all tabs, and removes its folder. */
  async close(): Promise<void> {
    endGroup(this.#child);
    await this.#closed;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
