// The commands, run as a user runs them: serve, follow, replay, inspect, and what they say to bad input.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { deserialize, serialize } from '../../src/frames/safetensors.ts';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { type Ended, run, start } from '../support/gradwire.ts';

const model = layout({ kernel: [4, 2], bias: [2] });
const initial = { kernel: Float32Array.from({ length: 8 }, (_, i) => i / 8), bias: Float32Array.of(1, -1) };
const test = suite('commands', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

const batchOf = (sequence: number) => ({
  bias: Float32Array.of(sequence, 1),
  kernel: new Float32Array(8).fill(1 / (sequence + 1)),
});
const frameOf = (sequence: number) =>
  encodeGradients(model, { producer: 'curl', producerEpoch: 0, sequence, base: 0 }, { gradients: batchOf(sequence) });
const post = async (url: string, body: Uint8Array<ArrayBuffer>) => {
  const answer = await fetch(`${url}/models/m/gradients`, { method: 'POST', body });
  return { status: answer.status, ...((await answer.json()) as Record<string, unknown>) };
};

/** A run of five batches by HTTP, served from a safetensors file; what the trainer printed at its end. */
async function serveFive(directory: string): Promise<{ run: string; ended: Ended; url: string; followed: string }> {
  const modelFile = join(directory, 'model.safetensors');
  const shaped = Object.entries(initial).map(([name, data]) => [name, { data, shape: model.get(name)?.shape ?? [] }] as const);
  await writeFile(modelFile, serialize(shaped));
  const folder = join(directory, 'run');
  const server = start(
    'serve',
    '--model',
    modelFile,
    '--directory',
    folder,
    '--port',
    '0',
    '--name',
    'm',
    '--lr',
    '0.1',
    '--snapshot-every',
    '2',
  );
  const url = await server.line();
  const out = join(directory, 'followed.safetensors');
  const follower = start('follow', url, '--out', out, '--until', '5', '--interval', '0.05');
  await follower.line();
  for (let i = 0; i < 5; i++)
    assert.equal(await post(url, frameOf(i)), { status: 200, type: 'ack', sequence: i, version: i + 1, duplicate: false });
  assert.equal(await post(url, frameOf(2)), { status: 200, type: 'ack', sequence: 2, version: 3, duplicate: true });
  const following = await follower.ended;
  assert.is(following.code, 0, following.stderr);
  server.child.kill('SIGINT');
  const ended = await server.ended;
  assert.is(ended.code, 0, ended.stderr);
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  return { run: folder, ended, url, followed: following.stdout };
}

/** What the run must have come to. */
function folded(options: object = {}): RMSprop<'kernel' | 'bias'> {
  const optimizer = new RMSprop(model, { lr: 0.1, initial, ...options });
  for (let i = 0; i < 5; i++) optimizer.step(batchOf(i));
  return optimizer;
}

test('a model is served, followed, replayed and inspected; every digest is the live run’s', async ({ directory }) => {
  const { run: folder, ended, followed } = await serveFive(directory);
  const digest = folded().digest();
  assert.match(ended.stdout, new RegExp(`version +5\\ndigest +${digest}`));
  assert.match(followed, new RegExp(`version 5 {2}lag 0 {2}digest ${digest}`));
  const weights = deserialize(await readFile(join(directory, 'followed.safetensors')));
  assert.equal([weights.metadata.version, weights.metadata.digest], ['5', digest]);

  const segment = join(folder, (await readdir(folder)).find((name) => name.endsWith('.mcap')) ?? '');
  for (const path of [folder, segment]) {
    const replayed = JSON.parse((await run('replay', path, '--json')).stdout) as Record<string, unknown>;
    assert.equal([replayed.version, replayed.digest, replayed.batches], [5, digest, 5]);
  }
  const inspected = JSON.parse((await run('inspect', segment, '--json')).stdout) as Record<string, unknown>;
  const { what, model: name, firstVersion, lastVersion, closed } = inspected;
  assert.equal([what, name, firstVersion, lastVersion, closed], ['recording', 'm', 1, 5, true]);
  const [{ norms, ...producer }] = inspected.producers as { norms: number[] }[];
  assert.equal(producer, { producer: 'curl', producerEpoch: 0, batches: 5, examples: 0, sequences: [0, 4] });
  assert.is(norms.length, 5);
});

test('replay takes other hyper-parameters, stops at a version, starts from a snapshot and writes the state', async ({
  directory,
}) => {
  const { run: folder } = await serveFive(directory);
  const other = JSON.parse((await run('replay', folder, '--lr', '0.5', '--json')).stdout) as { digest: string };
  assert.is(other.digest, folded({ lr: 0.5 }).digest());
  const out = join(directory, 'state.safetensors');
  assert.is((await run('replay', folder, '--until', '3', '--out', out)).code, 0);
  const { version, state } = decodeSnapshot(await readFile(out));
  assert.is(version, 3);
  assert.is(state.parameters.length, model.length);
  const [snapshot] = (await readdir(folder)).filter((name) => name.startsWith('snap-')).map((name) => join(folder, name));
  const rest = JSON.parse((await run('replay', folder, '--snapshot', snapshot, '--json')).stdout) as {
    digest: string;
    batches: number;
  };
  assert.is(rest.digest, folded().digest());
  assert.ok(rest.batches < 5);
});

test('inspect says what a safetensors file holds, with norm, min and max of each tensor', async ({ directory }) => {
  const file = join(directory, 'plain.safetensors');
  await writeFile(
    file,
    serialize({
      w: { shape: [2, 2], data: Float32Array.of(3, -4, 0, 0) },
      half: { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
    }),
  );
  const { tensors, what } = JSON.parse((await run('inspect', file, '--json')).stdout) as { what: string; tensors: unknown[] };
  assert.is(what, 'safetensors');
  assert.equal(tensors, [
    { name: 'w', dtype: 'F32', shape: [2, 2], norm: 5, min: -4, max: 3 },
    { name: 'half', dtype: 'F16', shape: [2], norm: Math.sqrt(5), min: -2, max: 1 },
  ]);
});

test('every command has --help with an example', async () => {
  for (const command of ['serve', 'follow', 'replay', 'inspect', 'verify', 'restore', 'export', 'convert']) {
    const { code, stdout } = await run(command, '--help');
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`Example:\\n.*gradwire ${command} `, 's'));
  }
});

test('bad input ends in one clear line and exit code 1 or 2, never in a stack trace', async ({ directory }) => {
  const json = join(directory, 'm.json');
  const broken = join(directory, 'broken.json');
  const text = join(directory, 'text.safetensors');
  await writeFile(json, '{"w": [2]}');
  await writeFile(broken, '{"w": [2}');
  const empty = join(directory, 'empty.safetensors');
  await writeFile(empty, serialize({}));
  await writeFile(text, 'version https://git-lfs.github.com/spec/v1\n');
  const folder = join(directory, 'run');
  const cases: [number, RegExp, string[]][] = [
    [2, /required option '--directory <folder>'/, ['serve', '--model', json]],
    [2, /'--lr <number>' argument 'fast' is invalid/, ['serve', '--model', json, '--directory', folder, '--lr', 'fast']],
    [2, /unknown option '--learning-rate'/, ['serve', '--model', json, '--directory', folder, '--learning-rate', '1']],
    [2, /unknown command 'server'/, ['server']],
    [2, /must be an object in JSON/, ['serve', '--model', json, '--directory', folder, '--optimizer', 'torch']],
    [
      2,
      /preset torch has no option "decay"; it is one of keras2, tf1, optax, tfjs/,
      ['serve', '--model', json, '--directory', folder, '--optimizer', '{"preset": "torch", "decay": 1}'],
    ],
    [2, /E_CONFIG: lr must be/, ['serve', '--model', json, '--directory', folder, '--lr', '-1']],
    [
      2,
      /E_CONFIG: host "0.0.0.0" is open to the network, which needs tokens/,
      ['serve', '--model', json, '--directory', folder, '--host', '0.0.0.0'],
    ],
    [1, /E_FILE: .*no JSON/, ['serve', '--model', broken, '--directory', folder]],
    [
      1,
      /E_FILE: cannot read ".*nothing\.json": ENOENT/,
      ['serve', '--model', join(directory, 'nothing.json'), '--directory', folder],
    ],
    [2, /E_CONFIG: the directory holds no run yet/, ['serve', '--directory', join(directory, 'empty')]],
    [1, /E_RECORDING/, ['replay', json]],
    [1, /E_LAYOUT: .*names no tensors/, ['serve', '--model', empty, '--directory', folder]],
    [1, /E_ST_HEADER_LENGTH/, ['inspect', text]],
    [1, /E_FILE/, ['inspect', join(directory, 'nothing')]],
    [2, /E_CONFIG: .*address "nowhere"/, ['follow', 'nowhere']],
    [1, /E_CONNECTION: no weights .* within/, ['follow', 'http://127.0.0.1:9', '--timeout', '0.3']],
  ];
  for (const [code, message, parameters] of cases) {
    const ended = await run(...parameters);
    const called = `gradwire ${parameters.join(' ')}: ${ended.stderr}`;
    assert.is(ended.code, code, called);
    assert.match(ended.stderr, message, called);
    assert.not.match(ended.stderr, /\n +at /, called);
  }
});

test.run();
