// Tokens and TLS on the command line: a trainer that is closed to strangers, and the commands that connect to it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../streams/sockets/index.ts';
import { needs } from '../support/needs.ts';

const main = fileURLToPath(new URL('../../dist/streams/service/main.js', import.meta.url));
const token = 'all-0123456789abcdef';
const other = 'other-0123456789abcdef';

const test = suite('access', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  await writeFile(join(context.directory, 'model.json'), '{"w": [3]}');
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** The program with an environment of its own: what it prints, and how it ends. */
class Program {
  stdout = '';
  stderr = '';
  readonly #child;
  readonly ended: Promise<number | null>;

  constructor(directory: string, environment: Record<string, string>, ...words: string[]) {
    const { GRADWIRE_TOKEN: _one, GRADWIRE_TOKENS: _many, ...env } = process.env;
    this.#child = spawn(process.execPath, [main, ...words], { cwd: directory, env: { ...env, ...environment } });
    for (const name of ['stdout', 'stderr'] as const)
      this.#child[name].setEncoding('utf8').on('data', (text) => (this[name] += text));
    this.ended = once(this.#child, 'close').then(([code]) => code);
  }

  /** Waits until a stream has printed that; fails where the program ends before. */
  async says(stream: 'stdout' | 'stderr', what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(this[stream]);
      if (found !== null) return found[0];
      const code = await Promise.race([once(this.#child[stream], 'data').then(() => -1), this.ended]);
      if (code !== -1 && !what.test(this[stream])) throw new Error(`it ended with ${code}: ${this.stderr}`);
    }
  }

  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }
}

const serving = ['serve', '--model', 'model.json', '--directory', 'run', '--port', '0'];
const address = /https?:\/\/\S+/;

test('serve refuses an open address without a token: exit code 2, with what to do', async ({ directory }) => {
  const refused = new Program(directory, {}, ...serving, '--host', '0.0.0.0');
  assert.is(await refused.ended, 2);
  assert.match(
    refused.stderr,
    /E_CONFIG: host "0\.0\.0\.0" is open to the network, which needs tokens .*--tokens FILE.*GRADWIRE_TOKENS/,
  );
  assert.is(refused.stdout, '');
});

test('with a token in the environment an open address is served, and the token is printed nowhere', async ({ directory }) => {
  const server = new Program(directory, { GRADWIRE_TOKEN: token }, ...serving, '--host', '0.0.0.0');
  const url = (await server.says('stdout', address)).replace('0.0.0.0', '127.0.0.1');
  const statusOf = async (given: string): Promise<number> =>
    (await fetch(`${url}/models/default`, { headers: { Authorization: `Bearer ${given}` } })).status;
  assert.equal([await statusOf(token), await statusOf(other)], [200, 401]);
  await server.says('stderr', /without --tls-cert .* cross the network as they are/);
  assert.is(await server.stop(), 0);
  assert.not.match(server.stdout + server.stderr, token);
});

test('follow, record and replay --to take the token from the environment or a file, and end with 1 without it', async ({
  directory,
}) => {
  const tokens = join(directory, 'tokens');
  await writeFile(tokens, `# who may do what\n\n${token} read,push crew\n${other} read\n`, { mode: 0o600 });
  await writeFile(join(directory, 'token'), `${token}\n`, { mode: 0o600 });
  const server = new Program(directory, {}, ...serving, '--tokens', 'tokens');
  const url = await server.says('stdout', address);
  const worker = connect(url, { role: 'worker', producer: 'w', token });
  const record = new Program(directory, { GRADWIRE_TOKEN: other }, 'record', url, '--out', 'tapped', '--until', '2', '--json');
  await record.says('stderr', /recording/).catch(() => undefined);
  for (let i = 1; i <= 2; i++) await worker.push({ gradients: { w: Float32Array.of(i, 1, -1) } });
  assert.is(await record.ended, 0);
  const follow = new Program(directory, {}, 'follow', url, '--token-file', 'token', '--until', '2', '--json');
  assert.is(await follow.ended, 0);
  assert.is(JSON.parse(follow.stdout.trim().split('\n').at(-1) ?? '').digest, worker.digest());
  const without = new Program(directory, {}, 'follow', url);
  assert.is(await without.ended, 1);
  assert.match(without.stderr, /E_FORBIDDEN: a token is needed/);
  const reading = new Program(directory, { GRADWIRE_TOKEN: other }, 'replay', 'tapped', '--to', url);
  assert.is(await reading.ended, 1);
  assert.match(reading.stderr, /E_FORBIDDEN: a worker needs the scope "push"/);
  const replay = new Program(directory, { GRADWIRE_TOKEN: token }, 'replay', 'tapped', '--to', url, '--json');
  assert.is(await replay.ended, 0);
  assert.is(JSON.parse(replay.stdout).version, 4);
  await worker.close();
  await server.stop();
  for (const { stdout, stderr } of [server, record, follow, without, reading, replay])
    assert.not.match(stdout + stderr, /0123456789/);
});

test('a token that is taken out of the file ends its connections, without a restart', async ({ directory }) => {
  const tokens = join(directory, 'tokens');
  await writeFile(tokens, `${token} read\n${other} read\n`, { mode: 0o600 });
  const server = new Program(
    directory,
    { GRADWIRE_TOKENS: 'env-0123456789abcdef read; # none' },
    ...serving,
    '--tokens',
    'tokens',
  );
  const url = await server.says('stdout', address);
  const [revoked, kept, listed] = [token, other, 'env-0123456789abcdef'].map((each) => connect(url, { token: each }));
  await Promise.all([revoked.ready, kept.ready, listed.ready]);
  await writeFile(tokens, `${other} read\n`);
  const end = await revoked.closed.catch((error: Error) => error.message);
  assert.match(String(end), /^E_FORBIDDEN: .*close code 4501/);
  await writeFile(tokens, 'this is no list\n');
  const weights = (): Promise<Response> => fetch(`${url}/models/default`, { headers: { Authorization: `Bearer ${other}` } });
  assert.is((await weights()).status, 200);
  await server.says('stderr', /the tokens from before go on: E_CONFIG: line 1 of tokens must be/);
  await Promise.all([kept.close(), listed.close()]);
  await server.stop();
});

test('a file of tokens that everybody can read is warned of; a line that is none is refused with its number, and not shown', async ({
  directory,
}) => {
  const tokens = join(directory, 'tokens');
  await writeFile(tokens, `${token} read\n`);
  await chmod(tokens, 0o644);
  const open = new Program(directory, {}, ...serving, '--tokens', 'tokens');
  await open.says('stderr', /tokens can be read by everybody on this machine; chmod 600 it/);
  await open.says('stdout', address);
  await open.stop();
  for (const [line, says] of [
    [token, /line 2 of tokens must be: TOKEN scope,scope \[name\]/],
    [`${token} write`, /line 2 of tokens must be/],
    [`read,push ${token}`, /line 2 of tokens must be/],
    ['tökén read', /line 2 of tokens: a token has/],
  ] as const) {
    await writeFile(tokens, `# ${token}\n${line}\n`, { mode: 0o600 });
    const refused = new Program(directory, {}, ...serving, '--tokens', 'tokens');
    assert.is(await refused.ended, 2, line);
    assert.match(refused.stderr, says);
    assert.not.match(refused.stderr, token);
  }
  const missing = new Program(directory, {}, ...serving, '--tokens', 'nowhere');
  assert.equal([await missing.ended, /E_FILE: cannot read "nowhere": ENOENT/.test(missing.stderr)], [1, true]);
});

needs(test, 'openssl')('with --tls-cert and --tls-key it serves https; follow trusts --tls-ca', async (context) => {
  const { directory } = context as { directory: string };
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key -out cert';
  assert.is(spawnSync('openssl', words.split(' '), { cwd: directory }).status, 0);
  const alone = new Program(directory, {}, ...serving, '--tls-cert', 'cert');
  assert.equal([await alone.ended, /E_CONFIG: --tls-cert and --tls-key belong together/.test(alone.stderr)], [2, true]);
  const server = new Program(directory, { GRADWIRE_TOKEN: token }, ...serving, '--tls-cert', 'cert', '--tls-key', 'key');
  const url = await server.says('stdout', address);
  assert.match(url, /^https:/);
  const follow = new Program(directory, { GRADWIRE_TOKEN: token }, 'follow', url, '--tls-ca', 'cert', '--until', '0');
  assert.is(await follow.ended, 0);
  const stranger = new Program(directory, { GRADWIRE_TOKEN: token }, 'follow', url, '--timeout', '1');
  assert.is(await stranger.ended, 1);
  assert.match(stranger.stderr, /self-signed certificate/);
  await server.stop();
  assert.not.match(server.stderr, (await readFile(join(directory, 'key'), 'utf8')).split('\n')[1]);
});

test.run();
