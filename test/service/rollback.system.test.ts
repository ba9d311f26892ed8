// Hold, release and rollback of a trainer as a program: by command and by HTTP, with SIGKILL at any moment.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { connect } from '../../streams/sockets/index.ts';
import { type Running, run, start } from '../support/gradwire.ts';
import { chance, seed } from '../support/random.ts';

// watchdog: 200 s

const model = layout({ kernel: [64, 8], bias: [2] });
const batchOf = (i: number) => ({
  kernel: Float32Array.from({ length: 512 }, (_, j) => Math.sin(i * 8 + j)),
  bias: Float32Array.of(i, 1),
});
const digests = [''];
const fold = new RMSprop(model);
for (let i = 1; i <= 20; i++) {
  fold.step(batchOf(i));
  digests.push(fold.digest());
}

const test = suite('rollback', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  await writeFile(join(context.directory, 'model.json'), JSON.stringify(model));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

interface Serving {
  readonly server: Running;
  readonly url: string;
  readonly version: number;
  readonly digest: string;
}

async function serve(directory: string): Promise<Serving> {
  const parameters = ['--model', join(directory, 'model.json'), '--directory', join(directory, 'run'), '--port', '0'];
  const server = start('serve', ...parameters, '--snapshot-every', '7', '--json');
  return { server, ...JSON.parse(await server.line()) };
}

async function push(url: string, sequence: number): Promise<Record<string, unknown>> {
  const header = { producer: 'p', producerEpoch: 0, sequence, base: 0 };
  const body = encodeGradients(model, header, { gradients: batchOf(sequence) });
  const answer = await fetch(`${url}/models/default/gradients`, { method: 'POST', body });
  return (await answer.json()) as Record<string, unknown>;
}

async function post(url: string, action: string, body?: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${url}/models/default/${action}`, { method: 'POST', body });
  return { status: answer.status, ...((await answer.json()) as object) };
}

async function kill({ server }: Serving): Promise<void> {
  server.child.kill('SIGKILL');
  await server.ended;
}

test('hold, release and rollback from the command line, and a rollback of a directory whose trainer is stopped', async ({
  directory,
}) => {
  const { server, url } = await serve(directory);
  const replica = connect(url);
  await replica.ready;
  for (let i = 1; i <= 5; i++) await push(url, i);
  assert.equal(JSON.parse((await run('hold', url, '--reason', 'a look at it', '--json')).stdout), { version: 5, held: true });
  for (let i = 6; i <= 8; i++) assert.equal(await push(url, i), { type: 'ack', sequence: i, version: i, duplicate: false });
  const { version, folded, held } = (await (await fetch(`${url}/models/default`)).json()) as Record<string, unknown>;
  assert.equal([version, folded, held], [5, 8, { since: 5, by: 'owner', reason: 'a look at it' }]);
  await replica.reached(5);
  assert.is(replica.digest(), digests[5]);
  assert.match((await run('release', `${url}/models/default`)).stdout, /^version {2}8\nheld {5}false\n$/);
  await replica.reached(8);
  assert.is(replica.digest(), digests[8]);
  assert.equal(JSON.parse((await run('rollback', url, '--to', '3', '--json')).stdout), { version: 9, to: 3 });
  await replica.reached(9);
  assert.is(replica.digest(), digests[3]);
  await replica.close();
  const locked = await run('rollback', join(directory, 'run'), '--to', '1');
  assert.equal([locked.code, /E_LOCKED/.test(locked.stderr)], [1, true]);
  server.child.kill('SIGTERM');
  await server.ended;
  const offline = await run('rollback', join(directory, 'run'), '--to', '6', '--json');
  const { digest, ...facts } = JSON.parse(offline.stdout);
  assert.equal([facts, digest], [{ version: 10, to: 6, epoch: 2 }, digests[6]]);
  const again = await serve(directory);
  assert.equal([again.version, again.digest], [10, digests[6]]);
  assert.equal(await push(again.url, 8), { type: 'ack', sequence: 8, version: 8, duplicate: true });
  again.server.child.kill('SIGTERM');
  await again.server.ended;
  const verified = JSON.parse((await run('verify', join(directory, 'run'), '--json')).stdout);
  assert.equal([verified.ok, verified.findings, verified.lastVersion], [true, [], 10]);
});

test('a call that cannot be meant ends in 2, one that fails in 1, each with a clear line', async ({ directory }) => {
  const serving = await serve(directory);
  const { url } = serving;
  await push(url, 1);
  const run1 = join(directory, 'run');
  for (const [code, text, ...parameters] of [
    [2, /required option '--to <version>'/, 'rollback', url],
    [2, /E_CONFIG: there is no version 5 to go back to; the newest is 1/, 'rollback', url, '--to', '5'],
    [2, /E_CONFIG: the address "localhost:1" does not do/, 'hold', 'localhost:1'],
    [2, /E_CONFIG: the address .* is not of the model "other"/, 'release', `${url}/models/default`, '--model', 'other'],
    [1, /E_NOT_FOUND: .*this server has the model "default"/, 'release', url, '--model', 'other'],
    [1, /E_CONNECTION: nobody answers at http:\/\/127.0.0.1:1\//, 'release', 'http://127.0.0.1:1'],
    [1, /E_LOCKED/, 'rollback', run1, '--to', '0'],
  ] as const) {
    const { code: found, stderr, stdout } = await run(...parameters);
    assert.equal([found, stdout], [code, ''], parameters.join(' '));
    assert.match(stderr, text);
  }
  const nothing = await run('rollback', join(directory, 'none'), '--to', '0');
  assert.equal([nothing.code, /E_CONFIG/.test(nothing.stderr)], [2, true]);
  await kill(serving);
});

test('the addresses take small JSON objects alone, from no other page, and change nothing otherwise', async ({ directory }) => {
  const serving = await serve(directory);
  const { url } = serving;
  await push(url, 1);
  for (const [action, body, status, code] of [
    ['rollback', '{"version":', 400, 'E_PROTOCOL'],
    ['rollback', '[1]', 400, 'E_PROTOCOL'],
    ['rollback', '{"version":0,"force":true}', 400, 'E_PROTOCOL'],
    ['rollback', undefined, 422, 'E_CONFIG'],
    ['rollback', '{"version":-1}', 422, 'E_CONFIG'],
    ['rollback', '{"version":"0"}', 422, 'E_CONFIG'],
    ['hold', '{"reason":"a\\nb"}', 422, 'E_CONFIG'],
    ['hold', `{"reason":"${'a'.repeat(5000)}"}`, 413, 'E_TOO_LARGE'],
    ['release', '{"version":0}', 400, 'E_PROTOCOL'],
  ] as const) {
    const answer = await post(url, action, body);
    assert.equal([answer.status, answer.code], [status, code], `${action} ${body}`);
  }
  const headers = { Origin: 'http://elsewhere.example' };
  assert.is((await fetch(`${url}/models/default/hold`, { method: 'POST', headers })).status, 403);
  assert.is((await fetch(`${url}/models/default/hold`)).status, 405);
  const state = (await (await fetch(`${url}/models/default`)).json()) as Record<string, unknown>;
  assert.equal([state.version, state.held], [1, null]);
  assert.equal(await post(url, 'rollback', '{"version":0}'), { status: 200, version: 2, to: 0 });
  await kill(serving);
});

test('a rollback that was answered survives SIGKILL in the same moment', async ({ directory }) => {
  const first = await serve(directory);
  for (let i = 1; i <= 20; i++) await push(first.url, i);
  assert.equal(await post(first.url, 'rollback', '{"version":11}'), { status: 200, version: 21, to: 11 });
  await kill(first);
  const second = await serve(directory);
  assert.equal([second.version, second.digest], [21, digests[11]]);
  await kill(second);
});

test('a rollback that SIGKILL cuts off at any moment has happened wholly or not at all', async ({ directory }) => {
  const random = chance();
  let [version, digest] = [20, digests[20]];
  let [happened, tries] = [0, 0];
  for (const first = await serve(directory); tries === 0; tries++) {
    for (let i = 1; i <= 20; i++) await push(first.url, i);
    await kill(first);
  }
  for (; tries <= 8; tries++) {
    const serving = await serve(directory);
    assert.equal([serving.version, serving.digest], [version, digest], `seed ${seed}, try ${tries}`);
    const to = Math.floor(random() * 20) + 1;
    const answered = post(serving.url, 'rollback', JSON.stringify({ version: to })).catch(() => undefined);
    const delayMs = random() * 40;
    await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, delayMs))]);
    await kill(serving);
    const answer = await answered;
    const { version: found, digest: weights, server } = await serve(directory);
    if (answer?.status === 200) assert.is(found, version + 1, 'what was answered has happened');
    assert.ok(found === version || found === version + 1, `version ${found}`);
    assert.is(weights, found === version ? digest : digests[to]);
    happened += found - version;
    [version, digest] = [found, weights];
    server.child.kill('SIGKILL');
    await server.ended;
  }
  assert.ok((await run('verify', join(directory, 'run'))).code === 0, `seed ${seed}, ${happened} of ${tries} happened`);
});

test.run();
