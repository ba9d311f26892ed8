// The main example as a newcomer runs it: real processes, real data, few flights.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Summary } from '../../examples/flights/summary.ts';
import { childrenOf, type Outcome, runProgram, versionReached } from './programs.ts';

const main = fileURLToPath(new URL('../../dist/examples/flights/main.js', import.meta.url));
const gradwire = fileURLToPath(new URL('../../dist/streams/service/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'gradwire-flights-'));
const directory = join(folder, 'run');
test.after(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], during?: Parameters<typeof runProgram>[2], script = main): Promise<Outcome> {
  return runProgram(script, args, during);
}

async function summaryOf(args: readonly string[]): Promise<Summary> {
  const { code, stdout, stderr } = await run([...args, '--quiet', '--port', '0', '--directory', directory]);
  assert.is(stderr, '');
  assert.is(code, 0);
  assert.is(stdout.trimEnd().split('\n').length, 1, 'one line, alone on stdout');
  return JSON.parse(stdout);
}

/** The digest that `gradwire replay` prints. */
async function replayed(path: string | null | undefined): Promise<string> {
  const { code, stdout, stderr } = await run(['replay', String(path), '--json'], undefined, gradwire);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout).digest;
}

let version = 0;

test('a run learns the flights, and every replica ends with the digest of the trainer', async () => {
  const summary = await summaryOf(['--limit', '20000']);
  assert.is(summary.flights, 20_000);
  assert.is(summary.version, 313); // 4 ranges of 64 batches, and 3,616 flights in 57
  assert.ok(summary.seconds > 0);
  assert.ok((summary.auc ?? 0) > 0.6, `AUC ${summary.auc}`);
  assert.ok((summary.logLoss ?? 9) < 0.7, `log loss ${summary.logLoss}`);
  assert.match(summary.digest, /^[0-9a-f]{16}$/);
  assert.equal(summary.replicas, [
    { version: 313, digest: summary.digest },
    { version: 313, digest: summary.digest },
  ]);
  version = summary.version;
});

test('a second run with the same directory goes on from the stored version', async () => {
  const summary = await summaryOf(['--limit', '5000', '--workers', '1', '--replicas', '1', '--batch', '50']);
  assert.is(summary.flights, 5_000);
  assert.is(summary.version, version + 100);
  assert.equal(summary.replicas, [{ version: summary.version, digest: summary.digest }]);
  version = summary.version;
});

test('Ctrl-C in mid-run stops cleanly, and the next run goes on from there', async () => {
  const { code, stdout, stderr } = await run(['--port', '0', '--directory', directory], async (pid, printed) => {
    await versionReached(printed, version + 200);
    process.kill(pid, 'SIGINT');
  });
  assert.is(stderr, '');
  assert.is(code, 0);
  assert.match(stdout, /equal: 2 replicas hold the weights of the trainer bit for bit/);
  const stoppedAt = Number(/^version ([\d,]+)/m.exec(stdout)?.[1].replaceAll(',', ''));
  assert.ok(stoppedAt >= version + 200, `stopped at ${stoppedAt}`);
  assert.is(await replayed(/^replay +npx gradwire replay (\S+)$/m.exec(stdout)?.[1]), /^trainer +(\w+)$/m.exec(stdout)?.[1]);
  const summary = await summaryOf(['--limit', '640', '--replicas', '0']);
  assert.is(summary.version, stoppedAt + 10);
  assert.equal(summary.replicas, []);
});

test('the recording in the summary replays all runs of the directory to the digest of the last', async () => {
  const { digest, recording } = await summaryOf(['--limit', '64']);
  assert.is(await replayed(recording), digest);
});

test('a worker that dies is reported in one line, and the others go on', async () => {
  if (process.platform !== 'linux') return;
  const elsewhere = join(folder, 'killed');
  const { code, stdout, stderr } = await run(
    ['--limit', '60000', '--port', '0', '--directory', elsewhere],
    async (pid, printed) => {
      await versionReached(printed, 20);
      process.kill(childrenOf(pid, 'flights/worker')[0], 'SIGKILL');
    },
  );
  assert.match(stderr, /^worker \d was ended by SIGKILL; [^\n]+\n$/);
  assert.is(code, 1);
  assert.match(stdout, /equal: 2 replicas hold the weights of the trainer bit for bit/);
});

test('bad input ends in one clear line', async () => {
  for (const args of [['--limit', 'many'], ['--workers', '0'], ['--batch', '-1'], ['--bogus'], ['extra'], ['--port', '70000']]) {
    const { code, stdout, stderr } = await run(args);
    assert.is(code, 2, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

test('a directory that cannot be one ends in one clear line, and leaves no process behind', async () => {
  const { code, stdout, stderr } = await run(['--port', '0', '--directory', main]);
  assert.is(code, 1);
  assert.is(stdout, '');
  assert.match(stderr, /^E_[A-Z]+: [^\n]+\n$/);
});

test('whoever reads the output may stop before its end', async () => {
  const command = `"${process.execPath}" dist/examples/flights/main.js --limit 20000 --port 0 --directory "${join(folder, 'head')}" | head -c 1`;
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], { stdio: ['ignore', 'ignore', 'pipe'] });
  const stderr = text(child.stderr);
  const [code] = await once(child, 'close');
  assert.equal([code, await stderr], [0, '']);
});

test('--help shows every option and an example', async () => {
  const { code, stdout } = await run(['--help']);
  assert.is(code, 0);
  for (const option of ['--limit', '--workers', '--replicas', '--batch', '--directory', '--port', '--quiet'])
    assert.match(stdout, option);
  assert.match(stdout, 'npm start -- --limit');
});

test.run();
