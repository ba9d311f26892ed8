// A real browser for tests: runs one module in a page of a headless Chromium and gives what it returned.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { endGroup } from './group.ts';
import { servePage } from './page.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser of this machine, for `needs(test, browser, 'chromium')`: the first that PATH has, else `chromium`. */
export const browser: string = names.find((name) => spawnSync('sh', ['-c', 'command -v "$0"', name]).status === 0) ?? 'chromium';

/** What {@link runInBrowser} may be told. */
export interface BrowserOptions {
  /** From the start of the browser to the result, 60 s unless told. */
  readonly deadlineMs?: number;
  /** The port of this machine where WebSockets to the page's own origin lead. */
  readonly socketPort?: number;
}

/**
 * What `run(argument)` of a module returns in a browser. `modulePath` is seen from the repository's top:
 * `test/browser/fold.ts`, or a built file below `dist/`. Argument and result travel as JSON. The page is cross-origin
 * isolated, so it has `SharedArrayBuffer`; no host name leads anywhere.
 *
 * Rejects with the page's error and its stack, or, when the browser ends or the deadline passes, with what it printed.
 * The browser and its folder are gone when this settles.
 */
export async function runInBrowser(
  modulePath: string,
  argument: unknown,
  { deadlineMs = 60_000, socketPort }: BrowserOptions = {},
): Promise<unknown> {
  const page = await servePage(modulePath, argument, socketPort);
  const folder = mkdtempSync(join(tmpdir(), `gradwire-browser-${process.pid}-`));
  const child = startBrowser(page.url, folder);
  const printed = collect(child.stderr as Readable);
  const closed = once(child, 'close');
  let timer: NodeJS.Timeout | undefined;
  try {
    const silent = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, deadlineMs, `${modulePath} gave no result in ${browser} within ${deadlineMs} ms`);
      closed.then(
        ([code, signal]) => resolve(`${browser} ended with ${signal ?? code} before ${modulePath} gave a result`),
        (error: Error) => resolve(`${browser} did not start: ${error.message}`),
      );
    });
    const outcome = await Promise.race([page.outcome, silent]);
    if (typeof outcome === 'string') throw new Error(`${outcome}${page.missing()}; it printed:\n${printed()}`);
    if (outcome.error !== undefined) throw new Error(`${modulePath} failed in ${browser}: ${outcome.error}${page.missing()}`);
    return outcome.result;
  } finally {
    clearTimeout(timer);
    endGroup(child);
    await closed.catch(() => undefined);
    page.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

const quiet = [
  '--headless=new',
  '--disable-gpu',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-extensions',
  '--disable-sync',
  '--disable-component-update',
  '--disable-background-networking',
  '--disable-breakpad',
  '--disable-dev-shm-usage',
  '--password-store=basic',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Starts the browser in a process group of its own, at an address and with its files in a folder. Its fourth and fifth stream take and give the DevTools protocol. */
export function startBrowser(url: string, folder: string): ChildProcess {
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  // whether or not somebody speaks through the pipe: where a test is killed, its end ends the browser
  return spawn(browser, [...quiet, ...root, '--remote-debugging-pipe', `--user-data-dir=${folder}`, url], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
}

/** The last of what a stream said, read all the time so that its writer never waits. */
export function collect(stream: Readable, most: number = 8000): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-most);
  });
  return () => text.trimEnd();
}
