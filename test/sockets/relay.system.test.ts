// `gradwire relay` as a user runs it: processes in a line, one of them killed, the trainer started again, and stopping in order.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type RemoteReplica } from '../../streams/sockets/index.ts';
import { type Running, run, start } from '../support/gradwire.ts';
import { quick } from './relays.ts';

const test = suite('relay', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(pathOf(tmpdir(), 'gradwire-'));
  await writeFile(pathOf(context.directory, 'model.json'), '{"w": [3], "rows": [50, 2]}');
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

type Greeting = Readonly<Record<string, string & number>>;

async function started(program: Running): Promise<Greeting> {
  return JSON.parse(await program.line()) as Greeting;
}

function serve(directory: string, port: number = 0): Running {
  const options = ['--model', pathOf(directory, 'model.json'), '--directory', pathOf(directory, 'run')];
  return start('serve', ...options, '--port', String(port), '--json');
}

function portOf(greeting: Greeting): number {
  return Number(new URL(greeting.url).port);
}

async function ended({ child, ended: end }: Running, signal: NodeJS.Signals): Promise<Awaited<typeof end>> {
  child.kill(signal);
  return await end;
}

/** Resolves once the replica follows that epoch. */
async function inEpoch(replica: RemoteReplica, epoch: number): Promise<void> {
  while (replica.epoch < epoch) await new Promise((resolve) => setImmediate(resolve));
}

test('a worker and replicas at two relays survive the kill of one and a new trainer, and each batch is folded once', async ({
  directory,
}) => {
  let trainer = serve(directory);
  const top = await started(trainer);
  let near = start('relay', top.url, '--port', '0', '--json');
  const first = await started(near);
  const far = start('relay', first.url, '--port', '0', '--json');
  const second = await started(far);
  assert.is(second.depth, 2);
  assert.is(second.run, top.run);
  assert.is(second.digest, top.digest);
  assert.match(second.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const worker = connect(second.url, { ...quick, role: 'worker', producer: 'w' });
  const replica = connect(second.url, quick);
  const push = () => worker.push({ gradients: { w: Float32Array.of(1, 2, 3) }, base: worker.version });
  await Promise.all([worker.ready, replica.ready]);
  for (let i = 1; i <= 10; i++) assert.is((await push()).version, i);
  const pending = Array.from({ length: 20 }, push);
  await ended(near, 'SIGKILL');
  near = start('relay', top.url, '--port', String(portOf(first)), '--json');
  await started(near);
  const versions = (await Promise.all(pending)).map(({ version }) => version);
  assert.equal(
    versions,
    Array.from({ length: 20 }, (_, i) => i + 11),
  );
  const stopped = await ended(trainer, 'SIGTERM');
  assert.is(JSON.parse(stopped.stdout.trim().split('\n')[1]).version, 30);
  trainer = serve(directory, portOf(top));
  const again = await started(trainer);
  assert.is(again.epoch, 2);
  await Promise.all([inEpoch(worker, 2), inEpoch(replica, 2)]);
  assert.is((await push()).version, 31);
  await replica.reached(31);
  const { digest } = (await (await fetch(`${again.url}/models/default`)).json()) as { digest: string };
  assert.is(replica.digest(), digest);
  assert.is(replica.counts.reset, 0, 'a new trainer and a killed relay start nobody over');
  const last = await ended(far, 'SIGTERM');
  assert.is(last.code, 0);
  const facts = JSON.parse(last.stdout.trim().split('\n')[1]);
  assert.equal([facts.version, facts.epoch, facts.run, facts.lag], [31, 2, top.run, 0]);
  assert.match(last.stderr, /connecting: .*version 30 is served/s);
  assert.match(last.stderr, /live: version 30, epoch 2/);
  await Promise.all([worker.close(), replica.close()]);
  for (const each of [near, trainer]) assert.is((await ended(each, 'SIGTERM')).code, 0);
});

test('follow writes the same file from a relay as from the trainer, and the relay says where it is', async ({ directory }) => {
  const trainer = serve(directory);
  const { url } = await started(trainer);
  const near = start('relay', url, '--port', '0');
  const address = await near.line();
  const files = [url, address].map((each, i) => [each, pathOf(directory, `${i}.safetensors`)]);
  for (const [each, out] of files) assert.is((await run('follow', each, '--out', out, '--until', '0')).code, 0);
  const [own, relayed] = await Promise.all(files.map(([, out]) => readFile(out)));
  assert.ok(own.equals(relayed));
  const { code, stdout, stderr } = await ended(near, 'SIGINT');
  assert.is(code, 0);
  assert.match(stdout, /version {2}0\n/);
  assert.match(stderr, /^relay of ws:.*, depth 1; model default, run [0-9a-f]+, epoch 1, version 0, digest [0-9a-f]{16}; Ctrl-C/);
  await ended(trainer, 'SIGTERM');
});

test('a wrong call of relay ends with 2, an upstream that is not there with 1', async () => {
  for (const parameters of [[], ['http://127.0.0.1:9', '--port', 'x'], ['ftp://x'], ['http://127.0.0.1:9', '--nonsense']]) {
    const { code, stderr } = await run('relay', ...parameters);
    assert.is(code, 2, parameters.join(' '));
    assert.ok(stderr.length > 0);
  }
  const { code, stderr } = await run('relay', 'http://127.0.0.1:9', '--port', '0', '--timeout', '0.2');
  assert.is(code, 1);
  assert.match(stderr, /E_CONNECTION/);
  const open = await run('relay', 'http://127.0.0.1:9', '--host', '0.0.0.0');
  assert.is(open.code, 2, 'an open address is refused');
  const help = await run('relay', '--help');
  assert.match(help.stdout, /Example:\n {2}gradwire relay/);
});

test.run();
