// The Python programs in examples/python, which have no gradwire code, against a real trainer: same bits, over HTTP and WebSocket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf } from '../../src/digest.ts';
import { layout } from '../../src/layout.ts';
import type { ServeOptions } from '../../streams/sockets/index.ts';
import { type Trainer, trainer } from '../../streams/trainer.ts';
import { figure } from '../support/figures.ts';
import { needsModule } from '../support/needs.ts';

const python = '/usr/bin/python3';
const folder = fileURLToPath(new URL('../../examples/python', import.meta.url));
const cars = fileURLToPath(new URL('../../node_modules/vega-datasets/data/cars.json', import.meta.url));
const steps = 300;

/** Runs a program to its end; what it printed. */
async function runPython(script: string, parameters: readonly string[], token?: string): Promise<string> {
  const { GRADWIRE_TOKEN: _, ...environment } = process.env;
  const env = token === undefined ? environment : { ...environment, GRADWIRE_TOKEN: token };
  const child = spawn(python, [join(folder, script), ...parameters], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${errors}`);
  return output;
}

async function withTrainer(
  listen: ServeOptions,
  body: (t: Trainer<'w' | 'b'>, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'gradwire-python-'));
  const model = layout({ w: [4, 1], b: [1] });
  const t = await trainer({ model, directory: join(directory, 'run'), optimizer: { lr: 0.1 }, listen });
  try {
    await body(t, directory);
  } finally {
    await t.close();
    await rm(directory, { recursive: true });
  }
}

/** A replica beside a worker, both in Python: the replica's bytes are the trainer's, and the model has learned. */
async function learn(worker: string, replica: string, listen: ServeOptions = {}, token?: string): Promise<void> {
  await withTrainer(listen, async (t, directory) => {
    const out = join(directory, 'weights.bin');
    const following = runPython(replica, [t.url, out, String(steps)], token);
    const learned = runPython(worker, [t.url, cars, String(steps)], token);
    const [followed, told] = await Promise.all([following, learned]);
    assert.equal(new Uint8Array(await readFile(out)), bytesOf(t.weights.flat));
    assert.is(t.version, steps);
    // a car goes 23 miles on a gallon on average, and always saying that is off by 6.5
    const off = Number(/off by (\d+\.\d)/.exec(told)?.[1]);
    assert.ok(off < 4, told);
    figure(`${worker} and ${replica}: ${followed.trim()}; off by ${off} miles per gallon`);
  });
}

const withNumpy = needsModule(test, python, 'numpy', 'python3-numpy');
const withWebsockets = needsModule(test, python, 'websockets, numpy', 'python3-websockets');

withNumpy('a Python worker and replica over HTTP, without gradwire code, hold the bits of the trainer', () =>
  learn('worker.py', 'replica.py'),
);

withWebsockets('a Python worker and replica over WebSocket, without gradwire code, hold the bits of the trainer', () =>
  learn('ws_worker.py', 'ws_replica.py'),
);

withWebsockets('a trainer that asks for tokens is served by all four, with a token from the environment', async () => {
  const tokens = [{ token: 'for-python-alone-0123', scopes: ['read', 'push'] }] as const;
  await learn('worker.py', 'ws_replica.py', { tokens }, tokens[0].token);
  await learn('ws_worker.py', 'replica.py', { tokens }, tokens[0].token);
});

withNumpy('control: without that token they end with what the trainer says', () =>
  withTrainer({ tokens: [{ token: 'another', scopes: ['read', 'push'] }] }, async (t, directory) => {
    const refusal = await runPython('replica.py', [t.url, join(directory, 'weights.bin'), '1']).catch(
      (error: Error) => error.message,
    );
    assert.match(refusal, /AssertionError: .*E_FORBIDDEN/);
    assert.is(t.version, 0);
  }),
);

test('each of the Python programs has at most 40 lines, and imports nothing of gradwire', async () => {
  const scripts = (await readdir(folder)).filter((name) => name.endsWith('.py'));
  assert.equal(scripts.sort(), ['replica.py', 'worker.py', 'ws_replica.py', 'ws_worker.py']);
  for (const name of scripts) {
    const source = await readFile(join(folder, name), 'utf8');
    assert.ok(source.trimEnd().split('\n').length <= 40, `${name} has ${source.split('\n').length} lines`);
    assert.not.match(source, /^\s*(import|from) .*gradwire/m);
  }
});

test.run();
