// `gradwire replay` as an instrument: parts by version and time, original timing, and pushes into another trainer, exactly once.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { replay, takeUntilVersion } from '../../streams/recordings/index.ts';
import { connect } from '../../streams/sockets/index.ts';
import { all } from '../recordings/runs.ts';
import { type Running, run, start } from '../support/gradwire.ts';

type Facts = Record<string, unknown>;
const test = suite('gradwire replay', { directory: '', servers: [] as Running[] });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  context.servers = [];
  await writeFile(join(context.directory, 'model.json'), '{"w": [50], "table": [20, 4]}');
});
test.after.each(async ({ directory, servers }) => {
  for (const { child } of servers) child.kill('SIGKILL');
  await Promise.all(servers.map(({ ended }) => ended));
  await rm(directory, { recursive: true, force: true });
});

/** A trainer of its own; its address. */
async function serve(context: { directory: string; servers: Running[] }, name: string, ...more: string[]): Promise<string> {
  const { directory, servers } = context;
  const server = start(
    ...['serve', '--model', join(directory, 'model.json'), '--directory', join(directory, name), '--port', '0'],
    ...['--lr', '0.05', ...more],
  );
  servers.push(server);
  return await server.line();
}

/** Pushes `count` batches, dense and rows; the digest at the end. */
async function train(url: string, count: number): Promise<string> {
  const worker = connect(url, { role: 'worker', producer: 'w' });
  await worker.ready;
  for (let i = 0; i < count; i += 8) {
    await Promise.all(
      Array.from({ length: Math.min(8, count - i) }, (_, j) => {
        const w = Float32Array.from({ length: 50 }, (_each, k) => Math.sin(i + j + k));
        const table = { rows: Int32Array.of((i + j) % 20), values: new Float32Array(4).fill(Math.cos(i + j)) };
        return worker.push({ gradients: (i + j) % 2 === 0 ? { w } : { w, table }, examples: 2, loss: 0.5, time: i });
      }),
    );
  }
  const digest = worker.digest();
  await worker.close();
  return digest;
}

async function json(...parameters: string[]): Promise<Facts> {
  const { code, stdout, stderr } = await run('replay', ...parameters, '--json');
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as Facts;
}

/** A recording of `count` batches, its trainer stopped. */
async function recorded(context: { directory: string; servers: Running[] }, count: number, ...more: string[]) {
  const digest = await train(await serve(context, 'run', ...more), count);
  const [server] = context.servers;
  server.child.kill('SIGINT');
  assert.is((await server.ended).code, 0);
  return { path: join(context.directory, 'run'), digest };
}

test('--from and --until take versions and times, and a fold from later comes to the same bits', async (context) => {
  const { path, digest } = await recorded(context, 60, '--snapshot-every', '20');
  const whole = await json(path);
  assert.equal([whole.version, whole.digest, whole.batches, whole.start], [60, digest, 60, 0]);
  assert.not('reachedUntil' in whole);
  const part = await json(path, '--from', '45', '--until', '60');
  assert.equal([part.version, part.digest, part.batches, part.from, part.reachedUntil], [60, digest, 15, 45, true]);
  assert.ok(Number(part.start) > 0 && Number(part.start) <= 45, 'a snapshot was the start');
  const early = await json(path, '--until', '10');
  const later = await json(path, '--from', '5', '--until', '10');
  assert.equal([later.digest, later.batches], [early.digest, 5]);

  const written = (await all(replay(path))).map(({ writtenMs }) => writtenMs);
  const time = written[30];
  const before = written.filter((each) => each < time).length;
  const upTo = written.filter((each) => each <= time).length;
  const timed = await json(path, '--from', new Date(time).toISOString());
  assert.equal([timed.from, timed.batches, timed.digest], [before, 60 - before, digest]);
  const until = await json(path, '--until', new Date(time).toISOString());
  assert.equal([until.version, until.reachedUntil], [upTo, true]);

  const lr = await json(path, '--lr', '0.5');
  assert.is((await json(path, '--lr', '0.5', '--from', '45')).digest, lr.digest, 'no snapshot of another history is taken');
  assert.is((await all(replay(path).pipe(takeUntilVersion(7)))).length, 7);
});

test('a recording that ends before --until says so, and its exit code stays 0', async (context) => {
  const { path, digest } = await recorded(context, 10);
  for (const until of ['99999', '2999-01-01']) {
    const { code, stdout, stderr } = await run('replay', path, '--until', until, '--json');
    assert.is(code, 0);
    assert.match(stderr, /the recording ends at version 10/);
    const { digest: found, reachedUntil } = JSON.parse(stdout) as Facts;
    assert.equal([found, reachedUntil], [digest, false]);
  }
  assert.is((await json(path, '--speed', '1000')).digest, digest);
});

test('what is no version, time or factor is refused with exit code 2', async (context) => {
  const { path } = await recorded(context, 4);
  for (const [message, ...parameters] of [
    [/must be a number above 0/, '--speed', '0'],
    [/must be a number above 0/, '--speed', '-1'],
    [/must be a number/, '--speed', 'NaN'],
    [/must be a version, or a time/, '--from', 'yesterday'],
    [/must be a version, or a time/, '--from', '2026-02-30T00:00:00Z'],
    [/must be a version, or a time/, '--until', '2026-11-23T08:00:00'],
    [/must be a version, or a time/, '--until', '-1'],
    [/lies before --from/, '--from', '3', '--until', '2'],
    [/lies beyond the end/, '--from', '5'],
    [/lies beyond the end/, '--from', '2999-01-01'],
    [/--skip-refused is for --to/, '--skip-refused'],
    [/--lr is for folding here/, '--to', 'http://127.0.0.1:9', '--lr', '1'],
    [/--out is for folding here/, '--to', 'http://127.0.0.1:9', '--out', 'x'],
    [/no batch in that part/, '--to', 'http://127.0.0.1:9', '--from', '4'],
    [/integer from 1 to 8/, '--to', 'http://127.0.0.1:9', '--in-flight', '0'],
  ] as [RegExp, ...string[]][]) {
    const { code, stderr } = await run('replay', path, ...parameters);
    assert.is(code, 2, parameters.join(' '));
    assert.match(stderr, message);
  }
});

test('pushed into a fresh trainer, cut by kill -9 half way and run again, it comes to the recording’s digest', async (context) => {
  const { path, digest } = await recorded(context, 200);
  const url = await serve(context, 'target');
  const watcher = connect(url);
  await watcher.ready;
  const first = start('replay', path, '--to', url);
  await watcher.reached(70);
  first.child.kill('SIGKILL');
  assert.is((await first.ended).signal, 'SIGKILL');
  assert.ok(watcher.version < 200, 'it was cut');
  await watcher.close();
  const again = await json(path, '--to', url);
  assert.equal([again.version, again.digest], [200, digest]);
  assert.equal([again.acknowledged, again.refused, again.acknowledgedUpTo, again.interrupted], [200, 0, 200, false]);
  assert.ok(Number(again.duplicates) >= 70);
  assert.is(Number(again.batches) + Number(again.duplicates), 200);
  const third = await json(path, '--to', url, '--until', '300');
  assert.equal([third.version, third.digest, third.batches, third.duplicates], [200, digest, 0, 200]);
  assert.is(third.reachedUntil, false);
  // gradients, examples, loss and time are those of the recording
  const rows = ({ examples, loss, time }: Facts) => [examples, loss, time];
  const target = await all(replay(join(context.directory, 'target')));
  assert.equal(target.map(rows as never), (await all(replay(path))).map(rows as never));
  assert.ok(target.every(({ sequence, version, producer }) => sequence === version && producer === again.producer));
});

test('control: without the numbers of the recording, a second push would double', async (context) => {
  const { path } = await recorded(context, 10);
  const url = await serve(context, 'target');
  for (const version of [10, 20]) {
    const worker = connect(url, { role: 'worker' });
    await worker.ready;
    for (const { gradients } of await all(replay(path))) await worker.push({ gradients } as never);
    assert.is(worker.version, version);
    await worker.close();
  }
});

test('another model is refused before anything is pushed', async (context) => {
  const { path } = await recorded(context, 5);
  await writeFile(join(context.directory, 'model.json'), '{"w": [51]}');
  const url = await serve(context, 'target');
  const { code, stderr } = await run('replay', path, '--to', url);
  assert.is(code, 1);
  assert.match(stderr, /E_LAYOUT: the recording's model is/);
  const status = (await (await fetch(`${url}/models/default`)).json()) as Facts;
  assert.equal([status.version, status.producers], [0, 0]);
});

test('a batch that the target refuses ends the push with its code, and is counted with --skip-refused', async (context) => {
  const { path } = await recorded(context, 20);
  // the largest gradient of dense batches is 1; that of their first rows, cos 1, is larger than most
  const url = await serve(context, 'target', '--optimizer', '{"maxAbs": 0.9999}');
  const ended = await run('replay', path, '--to', url);
  assert.is(ended.code, 1);
  assert.match(ended.stderr, /E_RANGE: version \d+ of the recording: .*; all up to version \d+ is acknowledged/);
  const again = await run('replay', path, '--to', url);
  assert.match(again.stderr, /E_RANGE/, 'a second run does not pass over it');
  const facts = await json(path, '--to', url, '--skip-refused');
  assert.ok(Number(facts.refused) > 0);
  assert.is(Number(facts.acknowledged) + Number(facts.refused), 20);
  assert.is(facts.version, facts.acknowledged);
});

test('Ctrl-C ends it in order and says up to which version all is acknowledged', async (context) => {
  const { path } = await recorded(context, 60);
  const url = await serve(context, 'target');
  const watcher = connect(url);
  await watcher.ready;
  const pushing = start('replay', path, '--to', url, '--speed', '0.001', '--json');
  await watcher.reached(1);
  pushing.child.kill('SIGINT');
  const { code, stdout, stderr } = await pushing.ended;
  assert.is(code, 0, stderr);
  const facts = JSON.parse(stdout) as Facts;
  assert.is(facts.interrupted, true);
  assert.ok(Number(facts.acknowledgedUpTo) <= watcher.version);
  await watcher.close();
  assert.ok((await readdir(join(context.directory, 'target'))).length > 0);
});

test.run();
