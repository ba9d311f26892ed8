// sweep: a grid of hyper-parameters over one recording, in threads, against folds of the tests' own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { record, type SweepOptions, sweep } from '../../streams/recordings/index.ts';
import { combinationsOf } from '../../streams/recordings/instruments/sweep/grid.ts';
import { bestFirst } from '../../streams/recordings/instruments/sweep/rank.ts';
import { all, batches, directory, model, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const given = batches(30);
const folder = directory();
const path = join(folder, 'run.mcap');
await all(from(given).pipe(record(path, { model, optimizer })));

function folded(options: object, until: number = 30): RMSprop<'w' | 'table'> {
  const fold = new RMSprop(model, { ...optimizer, ...options });
  for (const batch of given.slice(0, until)) fold.step(batch);
  return fold;
}

const norm = (a: Iterable<number>, b: Iterable<number>): number => {
  const other = [...b];
  return Math.hypot(...[...a].map((value, i) => value - other[i]));
};
const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${actual} instead of ${expected}`);

let modules = 0;
function moduleOf(source: string): string {
  const file = join(folder, `evaluation-${modules++}.mjs`);
  writeFileSync(file, source);
  return file;
}
const grid = { lr: [0.1, 0.001, 0.01], rho: [0.8, 0.99] };

test('every combination has the bits, movement and distance of a fold of its own; the nearest to the recorded run comes first', async () => {
  const { combinations, versions, digest, movement, better, caveat } = await sweep(path, { grid });
  assert.equal([combinations.length, versions, digest, better], [6, 30, folded({}).digest(), null]);
  const start = folded({}, 0).parameters.flat;
  near(movement, norm(folded({}).parameters.flat, start));
  for (const each of combinations) {
    const fold = folded(each.optimizer);
    assert.is(each.digest, fold.digest());
    near(each.movement, norm(fold.parameters.flat, start));
    near(each.distance, norm(fold.parameters.flat, folded({}).parameters.flat));
    near(each.relative, each.distance / movement);
    assert.equal(each.points.map(({ version }) => version).at(-1), 30);
    for (const point of each.points) near(point.movement, norm(folded(each.optimizer, point.version).parameters.flat, start));
  }
  const distances = combinations.map(({ distance }) => distance);
  assert.equal(
    distances,
    [...distances].sort((a, b) => a - b),
  );
  assert.equal([combinations[0].optimizer, distances[0]], [{ lr: 0.01, rho: 0.8 }, 0]);
  assert.match(caveat, /are not a retraining/);
});

test('the result is the same with one thread and with two', async () => {
  const evaluate = moduleOf('export default (weights) => weights.get("w")[0]; export const better = "higher";');
  for (const options of [{ grid }, { grid, evaluate, until: 17, points: 4 }] satisfies SweepOptions[]) {
    const [one, two] = await Promise.all([1, 2].map((workers) => sweep(path, { ...options, workers })));
    assert.is(JSON.stringify(one), JSON.stringify(two));
  }
});

test('an evaluation is given copies of the weights, the version and the configuration, and its best comes first', async () => {
  const source = `let copies = new Set();
    export const better = 'BETTER';
    export async function evaluate(weights, { version, optimizer }) {
      const w = weights.get('w');
      if (copies.has(w) || weights.size !== 2 || weights.get('table').length !== 10) throw new Error('no copies');
      copies.add(w);
      const result = w[0] + 1000 * version + 1e6 * optimizer.lr;
      w.fill(1e9);
      await null;
      return result;
    }`;
  for (const better of ['lower', 'higher'] as const) {
    const file = moduleOf(source.replace('BETTER', better));
    const evaluate = better === 'lower' ? file : pathToFileURL(file);
    const result = await sweep(path, { grid: { lr: [0.1, 0.001, 0.01] }, evaluate, points: 3 });
    const rates = [0.001, 0.01, 0.1];
    assert.equal(
      result.combinations.map(({ optimizer: { lr } }) => lr),
      better === 'lower' ? rates : rates.reverse(),
    );
    assert.is(result.better, better);
    for (const { optimizer: options, evaluation, points } of result.combinations) {
      assert.equal(
        points.map(({ version }) => version),
        [10, 20, 30],
      );
      for (const { version, evaluation: value } of points)
        near(value as number, folded(options, version).parameters.get('w')[0] + 1000 * version + 1e6 * (options.lr as number));
      assert.is(evaluation, points[2].evaluation);
    }
  }
});

test('an evaluation that fails names the combination and the version', async () => {
  const failing = moduleOf(
    'export default (_, { version, optimizer }) => { if (optimizer.lr > 0.05 && version === 30) throw new RangeError("no luck"); return 1; };',
  );
  await refusal(
    'E_EVALUATION',
    sweep(path, { grid, evaluate: failing }),
    /^lr 0\.1, rho 0\.\d+: the evaluation failed at version 30: RangeError: no luck$/,
  );
  const text = moduleOf('export default () => "1";');
  await refusal('E_EVALUATION', sweep(path, { grid, evaluate: text }), /must give a number; at version \d+ it gave string/);
  const leaving = moduleOf('export default () => process.exit(3);');
  await refusal('E_EVALUATION', sweep(path, { grid, evaluate: leaving }), /^lr .*: a thread of the sweep ended with code 3/);
});

test('what cannot be meant is refused, before anything is folded', async () => {
  await refusal('E_FILE', sweep(path, { grid, evaluate: join(folder, 'none.mjs') }), /cannot load the evaluation/);
  await refusal('E_CONFIG', sweep(path, { grid, evaluate: moduleOf('export default 3;') }), /must export a function/);
  await refusal(
    'E_CONFIG',
    sweep(path, { grid, evaluate: moduleOf('export default () => 1; export const better = "more";') }),
    /better must be/,
  );
  await refusal('E_CONFIG', sweep(path, { grid: { lr: [0.1, -1] } }), /^lr -1: lr must be/);
  await refusal('E_CONFIG', sweep(path, { grid: { lrr: [1] } }), /unknown RMSprop option "lrr"/);
  await refusal('E_CONFIG', sweep(path, { grid: {} }), /at least one hyper-parameter/);
  await refusal('E_CONFIG', sweep(path, { grid: { lr: [] } }), /a list of at least one/);
  await refusal('E_CONFIG', sweep(path, { grid: { lr: [1, 1] } }), /stands twice/);
  await refusal('E_CONFIG', sweep(path, { grid, workers: 0 }), /workers must be/);
  await refusal('E_CONFIG', sweep(path, { grid, worker: 1 } as SweepOptions), /did you mean "workers"/);
  const many = Array.from({ length: 40 }, (_, i) => (i + 1) / 1000);
  await refusal('E_CONFIG', sweep(path, { grid: { lr: many, epsilon: many } }), /1600 combinations, the limit is 1000/);
});

test('a signal ends the threads, before and during the folds', async () => {
  const evaluate = moduleOf('export default () => new Promise(() => undefined);');
  await refusal('E_CLOSED', sweep(path, { grid, signal: AbortSignal.abort() }), /there is no result/);
  const stop = new AbortController();
  const endless = sweep(path, {
    grid,
    evaluate,
    signal: stop.signal,
    progress: ({ bytes, totalBytes }) => bytes >= totalBytes / 7 && stop.abort(),
  });
  await refusal('E_CLOSED', endless);
});

test('progress goes up to all readings together', async () => {
  const seen: number[] = [];
  await sweep(path, { grid, progress: ({ bytes, totalBytes }) => seen.push(bytes / totalBytes) });
  assert.is(seen.at(-1), 1);
  assert.ok(seen.every((share, i) => i === 0 || share >= seen[i - 1]));
});

test('combinations come in the order of the grid, and what is no number is ranked last', () => {
  assert.equal(
    combinationsOf({ lr: [1, 2], rho: [0, 0.5] }, optimizer).map((each) => each.optimizer),
    [
      { lr: 1, rho: 0 },
      { lr: 1, rho: 0.5 },
      { lr: 2, rho: 0 },
      { lr: 2, rho: 0.5 },
    ],
  );
  const ranked = (better: 'lower' | 'higher') =>
    bestFirst(
      [3, Number.NaN, 1, 2].map((evaluation) => ({ evaluation, distance: 0 })),
      better,
    ).map(({ evaluation }) => evaluation);
  assert.equal(ranked('lower').slice(0, 3), [1, 2, 3]);
  assert.equal(ranked('higher').slice(0, 3), [3, 2, 1]);
});

test.run();
