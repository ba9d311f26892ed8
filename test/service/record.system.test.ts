// `gradwire record` against a served trainer: from mid-run, across SIGKILL and restart, and what it says when it cannot go on.
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type RemoteWorker } from '../../streams/sockets/index.ts';
import { type Running, run, start } from '../support/gradwire.ts';
import { ChaosProxy } from '../support/proxy.ts';

type Facts = Readonly<Record<string, unknown>>;

const test = suite('record', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** A trainer for a small model, on a port that stays the same when it is started again. */
class Live {
  readonly #directory: string;
  server!: Running;
  url = '';
  worker!: RemoteWorker;
  /** The live digest at each version. */
  readonly digests = new Map<number, string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(directory: string): Promise<Live> {
    await writeFile(join(directory, 'model.json'), '{"w": [64, 4], "b": [4]}');
    const live = new Live(directory);
    await live.serve(0);
    live.worker = connect(live.url, { role: 'worker', producer: 'w', backoffMinMs: 1, backoffMaxMs: 20 });
    live.worker.updates$.subscribe(({ version }) => live.digests.set(version, live.worker.digest()));
    await live.worker.ready;
    return live;
  }

  get folder(): string {
    return join(this.#directory, 'run');
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async serve(port: number): Promise<void> {
    const model = join(this.#directory, 'model.json');
    this.server = start('serve', '--model', model, '--directory', this.folder, '--lr', '0.01', '--port', String(port));
    this.url = await this.server.line();
  }

  /** Pushes until the trainer is at that version. */
  async push(version: number): Promise<void> {
    while (this.worker.version < version) {
      const values = Float32Array.from({ length: 4 }, (_, i) => Math.sin(this.worker.version * 4 + i));
      const rows = Int32Array.of(this.worker.version % 64);
      await this.worker.push({ gradients: { b: values, w: { rows, values } }, examples: 2 });
    }
  }

  async kill(): Promise<void> {
    this.server.child.kill('SIGKILL');
    await this.server.ended;
  }

  /** Waits until a recorder is connected and has everything. */
  async recorded(): Promise<void> {
    for (;;) {
      const status = (await (await fetch(`${this.url}/models/default`)).json()) as { version: number; connections: Facts[] };
      const recorder = status.connections.find(({ role }) => role === 'recorder');
      if (recorder?.version === status.version && recorder.bufferedAmount === 0) return;
    }
  }

  async close(): Promise<void> {
    await this.worker.close();
    this.server.child.kill('SIGTERM');
    assert.is((await this.server.ended).code, 0);
  }
}

async function replayed(...parameters: string[]): Promise<Facts> {
  const { stdout, stderr, code } = await run('replay', ...parameters, '--json');
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as Facts;
}

test('a tap that starts in the middle of a run replays to the digest that the trainer had at that version', async ({
  directory,
}) => {
  const live = await Live.start(directory);
  await live.push(40);
  const file = join(directory, 'tapped.mcap');
  const recorder = start('record', live.url, '--out', file, '--until', '160', '--json');
  await Promise.all([live.recorded(), live.push(60)]);
  await live.push(200);
  const { code, stdout, stderr } = await recorder.ended;
  assert.is(code, 0, stderr);
  const { bytes, firstVersion, ...facts } = JSON.parse(stdout) as Facts & { firstVersion: number };
  assert.ok(firstVersion > 40 && firstVersion <= 200, String(firstVersion));
  assert.equal(facts, {
    recording: file,
    run: live.worker.run,
    model: 'default',
    epoch: 1,
    lastVersion: 160,
    batches: 160 - firstVersion + 1,
  });
  assert.is(bytes, (await readFile(file)).byteLength);
  const { version, digest, batches } = await replayed(file);
  assert.equal([version, digest, batches], [160, live.digests.get(160), facts.batches]);
  assert.is((await replayed(live.folder, '--until', '160')).digest, digest, 'and the trainer’s own recording says the same');
  const inspected = JSON.parse((await run('inspect', file, '--json')).stdout) as Facts;
  assert.equal([inspected.start, inspected.closed], [`snapshot of version ${firstVersion - 1}`, true]);
  const again = await run('record', live.url, '--out', file);
  assert.equal([again.code, /E_FILE: .*is there already/.test(again.stderr)], [1, true], again.stderr);
  await live.close();
});

test('across SIGKILL and restart of the trainer a folder holds one recording of both epochs', async ({ directory }) => {
  const live = await Live.start(directory);
  await live.push(25);
  const out = join(directory, 'tapped');
  const recorder = start('record', live.url, '--out', out, '--until', '90', '--json');
  await live.recorded();
  await live.push(55);
  await live.recorded();
  await live.kill();
  await live.serve(live.port);
  await live.recorded();
  await live.push(95);
  const { code, stdout, stderr } = await recorder.ended;
  assert.is(code, 0, stderr);
  const { epoch, lastVersion, firstVersion, batches } = JSON.parse(stdout) as Facts;
  assert.equal([epoch, firstVersion, lastVersion, batches], [2, 26, 90, 65]);
  assert.equal((await readdir(out)).sort(), ['seg-00000001-0000000000000026.mcap', 'seg-00000002-0000000000000056.mcap']);
  assert.match(stderr, /connecting again/);
  const { version, digest } = await replayed(out);
  assert.equal([version, digest], [90, live.digests.get(90)]);
  assert.is((await replayed(out, '--until', '55')).digest, live.digests.get(55));
  await live.close();
});

test('Ctrl-C ends it in order: the file is closed with its summary, and the facts are printed', async ({ directory }) => {
  const live = await Live.start(directory);
  const file = join(directory, 'tapped.mcap');
  const recorder = start('record', live.url, '--out', file, '--durability', 'fsync');
  assert.match(await recorder.line(), /^recording .*tapped\.mcap from version 1, epoch 1$/);
  await live.push(30);
  await live.recorded();
  recorder.child.kill('SIGINT');
  const { code, stdout, stderr } = await recorder.ended;
  assert.is(code, 0, stderr);
  const { version, digest } = await replayed(file);
  assert.is(digest, live.digests.get(version as number));
  assert.match(stdout, new RegExp(`from +1\\nversion +${version}\\nbatches +${version}\\n`));
  const inspected = JSON.parse((await run('inspect', file, '--json')).stdout) as Facts;
  assert.is(inspected.closed, true);
  await live.close();
});

test('what the trainer has not kept is a gap: exit code 1, and the file holds everything before it', async ({ directory }) => {
  const live = await Live.start(directory);
  const proxy = await ChaosProxy.start(live.port);
  const file = join(directory, 'tapped.mcap');
  const recorder = start('record', proxy.url, '--out', file, '--json');
  await live.recorded();
  await live.push(10);
  await live.recorded();
  proxy.refusing = true;
  proxy.cut('end');
  await live.push(20);
  await live.kill();
  await live.serve(live.port);
  proxy.refusing = false;
  const { code, stdout, stderr } = await recorder.ended;
  assert.is(code, 1);
  assert.match(stderr, /E_RECORDING_GAP: version 10 was the last to arrive, and the trainer can only go on after version 20/);
  assert.equal([(JSON.parse(stdout) as Facts).lastVersion, (await replayed(file)).digest], [10, live.digests.get(10)]);
  await proxy.close();
  await live.close();
});

test('--seconds ends it by itself; help has an example; a mistake in the call is told in one line', async ({ directory }) => {
  const live = await Live.start(directory);
  await live.push(3);
  const timed = await run('record', live.url, '--out', join(directory, 'timed'), '--seconds', '0.5', '--json');
  assert.equal([timed.code, (JSON.parse(timed.stdout) as Facts).batches], [0, 0]);
  assert.is((await replayed(join(directory, 'timed'))).digest, live.digests.get(3));
  await live.close();
  assert.match((await run('record', '--help')).stdout, /Example:\n.*gradwire record /s);
  for (const [code, message, parameters] of [
    [2, /required option '--out <path>'/, ['http://127.0.0.1:9']],
    [2, /E_CONFIG: .*address "nowhere"/, ['nowhere', '--out', join(directory, 'x')]],
    [2, /must be a number/, ['http://127.0.0.1:9', '--out', join(directory, 'x'), '--seconds', 'soon']],
    [2, /'--durability <what>' argument 'disk' is invalid/, ['http://127.0.0.1:9', '--out', 'x', '--durability', 'disk']],
    [1, /E_FILE: .*model\.json" is there already/, ['http://127.0.0.1:9', '--out', join(directory, 'model.json')]],
  ] as [number, RegExp, string[]][]) {
    const ended = await run('record', ...parameters);
    assert.is(ended.code, code, ended.stderr);
    assert.match(ended.stderr, message);
    assert.not.match(ended.stderr, /\n +at /);
  }
});

test('one that is stopped before the trainer answers has recorded nothing, and says so', async ({ directory }) => {
  const recorder = start('record', 'http://127.0.0.1:9', '--out', join(directory, 'x'));
  await once(recorder.child.stderr as NodeJS.ReadableStream, 'data');
  recorder.child.kill('SIGTERM');
  const { code, stdout, stderr } = await recorder.ended;
  assert.equal([code, stdout], [1, '']);
  assert.match(stderr, /E_CLOSED: .*nothing was recorded/);
});

test.run();
