// fork: the same gradients under other hyper-parameters or without some, against folds of the tests' own.
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { fork, openRecording, record } from '../../streams/recordings/index.ts';
import { Spaced, spacedVersions } from '../../streams/recordings/instruments/forking/spaced.ts';
import { sameBits } from '../support/bits.ts';
import { admitted, all, batches, directory, model, type Name, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const given = batches(30);

async function recorded(these: readonly Batch<Name>[] = given, options: object = optimizer): Promise<string> {
  const path = join(directory(), 'run.mcap');
  await all(from(these).pipe(record(path, { model, optimizer: options })));
  return path;
}
const path = await recorded();

/** Folds those batches that `keeps` lets through, and gives the optimizer after `until` recorded versions. */
function folded(
  options: object,
  { keeps = () => true, until = 30 }: { keeps?: (batch: Batch<Name>, version: number) => boolean; until?: number } = {},
) {
  const fold = new RMSprop(model, { ...optimizer, ...options });
  for (const [i, batch] of given.slice(0, until).entries()) if (keeps(batch, i + 1)) fold.step(batch);
  return fold;
}

/** The L2 norm of a difference, added up in another way than the library does. */
const norm = (a: Iterable<number>, b: Iterable<number>): number => {
  const other = [...b];
  return Math.hypot(...[...a].map((value, i) => value - other[i]));
};
const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${actual} instead of ${expected}`);

test('a fork has the bits of a fold under the other hyper-parameters, and the recorded run keeps its own', async () => {
  for (const options of [
    { lr: 0.1 },
    { rho: 0.5, decay: 0 },
    { clipnorm: 0.5 },
    { sparse: 'lazy' },
    { epsilon: 1e-3 },
  ] as const) {
    const { digest, forkDigest, left, batches: count } = await fork(path, { optimizer: options });
    assert.is(digest, folded({}).digest());
    assert.is(forkDigest, folded(options).digest(), JSON.stringify(options));
    assert.equal([left, count], [0, 30]);
  }
  assert.is((await fork(path)).forkDigest, folded({}).digest());
});

test('the distance is told for each tensor at evenly spaced versions, absolute, largest, and relative to the recorded movement', async () => {
  const { points } = await fork(path, { optimizer: { lr: 0.05 } });
  assert.equal(
    points.map(({ version }) => version),
    [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30],
  );
  const start = folded({}, { until: 0 }).parameters;
  for (const { version, tensors, distance, relative } of points) {
    const a = folded({}, { until: version }).parameters;
    const b = folded({ lr: 0.05 }, { until: version }).parameters;
    for (const name of ['w', 'table'] as const) {
      near(tensors[name].distance, norm(a.get(name), b.get(name)));
      near(tensors[name].relative, norm(a.get(name), b.get(name)) / norm(a.get(name), start.get(name)));
      assert.is(tensors[name].max, Math.max(...[...a.get(name)].map((value, i) => Math.abs(value - b.get(name)[i]))));
    }
    near(distance, norm(a.flat, b.flat));
    near(relative, norm(a.flat, b.flat) / norm(a.flat, start.flat));
  }
});

test('batches left out make no version in the fork: decay goes on by folded batches only', async () => {
  const byProducer = await fork(path, { withoutProducers: ['w1'] });
  assert.is(byProducer.forkDigest, folded({}, { keeps: ({ producer }) => producer !== 'w1' }).digest());
  assert.is(byProducer.left, 15);
  const byVersion = await fork(path, { withoutVersions: [7, '11..14', [20, 22], '30'] });
  const left = [7, 11, 12, 13, 14, 20, 21, 22, 30];
  assert.is(byVersion.forkDigest, folded({}, { keeps: (_, version) => !left.includes(version) }).digest());
  assert.is(byVersion.left, left.length);
  const both = await fork(path, { withoutProducers: ['w1'], withoutVersions: ['1..10'], optimizer: { lr: 0.1 } });
  assert.is(
    both.forkDigest,
    folded({ lr: 0.1 }, { keeps: ({ producer }, version) => producer !== 'w1' && version > 10 }).digest(),
  );
  // control: the fold whose decay counts what was left out has other bits
  const counting = new RMSprop(model, optimizer);
  for (const batch of given) {
    if (batch.producer === 'w1') counting.restore({ ...counting.state(), version: counting.version + 1 });
    else counting.step(batch);
  }
  assert.is.not(byProducer.forkDigest, counting.digest());
});

test('what changed is named with its values, defaults included; a new preset keeps what it can', async () => {
  assert.equal((await fork(path, { optimizer: { lr: 0.02, rho: 0.8, clipnorm: 1 } })).changed, {
    lr: [0.01, 0.02],
    clipnorm: [0, 1],
  });
  const plainRun = await recorded(
    given.filter(({ gradients }) => gradients.table === undefined),
    { lr: 0.01 },
  );
  const { changed, forkDigest } = await fork(plainRun, { optimizer: { preset: 'torch', alpha: 0.95, momentum: 0.9 } });
  assert.equal(changed, { preset: ['keras2', 'torch'], rho: [0.9, 0.95], momentum: [0, 0.9] });
  const expected = new RMSprop(model, { preset: 'torch', lr: 0.01, rho: 0.95, epsilon: 1e-8, momentum: 0.9 });
  for (const batch of given) if (batch.gradients.table === undefined) expected.step(batch);
  assert.is(forkDigest, expected.digest());
});

test('a recorded decay that a new preset has no place for is refused, or taken away by null', async () => {
  await refusal('E_CONFIG', fork(path, { optimizer: { preset: 'torch' } }), /no option "decay"/);
  await refusal(
    'E_CONFIG',
    fork(path, { optimizer: { preset: 'tf1' } }),
    /preset tf1 has no decay, the recording has 0\.1; say decay: null/,
  );
  assert.is((await fork(path, { optimizer: { preset: 'tf1', decay: null } })).changed.preset[1], 'tf1');
});

test('it stops at a version, tells its progress, and says what it is not', async () => {
  let bytes = 0;
  const result = await fork(path, { until: 11, optimizer: { lr: 1 }, progress: (each) => (bytes = each.bytes) });
  assert.equal([result.versions, result.batches, result.points.at(-1)?.version], [11, 11, 11]);
  assert.is(result.forkDigest, folded({ lr: 1 }, { until: 11 }).digest());
  assert.ok(bytes > 0);
  assert.match(result.caveat, /gradients recorded on other weights are not a retraining/);
  const nothing = await fork(path, { until: 0, optimizer: { lr: 1 } });
  assert.equal([nothing.versions, nothing.points, nothing.digest], [0, [], nothing.forkDigest]);
});

test("the fork's state is a snapshot of a run of its own, from which its fold goes on", async () => {
  let frame = new Uint8Array();
  const { run } = await fork(path, {
    optimizer: { lr: 0.1 },
    withoutProducers: ['w0'],
    snapshot: (each) => (frame = each.slice()),
  });
  const { version, run: own, state, examples, optimizer: config } = decodeSnapshot(frame);
  const expected = folded({ lr: 0.1 }, { keeps: ({ producer }) => producer !== 'w0' });
  assert.equal([version, config.lr], [15, 0.1]);
  assert.is.not(own, run);
  assert.is(
    examples,
    given.filter(({ producer }) => producer === 'w1').reduce((sum, each) => sum + (each.examples ?? 0), 0),
  );
  sameBits(state.accumulator, expected.state().accumulator);
  const on = new RMSprop(model, config);
  on.restore(state);
  for (const fold of [on, expected]) fold.step(given[3]);
  assert.is(on.digest(), expected.digest());
});

test('a tensor that the recorded run never moved has an infinite relative distance, or none', async () => {
  const still = await recorded([{ gradients: { w: Float32Array.of(0, 0, 0) } }], { lr: 0.1, initial: optimizer.initial });
  const { points } = await fork(still, { optimizer: { constraint: { type: 'maxNorm', maxValue: 1 } } });
  assert.is(points[0].tensors.w.relative, Number.POSITIVE_INFINITY);
  assert.equal(points[0].tensors.table, { distance: 0, relative: 0, max: 0 });
});

test('what cannot be meant is refused', async () => {
  await refusal('E_CONFIG', fork(path, { optimizer: { lr: -1 } }), /lr must be/);
  await refusal('E_CONFIG', fork(path, { optimizer: { lr: () => 1 } }), /got a function/);
  await refusal('E_CONFIG', fork(path, { optimizer: { initial: {} } as object }), /initial is not for/);
  await refusal('E_CONFIG', fork(path, { optimiser: {} } as object), /did you mean "optimizer"/);
  await refusal('E_CONFIG', fork(path, { points: 1 }), /points must be/);
  await refusal('E_CONFIG', fork(path, { until: -1 }), /until must be/);
  for (const range of ['9..3', '0', 'all', '3..', -1, [2, 1] as const, [] as never]) {
    await refusal('E_CONFIG', fork(path, { withoutVersions: [range] }), /a version or a range a\.\.b/);
  }
  await refusal(
    'E_ROWS',
    fork(path, { optimizer: { preset: 'keras3', decay: null, momentum: 0.9 } }),
    /the batch of version 2: /,
  );
  await refusal('E_FILE', fork(join(directory(), 'none.mcap')));
  assert.equal((await fork(path, { withoutProducers: ['w1', 'w9'] })).absentProducers, ['w9']);
});

test('evenly spaced versions are found without knowing the end, never fewer than half of those asked for', () => {
  for (let last = 1; last < 700; last++) {
    const spaced = new Spaced<{ version: number }>(20);
    for (let version = 1; version <= last; version++) if (spaced.wants(version)) spaced.add({ version });
    const versions = spaced.end(last, () => ({ version: last })).map(({ version }) => version);
    assert.is(versions.at(-1), last);
    assert.ok(versions.length <= 20 && versions.length >= Math.min(last, 10), `${last}: ${versions}`);
    const gaps = new Set(versions.slice(0, -1).map((version, i) => version - (versions[i - 1] ?? 0)));
    assert.ok(gaps.size <= 1, `${last}: ${versions}`);
  }
  assert.equal(spacedVersions(3, 20), [1, 2, 3]);
  assert.equal(spacedVersions(100, 4), [25, 50, 75, 100]);
  assert.equal(spacedVersions(0, 4), []);
});

test('a producer’s share of a round cannot be taken out of its mean: all of its producers are left out, or the version', async () => {
  const round = join(directory(), 'round.mcap');
  const parts = ['w0', 'w1'].map((producer) => ({ producer, producerEpoch: 0, sequence: 3, payload: '0123456789abcdef' }));
  const means = admitted(given.slice(0, 3)).map((each, i) => (i === 1 ? { ...each, parts } : each));
  await all(from(means).pipe(record(round, { model, optimizer })));
  await refusal(
    'E_CONFIG',
    fork(round, { withoutProducers: ['w1'] }),
    /version 2 is the mean of a round in which "w1" took part/,
  );
  assert.is((await fork(round, { withoutProducers: ['w0', 'w1'] })).left, 3);
  assert.is((await fork(round, { withoutVersions: [2] })).left, 1);
  // the sole batch of w0 beside the round is the first and the third
  assert.equal(
    [...(await openRecording(round)).producers],
    [
      ['w0', 3],
      ['w1', 1],
    ],
  );
});

test.run();
