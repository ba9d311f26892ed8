// Tabs of a real browser for tests of whole pages: opened at an address, looked at, clicked, drawn on, and photographed.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { startBrowser } from './browser.ts';
import { endGroup } from './group.ts';

type Fields = Record<string, unknown>;

/** A place in a page, in CSS pixels. */
export type Place = readonly [x: number, y: number];

/** A headless Chromium that is spoken to by the DevTools protocol. Whoever starts it closes it. */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #waiting = new Map<number, { resolve(result: Fields): void; reject(error: Error): void }>();
  readonly #heard: ((session: string, method: string, fields: Fields) => void)[] = [];
  #last = 0;
  #rest = '';

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), `gradwire-browser-${process.pid}-`));
    this.#child = startBrowser('about:blank', this.#folder);
    this.#child.stderr?.resume();
    (this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    (this.#child.stdio[3] as Writable).on('error', () => undefined);
    this.#child.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has ended'));
    });
  }

  /** Opens an address in a tab of that size. */
  async open(url: string, { width, height, dark = false }: { width: number; height: number; dark?: boolean }): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', newWindow: true });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const session = String(sessionId);
    const tab = new Tab((method, fields) => this.send(method, fields, session));
    this.#heard.push((from, method, fields) => from === session && tab.hear(method, fields));
    for (const domain of ['Page', 'Runtime', 'Log']) await tab.send(`${domain}.enable`);
    await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await tab.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
    });
    await tab.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    await tab.send('Page.navigate', { url });
    return tab;
  }

  /** One command of the protocol. */
  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#last;
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Ends the browser, and removes its folder. */
  async close(): Promise<void> {
    const closed = once(this.#child, 'close');
    endGroup(this.#child);
    await closed;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }

  #hear(text: string): void {
    const parts = (this.#rest + text).split('\0');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) {
      const { id, result, error, method, params, sessionId } = JSON.parse(part);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== undefined) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
      if (method !== undefined) for (const each of this.#heard) each(sessionId, method, params);
    }
  }
}

/** One tab. */
export class Tab {
  /** What went wrong in the page: errors that nobody caught, and those that the browser itself told of. */
  readonly troubles: string[] = [];
  readonly send: (method: string, fields?: Fields) => Promise<Fields>;

  constructor(send: (method: string, fields?: Fields) => Promise<Fields>) {
    this.send = send;
  }

  /** An event of the protocol. */
  hear(method: string, fields: Fields): void {
    const { exceptionDetails, entry } = fields as {
      exceptionDetails?: { exception?: Fields; text: string };
      entry?: { level: string; text: string; url?: string };
    };
    if (method === 'Runtime.exceptionThrown')
      this.troubles.push(String(exceptionDetails?.exception?.description ?? exceptionDetails?.text));
    if (entry?.level === 'error') this.troubles.push(`${entry.text} ${entry.url}`);
  }

  /** What an expression is in the page, as JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** What an expression is once it is true; it throws after the deadline. */
  async until<T>(expression: string, { deadlineMs = 30_000 }: { deadlineMs?: number } = {}): Promise<T> {
    for (const end = performance.now() + deadlineMs; ; ) {
      const value = await this.evaluate<T>(expression).catch(() => undefined);
      if (value !== undefined && value !== null && (value as unknown) !== false && (value as unknown) !== '') return value;
      if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${expression}; ${await this.#state()}`);
      await delay(20);
    }
  }

  /** The text of the element with that id. */
  text(id: string): Promise<string> {
    return this.evaluate(`document.getElementById('${id}').textContent`);
  }

  /** Clicks in the middle of the element with that id, with the mouse. */
  async click(id: string): Promise<void> {
    const [x, y, width, height] = await this.boxOf(id);
    await this.stroke([[x + width / 2, y + height / 2]]);
  }

  /** Left, top, width and height of the element with that id, as the tab shows it. */
  boxOf(id: string): Promise<[x: number, y: number, width: number, height: number]> {
    const box = `document.getElementById('${id}').getBoundingClientRect()`;
    return this.evaluate(`(({ x, y, width, height }) => [x, y, width, height])(${box})`);
  }

  /** Draws along these places, with the mouse or with a finger. */
  async stroke(places: readonly Place[], { touch = false }: { touch?: boolean } = {}): Promise<void> {
    const last = places[places.length - 1];
    const names = touch ? ['touchStart', 'touchMove', 'touchEnd'] : ['mousePressed', 'mouseMoved', 'mouseReleased'];
    const tell = (name: string, [x, y]: Place): Promise<Fields> =>
      touch
        ? this.send('Input.dispatchTouchEvent', { type: name, touchPoints: name === 'touchEnd' ? [] : [{ x, y }] })
        : this.send('Input.dispatchMouseEvent', { type: name, x, y, button: 'left', buttons: 1, clickCount: 1 });
    await tell(names[0], places[0]);
    for (const place of places.slice(1)) await tell(names[1], place);
    await tell(names[2], last);
  }

  /** What the whole page looks like, as PNG. */
  async photograph(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
    return Buffer.from(String(data), 'base64');
  }

  async #state(): Promise<string> {
    const text = await this.evaluate<string>('document.body.innerText').catch(String);
    return `the page says ${JSON.stringify(text)}, and its troubles are ${[...new Set(this.troubles)].join(', ') || 'none'}`;
  }
}
