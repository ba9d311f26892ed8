// The browser harness itself: what a page may do, and that nothing that goes wrong in it is lost.
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BrowserOptions, browser, runInBrowser } from '../support/browser.ts';
import { Chromium } from '../support/chromium.ts';
import { needs } from '../support/needs.ts';
import type { Ask } from './probe.ts';

const inBrowser = needs(test, browser, 'chromium');
// all of them pass before the watchdog of the file, so that their errors are seen
const deadlineMs = 15_000;
const ask = (what: Ask, options: BrowserOptions = { deadlineMs }): Promise<unknown> =>
  runInBrowser('test/browser/probe.ts', what, options);

/** The message of the error that a promise ends with. */
function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => `no error: ${JSON.stringify(value)}`,
    (error: Error) => error.message,
  );
}

inBrowser('a page has shared WebAssembly memory', async () => {
  assert.equal(await ask('shared memory'), { isolated: true, shared: 65_536 });
});

inBrowser('an error in the page is the error of the test, whenever it is thrown', async () => {
  assert.match(await messageOf(ask('throw')), /probe\.ts failed in .*RangeError: thrown in the page\n.*probe\.ts:/);
  assert.match(await messageOf(ask('throw later')), /RangeError: thrown later in the page/);
  assert.match(await messageOf(ask('reject later')), /RangeError: rejected in the page/);
});

inBrowser('a module that is not there is named', async () => {
  assert.match(await messageOf(runInBrowser('dist/src/none.js', 0, { deadlineMs })), /not there.*\/dist\/src\/none\.js \(ENOENT/);
});

inBrowser('a page reaches nothing by a name: of all servers it knows only its own', async () => {
  const itself = await messageOf(ask('reach itself'));
  assert.match(itself, /Error: fetched/);
  assert.match(itself, '/reached (not served)');
  const named = await messageOf(ask('reach a name'));
  assert.match(named, /TypeError: Failed to fetch/);
  assert.not.match(named, '/reached');
});

inBrowser('a page without a result ends at the deadline, with what the browser printed, and leaves no folder', async () => {
  assert.match(await messageOf(ask('hang', { deadlineMs: 2000 })), /gave no result in .* within 2000 ms; it printed:\n/);
  assert.equal(
    readdirSync(tmpdir()).filter((name) => name.startsWith(`gradwire-browser-${process.pid}-`)),
    [],
  );
});

inBrowser('a browser that has ended says so to whoever asks it, and may be closed once more', async () => {
  const chromium = await Chromium.open();
  await chromium.close();
  assert.is(await messageOf(chromium.tab('about:blank')), 'the browser ended');
  await chromium.close();
});

test.run();
