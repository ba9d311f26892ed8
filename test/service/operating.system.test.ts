// A trainer under another name than `default`, followed, steered and relayed from the command line, also over https with tokens.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { connect, type RemoteWorker, type WorkerOptions } from '../../streams/sockets/index.ts';
import { readFrame } from '../sockets/raw.ts';
import { selfSigned } from '../support/certificate.ts';
import { type Ended, type Running, run, start } from '../support/gradwire.ts';
import { needs } from '../support/needs.ts';

// watchdog: 200 s

const tokens = { reader: 'reader-0123456789abcdef', crew: 'crew-0123456789abcdef', admin: 'admin-0123456789abcdef' };
const model = { kernel: [6, 2], table: [40, 3], bias: [2] };

const test = suite('operating', { directory: '' });
test.before.each(async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  context.directory = directory;
  await writeFile(join(directory, 'model.json'), JSON.stringify(model));
  const lines = [`${tokens.reader} read`, `${tokens.crew} read,push`, `${tokens.admin} admin`];
  const mode = 0o600;
  await writeFile(join(directory, 'tokens'), lines.join('\n'), { mode });
  for (const [name, token] of Object.entries(tokens)) await writeFile(join(directory, name), token, { mode });
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** A trainer for the model `flights`. */
async function serve(directory: string, ...options: string[]): Promise<{ server: Running; url: string }> {
  const where = ['--model', join(directory, 'model.json'), '--directory', join(directory, 'run'), '--port', '0'];
  const server = start('serve', '--name', 'flights', ...where, ...options);
  return { server, url: await server.line() };
}

async function stop({ child, ended }: Running): Promise<Ended> {
  child.kill('SIGTERM');
  return await ended;
}

/** A worker that has its weights. */
async function worker(url: string, options: Partial<WorkerOptions> = {}): Promise<RemoteWorker> {
  const made = connect(url, { ...options, role: 'worker', producer: 'w' });
  await made.ready;
  return made;
}

async function push(to: RemoteWorker, count: number): Promise<void> {
  const values = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(to.version + i + 1));
  for (let i = 0; i < count; i++) {
    const table = { rows: Int32Array.of(i, i + 7), values: values(6) };
    const { version } = await to.push({ gradients: { kernel: values(12), table, bias: values(2) } });
    await to.reached(version).catch(() => undefined);
  }
}

function last({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

test('follow --tensors follows these alone, in the order of the model, and writes and digests them', async ({ directory }) => {
  const { server, url } = await serve(directory);
  const pushing = await worker(url);
  await push(pushing, 5);
  const out = join(directory, 'some.safetensors');
  const followed = await run('follow', url, '--tensors', 'bias,kernel', '--until', '5', '--out', out, '--json');
  assert.is(followed.code, 0, followed.stderr);
  const { tensors } = readFrame(await readFile(out));
  const bytes = ['kernel', 'bias'].map((name) => bytesOf(pushing.weights.get(name)));
  assert.equal([...tensors.keys()], ['kernel', 'bias']);
  assert.equal(
    [...tensors.values()].map((each) => digestOf(each.bytes)),
    bytes.map((each) => digestOf(each)),
  );
  const { version, digest } = last(followed);
  assert.equal([version, digest], [5, digestOf(...bytes)]);
  assert.is.not(digest, pushing.digest(), 'control: all tensors have another digest');
  const unknown = await run('follow', url, '--tensors', 'bias,bais', '--until', '5');
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /E_UNKNOWN: .*bais/);
  await pushing.close();
  await stop(server);
});

test('hold, release and rollback need no name of the model, whatever it is', async ({ directory }) => {
  const { server, url } = await serve(directory);
  const pushing = await worker(url);
  await push(pushing, 2);
  const good = pushing.digest();
  assert.equal(last(await run('hold', url, '--json')), { version: 2, held: true });
  await pushing.push({ gradients: { bias: Float32Array.of(1, 1) } });
  assert.equal(last(await run('release', url, '--json')), { version: 3, held: false });
  assert.equal(last(await run('rollback', url, '--to', '2', '--json')), { version: 4, to: 2 });
  await pushing.reached(4);
  assert.is(pushing.digest(), good);
  for (const named of [[`${url}/models/flights`], [url, '--model', 'flights']])
    assert.equal(last(await run('hold', ...named, '--json')), { version: 4, held: true });
  const other = await run('release', url, '--model', 'default');
  assert.equal([other.code, /E_NOT_FOUND: .*this server has the model "flights"/.test(other.stderr)], [1, true]);
  await pushing.close();
  await stop(server);
});

needs(test, 'openssl')('over https a token of the scope admin steers a trainer, and no other token does', async (context) => {
  const { directory } = context as { directory: string };
  const { url, server, trusting, tls } = await serveSecurely(directory);
  const pushing = await worker(url, { token: tokens.crew, tls });
  await push(pushing, 2);
  const good = pushing.digest();
  const calls = [
    ['hold', url],
    ['release', url],
    ['rollback', url, '--to', '1'],
  ] as const;
  for (const call of calls) {
    for (const name of ['reader', 'crew']) {
      const refused = await run(...call, ...trusting, '--token-file', join(directory, name));
      assert.equal([refused.code, /E_FORBIDDEN: .*scope "admin"/.test(refused.stderr)], [1, true], refused.stderr);
    }
    const bare = await run(...call, ...trusting);
    assert.equal([bare.code, /E_FORBIDDEN: a token is needed/.test(bare.stderr)], [1, true], bare.stderr);
  }
  const distrusting = await run('hold', url, '--token-file', join(directory, 'admin'));
  assert.equal([distrusting.code, /E_CONNECTION: .*self-signed/.test(distrusting.stderr)], [1, true], distrusting.stderr);
  assert.equal([pushing.version, pushing.digest()], [2, good], 'none of them did anything');
  const admin = [...trusting, '--token-file', join(directory, 'admin'), '--json'];
  assert.equal(last(await run('hold', url, ...admin)), { version: 2, held: true });
  await pushing.push({ gradients: { bias: Float32Array.of(1, 1) } });
  assert.equal(last(await run('release', url, ...admin)), { version: 3, held: false });
  assert.equal(last(await run('rollback', url, '--to', '2', ...admin)), { version: 4, to: 2 });
  await pushing.reached(4);
  assert.is(pushing.digest(), good);
  await pushing.close();
  await stop(server);
});

needs(test, 'openssl')(
  'a relay follows an https trainer with its own token, and passes gradients upward where that token may push',
  async (context) => {
    const { directory } = context as { directory: string };
    const { url, server, trusting, tls } = await serveSecurely(directory);
    const above = await worker(url, { token: tokens.crew, tls, producer: 'above' });
    const relay = start('relay', url, ...trusting, '--token-file', join(directory, 'crew'), '--port', '0');
    const near = await relay.line();
    assert.match(near, /^http:/);
    const below = await worker(near);
    await push(below, 5);
    await above.reached(5);
    assert.equal([below.version, below.digest()], [5, above.digest()]);
    const status = last(await run('follow', near, '--until', '5', '--json'));
    assert.is(status.digest, above.digest());

    const reading = start('relay', url, ...trusting, '--token-file', join(directory, 'reader'), '--port', '0');
    const far = await reading.line();
    assert.is(last(await run('follow', far, '--until', '5', '--json')).digest, above.digest());
    const refused = connect(far, { role: 'worker', producer: 'other' });
    const error = await refused.closed.catch((reason: Error) => reason.message);
    assert.match(String(error), /^E_FORBIDDEN: .*scope "push"/);
    const without = await run('relay', url, ...trusting, '--port', '0');
    assert.equal([without.code, /E_FORBIDDEN: a token is needed/.test(without.stderr)], [1, true], without.stderr);
    for (const each of [above, below]) await each.close();
    const outputs = await Promise.all([relay, reading, server].map(stop));
    for (const { code, stdout, stderr } of outputs) {
      assert.is(code, 0, stderr);
      assert.not.match(stdout + stderr, /0123456789/);
    }
  },
);

/** A trainer with tokens and a certificate, and the options of those who trust it. */
async function serveSecurely(directory: string) {
  const { cert, key } = selfSigned();
  const [certFile, keyFile] = [join(directory, 'cert'), join(directory, 'key')];
  await writeFile(certFile, cert);
  await writeFile(keyFile, key, { mode: 0o600 });
  const secure = ['--tokens', join(directory, 'tokens'), '--tls-cert', certFile, '--tls-key', keyFile];
  return { ...(await serve(directory, ...secure)), trusting: ['--tls-ca', certFile], tls: { ca: cert } };
}

test.run();
