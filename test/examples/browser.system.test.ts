// The browser example as its user has it: the trainer's own pages in a real browser, drawn on, and the trainer killed in the midst.
// watchdog: 240 s
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makePages } from '../../examples/browser/pages.ts';
import { browser } from '../support/browser.ts';
import { Chromium } from '../support/chromium.ts';
import { figure } from '../support/figures.ts';
import { needs } from '../support/needs.ts';
import { makeFolder, programsOf, writePrograms } from '../support/programs.ts';
import { type Place, Tab } from '../support/tab.ts';
import { runProgram } from './programs.ts';

const main = fileURLToPath(new URL('../../dist/examples/browser/main.js', import.meta.url));
const inBrowser = needs(test, browser, 'chromium');

const folder = mkdtempSync(join(tmpdir(), 'gradwire-browser-example-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** A running trainer of the example. */
interface Run {
  readonly url: string;
  /** The version that it started with. */
  readonly version: number;
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts the example; it is up when this resolves. */
async function start(directory: string, args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [main, '--dir', directory, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const up = new Promise<RegExpExecArray>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      const line = /^(http:\/\/127\.0\.0\.1:\d+)\/draw follows, \S+\/train trains in the tab {2}\(.*, version (\d+)\)\n/.exec(
        stdout,
      );
      if (line !== null) resolve(line);
    });
    void closed.then(() => reject(new Error(`it ended before it was up: ${stdout}${stderr}`)));
  });
  const end = async (signal: NodeJS.Signals): ReturnType<Run['end']> => {
    child.kill(signal);
    const [code] = await closed;
    return { code, stdout, stderr };
  };
  try {
    const [, url, version] = await up;
    return { url, version: Number(version), end };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

interface Status {
  readonly version: number;
  readonly digest: string;
  readonly connections: readonly { role: string; producer: string | null }[];
}

async function statusOf({ url }: Run): Promise<Status> {
  return (await (await fetch(`${url}/models/default`)).json()) as Status;
}

/** Waits until what the encoding of the updates had dropped has been published too, as it is a second after the last batch. */
async function settled({ url }: Run): Promise<void> {
  const tag = async (): Promise<string> =>
    (await fetch(`${url}/models/default/weights.safetensors`, { method: 'HEAD' })).headers.get('etag') ?? '';
  while (!(await tag()).endsWith('-settled"')) await delay(50);
}

/** Strokes in the unit square. */
const strokes: Readonly<Record<string, readonly Place[]>> = {
  7: [...line([0.27, 0.2], [0.73, 0.2]), ...line([0.73, 0.2], [0.45, 0.85])],
  1: line([0.53, 0.12], [0.47, 0.88]),
  0: Array.from({ length: 33 }, (_, i) => [0.5 + 0.24 * Math.sin((i * Math.PI) / 16), 0.5 - 0.36 * Math.cos((i * Math.PI) / 16)]),
};

function line([x, y]: Place, [toX, toY]: Place): Place[] {
  return Array.from({ length: 9 }, (_, i) => [x + ((toX - x) * i) / 8, y + ((toY - y) * i) / 8]);
}

/** Clears the canvas, and draws a digit on it. */
async function draw(tab: Tab, digit: keyof typeof strokes, options?: { touch: boolean }): Promise<void> {
  await tab.click('clear');
  await tab.evaluate('scrollTo(0, 0)');
  const [x, y, width, height] = await tab.boxOf('canvas');
  await tab.stroke(
    strokes[digit].map(([a, b]) => [x + a * width, y + b * height]),
    options,
  );
}

const isLive = `document.getElementById('status').dataset.state === 'live'`;
const versionHeld = `Number(document.getElementById('digest').dataset.version)`;
const batches = `Number(document.getElementById('batches').textContent.replaceAll(',', ''))`;
const resumed = `Number(/([0-9]+) resumed/.exec(document.getElementById('connections').textContent)[1])`;
const quick = ['--workers', '2', '--rate', '0'];

inBrowser(
  'a page reads what is drawn with live weights, and resumes when the trainer was killed; a second page trains',
  async () => {
    const directory = join(folder, 'run');
    const chromium = await Chromium.open();
    let run = await start(directory, ['--port', '0', ...quick]);
    const again = ['--port', new URL(run.url).port];
    try {
      const tab = await Tab.open(chromium, `${run.url}/draw`, { width: 900, height: 900 });
      await tab.until(isLive);
      assert.is(await tab.text('answer'), '–', 'nothing is drawn');
      await tab.until(`document.getElementById('accuracy').dataset.share > 0.9`, { deadlineMs: 60_000 });
      for (const digit of ['7', '1', '0']) {
        await draw(tab, digit);
        await tab.until(`document.getElementById('answer').textContent === '${digit}'`);
      }
      await tab.click('clear');
      assert.equal([await tab.text('answer'), await tab.text('share-0')], ['–', ''], 'control: a cleared page has no answer');
      await draw(tab, '7', { touch: true });
      await tab.until(
        `document.getElementById('answer').textContent === '7' && document.querySelector('.best b').textContent === '7'`,
      );
      const moved = await tab.evaluate<number>(versionHeld);
      await tab.until(`${versionHeld} > ${moved}`);

      await run.end('SIGKILL');
      await tab.until(`!(${isLive})`);
      assert.match(await tab.text('status'), /^(connecting|behind)$/);
      const held = await tab.evaluate<number>(versionHeld);
      run = await start(directory, [...again, ...quick]);
      assert.ok(run.version >= held, `the trainer came back at ${run.version}, the page was at ${held}`);
      await tab.until(`${isLive} && ${versionHeld} > ${run.version}`);
      // it may lack batches that were durable and not sent yet; then it gets all weights
      assert.match(await tab.text('connections'), /^2 \((1 resumed, 0 anew|0 resumed, 1 anew)\)$/);
      assert.is(await tab.text('answer'), '7', 'what was drawn is still there, and read');

      // only the tab teaches from here on
      await run.end('SIGKILL');
      run = await start(directory, [...again, '--workers', '0']);
      const train = await Tab.open(chromium, `${run.url}/train`, { width: 900, height: 900 });
      await train.until(`!document.getElementById('toggle').disabled`);
      assert.equal((await statusOf(run)).version, run.version, 'control: nobody trains yet');
      await train.click('toggle');
      await train.until(`${batches} >= 20 && ${isLive}`);
      const { connections } = await statusOf(run);
      assert.match(connections.find(({ role }) => role === 'worker')?.producer ?? '', /^tab-/);
      await train.click('toggle');
      await train.until(`document.getElementById('toggle').textContent === 'Start'`);
      const acknowledged = await train.evaluate<number>(batches);
      assert.ok(Number(await train.text('loss')) < 2, await train.text('loss'));

      await settled(run);
      const { version, digest } = await statusOf(run);
      assert.is(version, run.version + acknowledged, 'each acknowledged batch is a version');
      const isThere = `${versionHeld} === ${version} && document.getElementById('digest').textContent === '${digest}'`;
      await tab.until(isThere);

      const came = await tab.evaluate<number>(resumed);
      await run.end('SIGKILL');
      await tab.until(`!(${isLive})`);
      run = await start(directory, [...again, '--workers', '0']);
      assert.is(run.version, version, 'nothing is lost');
      await tab.until(`${isLive} && ${resumed} === ${came + 1} && ${isThere}`);
      assert.is((await statusOf(run)).digest, digest);
      assert.equal([tab.troubles.filter(isError), train.troubles.filter(isError)], [[], []]);
      figure(`the page at version ${version}, ${await tab.text('accuracy')}; ${acknowledged} batches by the tab`);
      const { code, stdout, stderr } = await run.end('SIGINT');
      assert.equal([code, stderr], [0, '']);
      assert.match(stdout, `stopped at version ${version}; the same command goes on from there`);
    } finally {
      await chromium.close();
      await run.end('SIGKILL');
    }
  },
);

inBrowser('the page of docs/TFJS.md follows its trainer', async () => {
  const markdown = readFileSync(new URL('../../docs/TFJS.md', import.meta.url), 'utf8');
  const program = programsOf(markdown).filter(({ code }) => code.includes('importmap'));
  assert.is(program.length, 1);
  const { path, remove } = makeFolder();
  const loader = fileURLToPath(new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url));
  const args = ['--import', loader, ...writePrograms(program, path), 'stay'];
  const child = spawn(process.execPath, args, { cwd: path, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const chromium = await Chromium.open();
  try {
    const [url] = await once(child.stdout, 'data');
    const tab = await Tab.open(chromium, String(url).trim(), { width: 400, height: 400 });
    const shown = await tab.until<string>(`/^version/.test(shown.textContent) && shown.textContent`);
    assert.match(shown, /^version 1, f\(1, 2\) = -?\d+\.\d{3}$/);
    // which every browser asks for by itself
    const own = tab.troubles.filter((trouble) => !trouble.endsWith('/favicon.ico'));
    assert.equal(own, []);
  } finally {
    child.kill('SIGKILL');
    await Promise.all([closed, chromium.close()]);
    remove();
  }
});

// while the trainer is down the browser tells of each connection that it could not make
function isError(trouble: string): boolean {
  return !/net::ERR_/.test(trouble);
}

test('what is served is the two pages, built modules, three packages and digits, and nothing else', async () => {
  const pages = makePages();
  const there = ['/draw', '/train', '/style.css', '/figures.css', '/rxjs.js', '/digits/test', '/digits/training/19'];
  const modules = ['/dist/streams/sockets/browser.js', '/node_modules/@tensorflow/tfjs/dist/tf.min.js'];
  for (const path of [...there, ...modules]) assert.ok(((await pages(path))?.body.length ?? 0) > 0, path);
  const elsewhere = ['/package.json', '/node_modules/ws/index.js', '/node_modules/rxjs/package.json', '/dist/.tsbuildinfo'];
  for (const path of [
    ...elsewhere,
    '/draw.html',
    '/digits/training/20',
    '/dist/none.js',
    `/dist/${'x'.repeat(300)}.js`,
    '/dist',
    '/src/layout.ts',
  ])
    assert.is(await pages(path), undefined, path);
  assert.is((await pages('/digits/training/0'))?.body.length, 3000 * 785);
});

test('bad input ends in one clear line', async () => {
  for (const mistake of ['--workers 17', '--rate fast', '--encoding f64', '--port 70000', '--bogus', 'extra']) {
    const { code, stdout, stderr } = await runProgram(main, mistake.split(' '));
    assert.is(code, 2, mistake);
    assert.is(stdout, '');
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

test('--help shows every option and an example', async () => {
  const { code, stdout } = await runProgram(main, ['--help']);
  assert.is(code, 0);
  for (const option of ['--dir', '--port', '--encoding', '--workers', '--rate']) assert.match(stdout, option);
  assert.match(stdout, 'npm run example:browser -- ');
});

test.run();
