// A page of a real browser as somebody has it before them: opened at an address, looked at, clicked, drawn on, and photographed.
import { setTimeout as delay } from 'node:timers/promises';
import type { Chromium, Session } from './chromium.ts';
import type { Fields } from './devtools.ts';

/** A place in a page, in CSS pixels. */
export type Place = readonly [x: number, y: number];

/** A tab that shows a page. */
export class Tab {
  /** What went wrong in the page: errors that nobody caught, and those that the browser itself told of. */
  readonly troubles: string[] = [];
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
    session.listen((method, fields) => this.#hear(method, fields));
  }

  /** Opens an address in a tab of that size. */
  static async open(
    chromium: Chromium,
    url: string,
    { width, height, dark = false }: { width: number; height: number; dark?: boolean },
  ): Promise<Tab> {
    const session = await chromium.tab('about:blank', { newWindow: true });
    const tab = new Tab(session);
    for (const domain of ['Page', 'Runtime', 'Log']) await session.send(`${domain}.enable`);
    await session.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await session.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
    });
    await session.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    await session.send('Page.navigate', { url });
    return tab;
  }

  /** What an expression is in the page, as JSON. */
  evaluate<T>(expression: string): Promise<T> {
    return this.#session.evaluate<T>(expression);
  }

  /** What an expression is once it is true; it throws after the deadline. */
  async until<T>(expression: string, { deadlineMs = 30_000 }: { deadlineMs?: number } = {}): Promise<T> {
    for (const end = performance.now() + deadlineMs; ; ) {
      const value = await this.#session.evaluate<T>(expression).catch(() => undefined);
      if (value !== undefined && value !== null && (value as unknown) !== false && (value as unknown) !== '') return value;
      if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${expression}; ${await this.#state()}`);
      await delay(20);
    }
  }

  /** The text of the element with that id. */
  text(id: string): Promise<string> {
    return this.#session.evaluate(`document.getElementById('${id}').textContent`);
  }

  /** Clicks in the middle of the element with that id, with the mouse. */
  async click(id: string): Promise<void> {
    const [x, y, width, height] = await this.boxOf(id);
    await this.stroke([[x + width / 2, y + height / 2]]);
  }

  /** Left, top, width and height of the element with that id, as the tab shows it. */
  boxOf(id: string): Promise<[x: number, y: number, width: number, height: number]> {
    const box = `document.getElementById('${id}').getBoundingClientRect()`;
    return this.#session.evaluate(`(({ x, y, width, height }) => [x, y, width, height])(${box})`);
  }

  /** Draws along these places, with the mouse or with a finger. */
  async stroke(places: readonly Place[], { touch = false }: { touch?: boolean } = {}): Promise<void> {
    const last = places[places.length - 1];
    const names = touch ? ['touchStart', 'touchMove', 'touchEnd'] : ['mousePressed', 'mouseMoved', 'mouseReleased'];
    const tell = (name: string, [x, y]: Place): Promise<Fields> =>
      touch
        ? this.#session.send('Input.dispatchTouchEvent', { type: name, touchPoints: name === 'touchEnd' ? [] : [{ x, y }] })
        : this.#session.send('Input.dispatchMouseEvent', { type: name, x, y, button: 'left', buttons: 1, clickCount: 1 });
    await tell(names[0], places[0]);
    for (const place of places.slice(1)) await tell(names[1], place);
    await tell(names[2], last);
  }

  /** What the whole page looks like, as PNG. */
  async photograph(): Promise<Buffer> {
    const { data } = await this.#session.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
    return Buffer.from(String(data), 'base64');
  }

  #hear(method: string, fields: Fields): void {
    const { exceptionDetails, entry } = fields as {
      exceptionDetails?: { exception?: Fields; text: string };
      entry?: { level: string; text: string; url?: string };
    };
    if (method === 'Runtime.exceptionThrown')
      this.troubles.push(String(exceptionDetails?.exception?.description ?? exceptionDetails?.text));
    if (entry?.level === 'error') this.troubles.push(`${entry.text} ${entry.url}`);
  }

  async #state(): Promise<string> {
    const text = await this.#session.evaluate<string>('document.body.innerText').catch(String);
    return `the page says ${JSON.stringify(text)}, and its troubles are ${[...new Set(this.troubles)].join(', ') || 'none'}`;
  }
}
