// The federated example as a newcomer runs it: real processes with shards of their own, rounds, and one that is killed.
// watchdog: 400 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shardsOf } from '../../examples/federated/shards.ts';
import type { Summary } from '../../examples/federated/summary.ts';
import { readDigits } from '../../examples/mnist/digits.ts';
import { GradwireError } from '../../src/errors.ts';
import { connect } from '../../streams/sockets/index.ts';
import { recompute } from './federated.recomputed.ts';
import { childrenOf, type Outcome, runProgram, statusOf, versionReached } from './programs.ts';

const main = fileURLToPath(new URL('../../dist/examples/federated/main.js', import.meta.url));
const gradwire = fileURLToPath(new URL('../../dist/streams/service/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'gradwire-federated-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// longer than a test lasts
const never = '3600000';

function run(name: string, args: string, during?: Parameters<typeof runProgram>[2]): Promise<Outcome> {
  return runProgram(main, [...args.split(' '), '--port', '0', '--directory', join(folder, name)], during);
}

async function summaryOf(name: string, args: string, stderr = /^$/): Promise<Summary> {
  const outcome = await run(name, `${args} --json`);
  assert.match(outcome.stderr, stderr);
  assert.is(outcome.code, 0);
  assert.is(outcome.stdout.trimEnd().split('\n').length, 1, 'one line, alone on stdout');
  return JSON.parse(outcome.stdout);
}

test('one pass of four workers over shards of 3,200 digits each teaches 85 % of the test digits', async () => {
  const summary = await summaryOf('pass', `--digits 12800 --encoding-up f32 --deadline ${never}`);
  assert.equal([summary.rounds, summary.fullRounds, summary.version, summary.digits], [100, 100, 100, 12_800]);
  assert.ok((summary.accuracy ?? 0) >= 0.85, `accuracy ${summary.accuracy}`);
  // the control: weights that nothing was taught to guess
  assert.ok((summary.accuracyAtStart ?? 1) < 0.25, `accuracy at the start ${summary.accuracyAtStart}`);
  assert.is(summary.replica, summary.digest, 'the replica has the bits of the trainer');
  assert.is(summary.workers.length, 4);
  for (const { digits, rounds, missed, late, bytesPerBatch } of summary.workers) {
    assert.equal([digits, rounds, missed, late], [3200, 100, 0, 0]);
    assert.ok(Number(bytesPerBatch) > 407_080 && Number(bytesPerBatch) < 409_000, `${bytesPerBatch} bytes a batch`);
  }
});

test('its recording verifies, and replays to the digest of the run', async () => {
  const { digest } = await summaryOf('verified', `--digits 640 --workers 2 --skew 0.5 --deadline ${never}`);
  const directory = join(folder, 'verified');
  const verified = await runProgram(gradwire, ['verify', directory, '--json']);
  assert.is(verified.code, 0, verified.stderr);
  const replayed = await runProgram(gradwire, ['replay', directory, '--json']);
  assert.is(JSON.parse(replayed.stdout).digest, digest);
});

test('every round folds the mean of its workers’ batches, each of which is of that worker’s shard', async () => {
  const { digest, seed, lr } = {
    seed: 7,
    lr: 0.003,
    ...(await summaryOf('means', `--digits 2560 --seed 7 --encoding-up f32 --deadline ${never}`)),
  };
  const { labels } = readDigits('training');
  const shards = shardsOf(labels.subarray(0, 2560), { workers: 4, skew: 0, seed });
  const recorded = { directory: join(folder, 'means'), roundsOfPass: 20, seed, lr };
  assert.equal(await recompute({ ...recorded, shards }), { rounds: 20, batches: 80, digest });
  // the control: shards that have changed hands
  const swapped = [shards[1], shards[0], ...shards.slice(2)];
  const message = await recompute({ ...recorded, shards: swapped }).then(String, String);
  assert.match(message, 'version 1 has another batch of worker-1 than its shard gives');
});

test('a worker that is killed holds no round beyond the deadline, and takes part again when it is back', async () => {
  if (process.platform !== 'linux') return;
  const args = '--digits 3200 --workers 3 --epochs 1000 --deadline 300';
  const { code, stdout, stderr } = await run('killed', args, async (pid, printed) => {
    const before = await versionReached(printed, 10);
    process.kill(childrenOf(pid, '"number":2')[0], 'SIGKILL');
    await versionReached(printed, before + 4);
    await roundWith(printed, 'worker-2', false);
    await roundWith(printed, 'worker-2', true);
    process.kill(pid, 'SIGINT');
  });
  assert.is(code, 0);
  assert.match(stderr, /^worker 2 was ended by SIGKILL; the rounds go on without it, and it is started again in 2 s\n$/);
  assert.match(stdout, /^worker 2 is back$/m);
  assert.match(stdout, /equal: the replica holds the weights of the trainer bit for bit/);
  const [, rounds, missed] = /^worker 2 +rounds ([\d,]+), missed (\d+),/m.exec(stdout) ?? [];
  assert.ok(Number(missed) > 0, `missed ${missed} of ${rounds}`);
  const [, short] = /short (\d+), at the deadline$/m.exec(stdout) ?? [];
  assert.ok(Number(short) >= Number(missed), `short ${short}`);
});

test('control: without a deadline the rounds wait for it', async () => {
  if (process.platform !== 'linux') return;
  const args = `--digits 3200 --workers 2 --epochs 1000 --deadline ${never}`;
  const { code } = await run('waiting', args, async (pid, printed) => {
    await versionReached(printed, 10);
    process.kill(childrenOf(pid, '"number":2')[0], 'SIGKILL');
    const { version: stopped } = await statusOf(printed);
    let last = stopped;
    for (
      let { version } = await statusOf(printed);
      !printed().includes('worker 2 is back');
      { version } = await statusOf(printed)
    ) {
      last = version;
      await delay(20);
    }
    // with what was under way when it died
    assert.ok(last <= stopped + 2, `version ${last}, it was ${stopped} when the worker died`);
    process.kill(pid, 'SIGINT');
  });
  assert.is(code, 0);
});

test('--drop kills a worker in the middle of a run that makes all its rounds, with few bytes up in topk', async () => {
  const args = '--digits 1280 --workers 2 --deadline 300 --drop --encoding-up topk';
  const summary = await summaryOf('dropped', args, /^worker 1 was ended by SIGKILL; [^\n]+\n$/);
  assert.ok(summary.rounds >= 20, `${summary.rounds} rounds`);
  const [first] = summary.workers;
  assert.ok(first.missed > 0, `missed ${first.missed}`);
  assert.is(first.missed + first.rounds, summary.rounds);
  assert.ok(Number(first.bytesPerBatch) < 20_000, `${first.bytesPerBatch} bytes a batch`);
  assert.is(summary.replica, summary.digest);
});

test('a worker from elsewhere joins at the WebSocket address, and rounds of one more batch wait for it', async () => {
  const args = `--digits 640 --workers 2 --round 3 --deadline ${never}`;
  const { code, stdout, stderr } = await run('elsewhere', args, async (_, printed) => {
    await versionReached(printed, 0);
    const line = /^2 workers here, each with 320 digits of its own; a round waits for 1 more, which join at (ws:\S+)$/m;
    while (!line.test(printed())) await delay(20);
    const tab = connect(String(line.exec(printed())?.[1]), { role: 'worker', producer: 'tab' });
    await tab.ready;
    const gradients = { 'out/bias': new Float32Array(10) };
    try {
      for (let i = 0; i < 10; i++) await tab.push({ gradients });
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
    }
    await tab.close();
  });
  assert.is(stderr, '');
  assert.is(code, 0);
  assert.match(stdout, /^10 rounds in /m);
  assert.match(stdout, /^version +10, each the mean of 3 batches; short 0, at the deadline$/m);
  assert.match(stdout, /^elsewhere +tab: rounds 10$/m);
});

test('a second run with the same directory goes on from the stored version', async () => {
  const args = `--digits 640 --workers 2 --deadline ${never}`;
  const { version } = await summaryOf('verified', args);
  assert.is(version, 20);
});

test('bad input ends in one clear line', async () => {
  const mistakes = [
    '--workers 0',
    '--skew 1.5',
    '--encoding-up f64',
    '--drop first',
    '--deadline 0',
    '--digits 3',
    '--bogus',
    'extra',
  ];
  for (const mistake of mistakes) {
    const { code, stdout, stderr } = await runProgram(main, mistake.split(' '));
    assert.is(code, 2, mistake);
    assert.is(stdout, '');
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

test('--help shows every option and an example', async () => {
  const { code, stdout } = await runProgram(main, ['--help']);
  assert.is(code, 0);
  const names =
    'workers round deadline skew drop epochs digits batch lr seed encoding encoding-up allow-origin directory port json';
  for (const name of names.split(' ')) assert.match(stdout, `--${name} `);
  assert.match(stdout, 'npm run example:federated -- --skew 0.5');
});

/** Resolves when the last round had a batch of the producer, or none. */
async function roundWith(printed: () => string, producer: string, wanted: boolean): Promise<void> {
  for (;;) {
    const { synchronous } = await statusOf(printed);
    if (synchronous?.last?.includes(producer) === wanted) return;
    await delay(20);
  }
}

test.run();
