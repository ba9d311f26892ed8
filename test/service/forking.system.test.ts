// fork, sweep and diff as a user runs them: what they print, write and end with.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { from, lastValueFrom } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { record } from '../../streams/recordings/index.ts';
import { batches, model, type Name, optimizer } from '../recordings/runs.ts';
import { run, start } from '../support/gradwire.ts';
import { problemsOf } from '../support/xml.ts';

const given = batches(25);
const test = suite('forking', { directory: '', path: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  context.path = await recorded(context.directory, 'run.mcap');
});
test.after.each(({ directory }) => rm(directory, { recursive: true, force: true }));

async function recorded(directory: string, name: string, these: readonly Batch<Name>[] = given): Promise<string> {
  const path = join(directory, name);
  await lastValueFrom(from(these).pipe(record(path, { model, optimizer })));
  return path;
}

function digestOf(options: object, keeps: (batch: Batch<Name>, version: number) => boolean = () => true): string {
  const fold = new RMSprop(model, { ...optimizer, ...options });
  for (const [i, batch] of given.entries()) if (keeps(batch, i + 1)) fold.step(batch);
  return fold.digest();
}

test('fork prints what changed, how far the runs came apart, and what that is not', async ({ path, directory }) => {
  const { code, stdout, stderr } = await run(
    'fork',
    path,
    '--lr',
    '0.1',
    '--optimizer',
    '{"clipnorm": 2}',
    '--without-producer',
    'w1',
  );
  assert.equal([code, stderr], [0, '']);
  assert.match(stdout, /changed +lr 0\.01 → 0\.1, clipnorm 0 → 2\n/);
  assert.match(stdout, /left out +12 of 25 batches\n/);
  assert.match(stdout, /caveat +gradients recorded on other weights are not a retraining/);
  const other = digestOf({ lr: 0.1, clipnorm: 2 }, ({ producer }) => producer !== 'w1');
  assert.match(stdout, new RegExp(`digest +${digestOf({})}\\nfork digest +${other}`));
  assert.match(stdout, /version +tensor +distance +relative +max \|difference\|\n(.*\n)+ +25 +w /);

  const out = join(directory, 'forked.safetensors');
  const svg = join(directory, 'fork.svg');
  const parameters = [
    '--without-versions',
    '3..5',
    '--without-versions',
    '9',
    '--until',
    '20',
    '--out',
    out,
    '--svg',
    svg,
    '--json',
  ];
  const facts = JSON.parse((await run('fork', path, '--rho', '0.5', ...parameters)).stdout);
  assert.equal(Object.keys(facts), [
    'run',
    'versions',
    'batches',
    'left',
    'changed',
    'points',
    'digest',
    'forkDigest',
    'caveat',
    'out',
  ]);
  assert.equal([facts.versions, facts.batches, facts.left, facts.changed, facts.out], [20, 20, 4, { rho: [0.8, 0.5] }, out]);
  assert.is(
    facts.forkDigest,
    digestOf({ rho: 0.5 }, (_, version) => version <= 20 && ![3, 4, 5, 9].includes(version)),
  );
  assert.equal(Object.keys(facts.points.at(-1).tensors.w), ['distance', 'relative', 'max']);
  assert.is(decodeSnapshot(await readFile(out)).version, 16);
  assert.equal(problemsOf(await readFile(svg, 'utf8')), []);
  const [state, itself] = [await run('diff', out, out), `equal: version 16, digest ${facts.forkDigest}\n`];
  assert.equal([state.code, state.stdout], [0, itself]);
  const replayed = await run('inspect', out, '--json');
  assert.is(JSON.parse(replayed.stdout).digest, facts.forkDigest);
});

test('sweep prints a table, the best first, writes its plot, and is the same with one thread and two', async ({
  path,
  directory,
}) => {
  const evaluate = join(directory, 'loss.mjs');
  await writeFile(evaluate, 'export default (weights) => { console.log("seen"); return Math.abs(weights.get("w")[0]); };');
  const svg = join(directory, 'plot.svg');
  const grid = ['--lr', '0.001,0.01,0.1', '--rho', '0.9,0.99', '--sparse', 'exact,lazy', '--evaluate', evaluate];
  const { code, stdout, stderr } = await run('sweep', path, ...grid, '--svg', svg);
  assert.is(code, 0, stderr);
  assert.match(stdout, /combinations +12, the best evaluation first \(lower is better\)\n/);
  assert.match(stdout, /caveat +gradients recorded on other weights are not a retraining/);
  assert.match(stdout, /lr +rho +sparse +movement +distance +relative +evaluation\n/);
  assert.match(stdout, new RegExp(`plot +${svg}\n`));
  assert.not.match(stdout, /seen/);
  assert.match(stderr, /seen/);
  const drawn = await readFile(svg, 'utf8');
  assert.equal(problemsOf(drawn), []);
  assert.is(drawn.match(/<polyline /g)?.length, 12);

  const [one, two] = await Promise.all(
    ['1', '2'].map(async (workers) =>
      JSON.parse((await run('sweep', path, ...grid, '--no-svg', '--workers', workers, '--json')).stdout),
    ),
  );
  assert.is(typeof one.seconds, 'number');
  assert.is(JSON.stringify({ ...one, seconds: 0 }), JSON.stringify({ ...two, seconds: 0 }));
  const evaluations = one.combinations.map(({ evaluation }: { evaluation: number }) => evaluation);
  assert.equal(
    evaluations,
    [...evaluations].sort((a: number, b: number) => a - b),
  );
  for (const { optimizer: options, digest } of one.combinations) assert.is(digest, digestOf(options));
});

test('Ctrl-C ends a sweep and its threads, and nothing is written', async ({ path, directory }) => {
  const evaluate = join(directory, 'endless.mjs');
  await writeFile(evaluate, 'export default () => { console.log("evaluating"); for (;;); };');
  const svg = join(directory, 'plot.svg');
  const { child, ended } = start('sweep', path, '--lr', '0.1,0.2', '--evaluate', evaluate, '--svg', svg);
  // the thread's own console goes through the calling thread, which is free while the threads are not
  await new Promise<void>((resolve) => child.stderr?.on('data', () => resolve()));
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  assert.equal([code, stdout], [1, ''], stderr);
  assert.match(stderr, /E_CLOSED: the sweep was stopped/);
  assert.not.ok(existsSync(svg));
});

test('diff ends with 0 and says equal, or with 1 and the first difference to the bit', async ({ path, directory }) => {
  const same = await run('diff', path, await recorded(directory, 'same.mcap'));
  assert.equal([same.code, same.stderr], [0, '']);
  assert.match(
    same.stdout,
    new RegExp(`^equal: versions 1–25, digest ${digestOf({})}\nnote|^equal: versions 1–25, digest ${digestOf({})}\n`),
  );

  const w = (given[12].gradients.w as Float32Array).slice();
  new Int32Array(w.buffer)[1] += 1;
  const changed = given.map((batch, i) => (i === 12 ? { ...batch, gradients: { ...batch.gradients, w } } : batch));
  const other = await recorded(directory, 'other.mcap', changed);
  const text = await run('diff', path, other);
  assert.is(text.code, 1);
  assert.match(
    text.stdout,
    /^different: gradients differ first at version 13, "w"\[1\]\nA +\S+\nB +\S+\nulps +1\nvalues that differ +1\n/,
  );
  const facts = JSON.parse((await run('diff', path, other, '--json')).stdout);
  assert.equal(Object.keys(facts), ['equal', 'versions', 'first', 'parameters', 'notes']);
  const { maxDifference, ...first } = facts.first;
  const values = { a: (given[12].gradients.w as Float32Array)[1], b: w[1] };
  assert.equal(first, { what: 'gradients', version: 13, tensor: 'w', index: 1, ...values, ulps: 1, differing: 1 });
  assert.is(maxDifference, Math.abs(values.a - values.b));

  const shorter = await run('diff', path, await recorded(directory, 'shorter.mcap', given.slice(0, 20)));
  assert.is(shorter.code, 1);
  assert.match(shorter.stdout, /^different: B ends at version 20, A goes on to version 25/);
});

test('diff shows -0 as -0, in its text and in JSON', async ({ directory }) => {
  const zero = (value: number) => [{ gradients: { w: Float32Array.of(1, value, 1) } }];
  const paths = [await recorded(directory, 'minus.mcap', zero(-0)), await recorded(directory, 'plus.mcap', zero(0))];
  assert.match((await run('diff', ...paths)).stdout, /A +-0\nB +0\nulps +0\n/);
  assert.match((await run('diff', ...paths, '--json')).stdout, /"a":-0,"b":0,/);
});

test('a wrong call ends with 2 and one line, what goes wrong on the way with 1', async ({ path, directory }) => {
  const throws = join(directory, 'throws.mjs');
  await writeFile(throws, 'export default () => { throw new Error("broken"); };');
  const none = join(directory, 'none.mcap');
  const cases: [number, RegExp, string[]][] = [
    [2, /E_CONFIG: lr must be/, ['fork', path, '--lr', '-1']],
    [2, /E_CONFIG: unknown RMSprop option "lrr"/, ['fork', path, '--optimizer', '{"lrr": 1}']],
    [2, /E_CONFIG: versions to leave out .* got "9\.\.3"/, ['fork', path, '--without-versions', '9..3']],
    [2, /unknown option '--without'/, ['fork', path, '--without', 'w1']],
    [1, /E_FILE/, ['fork', none]],
    [2, /E_CONFIG: a grid has at least one/, ['sweep', path]],
    [2, /'--lr <numbers>' argument '1,x' is invalid/, ['sweep', path, '--lr', '1,x']],
    [2, /E_CONFIG: lr 0, rho 0\.9: lr must be/, ['sweep', path, '--lr', '0.1,0', '--rho', '0.9']],
    [2, /It must be exact, lazy/, ['sweep', path, '--sparse', 'all']],
    [
      1,
      /E_EVALUATION: lr 0\.1: the evaluation failed at version \d+: Error: broken/,
      ['sweep', path, '--lr', '0.1', '--evaluate', throws],
    ],
    [2, /missing required argument 'B'/, ['diff', path]],
    [1, /E_FILE/, ['diff', path, none]],
    [2, /E_CONFIG: .*compare two recordings, or two safetensors files/, ['diff', path, throws]],
  ];
  for (const [code, message, parameters] of cases) {
    const ended = await run(...parameters);
    const called = `gradwire ${parameters.join(' ')}: ${ended.stderr}`;
    assert.is(ended.code, code, called);
    assert.match(ended.stderr, message, called);
    assert.not.match(ended.stderr, /\n +at /, called);
    assert.is(ended.stdout, '', called);
  }
  for (const command of ['fork', 'sweep', 'diff'])
    assert.match((await run(command, '--help')).stdout, new RegExp(`Example:\\n.*gradwire ${command} `, 's'));
});

test.run();
