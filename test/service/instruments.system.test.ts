// verify, restore, export and the richer inspect, run as a user runs them.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize } from '../../src/frames/safetensors.ts';
import { run } from '../support/gradwire.ts';

const golden = fileURLToPath(new URL('../recordings/golden/run', import.meta.url));
const digest = 'dceb26158ced54f4';

const test = suite('instruments', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** The one JSON object that a command prints. */
async function json(...parameters: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await run(...parameters, '--json');
  assert.is(stdout.trim().split('\n').length, 1, stdout + stderr);
  return JSON.parse(stdout);
}

test('verify ends with 0 and says what it proved; with 1 for damage, which it names', async ({ directory }) => {
  const sound = await run('verify', golden);
  assert.equal([sound.code, sound.stderr], [0, '']);
  assert.match(sound.stdout, /verdict +no damage found/);
  assert.match(sound.stdout, /7 batches, versions 1–7, all checks hold/);
  const facts = await json('verify', golden);
  const keys = [
    'ok',
    'what',
    'run',
    'model',
    'firstVersion',
    'lastVersion',
    'batches',
    'segments',
    'snapshots',
    'bytes',
    'digest',
  ];
  assert.equal(Object.keys(facts), [...keys, 'proved', 'unproved', 'findings', 'seconds']);
  assert.equal([facts.ok, facts.batches, facts.segments, facts.digest], [true, 7, 2, digest]);

  const path = join(directory, 'run');
  await cp(golden, path, { recursive: true });
  const segment = join(path, (await readdir(path)).find((name) => name.endsWith('.mcap')) ?? '');
  const bytes = await readFile(segment);
  const at = bytes.indexOf('"sequence":"2"');
  bytes[at + 12] ^= 1;
  await writeFile(segment, bytes);
  const damaged = await run('verify', path);
  assert.is(damaged.code, 1);
  assert.match(damaged.stdout, /damage in seg-00000001-0000000000000001\.mcap, version 2, offset \d+: E_RECORDING_CORRUPT: /);
  assert.not.match(damaged.stderr, /\S/);
  const { ok, findings } = await json('verify', path);
  assert.equal([ok, (findings as unknown[]).length], [false, 1]);
});

test('restore writes what replay --until writes, byte for byte, and inspect, verify and replay read it', async ({
  directory,
}) => {
  const restored = join(directory, 'restored.safetensors');
  const replayed = join(directory, 'replayed.safetensors');
  for (const version of ['3', '4', '6']) {
    const { version: made, digest: of } = await json('restore', golden, '--version', version, '--out', restored);
    const { digest: expected } = await json('replay', golden, '--until', version, '--out', replayed);
    assert.equal([made, of], [Number(version), expected]);
    assert.ok((await readFile(restored)).equals(await readFile(replayed)), `version ${version}`);
  }
  const { version, epoch, examples, optimizer, producers } = await json('inspect', restored);
  assert.equal([version, epoch, examples], [6, 2, 21]);
  assert.equal(optimizer, { lr: 0.01, rho: 0.8, decay: 0.1, epsilon: 0.000001 });
  assert.equal(producers, [
    { producer: 'w0', producerEpoch: 0, windowEntries: 3, sequences: [5] },
    { producer: 'w1', producerEpoch: 0, windowEntries: 3, sequences: [6] },
  ]);
  assert.is((await json('verify', restored)).ok, true);
  assert.is((await json('replay', golden, '--snapshot', restored)).digest, digest);
  assert.is((await json('restore', golden, '--out', restored)).digest, digest);
  const missing = await run('restore', golden, '--version', '8', '--out', join(directory, 'x'));
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /^gradwire: E_RECORDING: version 8 cannot be restored: .*versions 1 to 7 and snapshots of 4\n$/);
});

test('export writes .npz and .safetensors by the extension, and refuses what cannot be stacked', async ({ directory }) => {
  const out = join(directory, 'state.npz');
  const { arrays, version } = await json('export', golden, '--what', 'state', '--version', '5', '--out', out);
  assert.is(version, 5);
  assert.equal(
    (arrays as { name: string }[]).map(({ name }) => name),
    ['w', 'table', 'w#accumulator', 'table#accumulator', 'table#owed'],
  );
  assert.is((await readFile(out)).toString('latin1', 0, 2), 'PK');
  const weights = join(directory, 'weights.safetensors');
  assert.match((await run('export', golden, '--out', weights)).stdout, /table +F32 +\[5, 2\]/);
  assert.is(deserialize(await readFile(weights)).metadata.digest, digest);
  const cases: [number, RegExp, string[]][] = [
    [1, /E_RECORDING: version 2 holds rows of "table"/, ['--what', 'gradients', '--from', '2', '--out', out]],
    [2, /E_CONFIG: out must end in/, ['--out', join(directory, 'a.csv')]],
    [2, /required option '--out <file>'/, []],
    [2, /Allowed choices are parameters, state, gradients/, ['--what', 'weights', '--out', out]],
  ];
  for (const [code, message, parameters] of cases) {
    const ended = await run('export', golden, ...parameters);
    assert.is(ended.code, code, ended.stderr);
    assert.match(ended.stderr, message);
  }
});

test('inspect plots norms and losses over time, in at most 80 columns', async () => {
  const { stdout, code } = await run('inspect', golden);
  assert.is(code, 0);
  assert.match(stdout, /versions +1–7\n/);
  const [title, ...lines] = stdout.slice(stdout.indexOf('gradient norms')).split('\n').slice(0, 4);
  assert.is(title, 'gradient norms from version 1 on, a version a column, log scale');
  assert.equal(lines, ['w0           ▅ █ ▆ ▁ 0.678–1.56', 'w1            ▆ ▁ █  0.507–1.62', 'loss         ▅▆▁▂██▇ 0.216–0.983']);
  const { firstVersion, lastVersion, optimizer, norms, losses, producers } = await json('inspect', golden);
  assert.equal([firstVersion, lastVersion], [1, 7]);
  assert.equal(optimizer, { lr: 0.01, rho: 0.8, decay: 0.1, epsilon: 0.000001 });
  assert.equal(norms, { firstVersion: 1, versionsPerBucket: 1 });
  assert.is((losses as unknown[]).length, 7);
  const [{ norms: first }] = producers as { norms: unknown[] }[];
  assert.equal(
    first.map((norm) => norm !== null),
    [true, false, true, false, true, false, true],
  );
});

test.run();
