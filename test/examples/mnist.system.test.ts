// The digits example as a newcomer runs it: real processes, TensorFlow.js, all 60,000 digits.
// watchdog: 300 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Summary } from '../../examples/mnist/summary.ts';
import { childrenOf, type Outcome, runProgram, versionReached } from './programs.ts';

const main = fileURLToPath(new URL('../../dist/examples/mnist/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'gradwire-mnist-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], during?: Parameters<typeof runProgram>[2]): Promise<Outcome> {
  return runProgram(main, args, during);
}

async function summaryOf(name: string, args: readonly string[]): Promise<Summary> {
  const { code, stdout, stderr } = await run([...args, '--json', '--port', '0', '--directory', join(folder, name)]);
  assert.is(stderr, '');
  assert.is(code, 0);
  assert.is(stdout.trimEnd().split('\n').length, 1, 'one line, alone on stdout');
  return JSON.parse(stdout);
}

for (const [encoding, leastBytes, mostBytes] of [
  ['f32', 407_080, 408_000],
  ['int8', 103_000, 407_080 / 3.9],
] as const)
  test(`one pass over 60,000 digits by three workers teaches 95 % of the test digits in ${encoding}`, async () => {
    const summary = await summaryOf(encoding, ['--encoding', encoding]);
    assert.equal([summary.digits, summary.version, summary.updates, summary.encoding], [60_000, 1875, 1875, encoding]);
    assert.is(summary.replica, summary.digest, 'the replica has the bits of the trainer');
    assert.ok((summary.stalenessMean ?? 0) > 0.5, `staleness ${summary.stalenessMean}`);
    assert.ok((summary.accuracy ?? 0) >= 0.95, `accuracy ${summary.accuracy}`);
    // the control: weights that nothing was taught to guess
    assert.ok((summary.accuracyAtStart ?? 1) < 0.25, `accuracy at the start ${summary.accuracyAtStart}`);
    const { bytesPerUpdate } = summary;
    assert.ok((bytesPerUpdate ?? 0) > leastBytes && (bytesPerUpdate ?? 0) < mostBytes, `${bytesPerUpdate} bytes per update`);
    rmSync(join(folder, encoding), { recursive: true });
  });

test('control: without learning the accuracy stays where chance has it', async () => {
  const summary = await summaryOf('control', ['--digits', '3200', '--workers', '1', '--lr', '1e-9', '--push', 'int8']);
  assert.is(summary.version, 100);
  assert.ok((summary.accuracy ?? 1) < 0.25, `accuracy ${summary.accuracy}`);
});

test('Ctrl-C in mid-run stops cleanly, and the next run goes on from there', async () => {
  const directory = join(folder, 'stopped');
  const { code, stdout, stderr } = await run(['--port', '0', '--directory', directory], async (pid, printed) => {
    await versionReached(printed, 100);
    process.kill(pid, 'SIGINT');
  });
  assert.is(stderr, '');
  assert.is(code, 0);
  assert.match(stdout, /^TensorFlow\.js \S+, (native|wasm backend)/);
  assert.match(stdout, /equal: the replica holds the weights of the trainer bit for bit/);
  const stoppedAt = Number(/^version +([\d,]+)/m.exec(stdout)?.[1].replaceAll(',', ''));
  assert.ok(stoppedAt >= 100 && stoppedAt < 1875, `stopped at ${stoppedAt}`);
  const { version, accuracyAtStart } = await summaryOf('stopped', ['--digits', '640', '--workers', '2']);
  assert.is(version, stoppedAt + 20);
  assert.ok((accuracyAtStart ?? 0) > 0.5, `accuracy at the start ${accuracyAtStart}`);
});

test('a worker that dies is reported in one line, and the others go on', async () => {
  if (process.platform !== 'linux') return;
  const args = ['--digits', '12800', '--port', '0', '--directory', join(folder, 'killed')];
  const { code, stdout, stderr } = await run(args, async (pid, printed) => {
    await versionReached(printed, 20);
    process.kill(childrenOf(pid, 'mnist/worker')[0], 'SIGKILL');
  });
  assert.match(stderr, /^worker \d was ended by SIGKILL; [^\n]+\n$/);
  assert.is(code, 1);
  assert.match(stdout, /equal: the replica holds the weights of the trainer bit for bit/);
});

test('a replica that dies is reported in one line, and the training goes on', async () => {
  if (process.platform !== 'linux') return;
  const args = ['--digits', '6400', '--port', '0', '--directory', join(folder, 'alone')];
  const { code, stdout, stderr } = await run(args, async (pid, printed) => {
    await versionReached(printed, 20);
    process.kill(childrenOf(pid, 'mnist/replica')[0], 'SIGKILL');
  });
  assert.match(stderr, /^replica 1 was ended by SIGKILL\n$/);
  assert.is(code, 1);
  assert.match(stdout, /^6,400 digits in /m);
});

test('bad input ends in one clear line', async () => {
  const mistakes = ['--epochs 0', '--workers many', '--encoding f64', '--lr 2', '--digits 60001', '--bogus', 'extra'];
  for (const mistake of mistakes) {
    const { code, stdout, stderr } = await run(mistake.split(' '));
    assert.is(code, 2, mistake);
    assert.is(stdout, '');
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

test('--help shows every option and an example', async () => {
  const { code, stdout } = await run(['--help']);
  assert.is(code, 0);
  for (const option of ['--workers', '--epochs', '--digits', '--seed', '--encoding', '--push', '--directory', '--port', '--json'])
    assert.match(stdout, option);
  assert.match(stdout, 'npm run example:mnist -- --encoding int8');
});

test.run();
