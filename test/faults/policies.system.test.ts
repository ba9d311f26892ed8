// SIGKILL under the policies that change how a batch is folded: what was acknowledged is there once, and all folds have the same bits.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { fork, type RecordedBatch, restore, sweep, verify } from '../../streams/recordings/index.ts';
import { connect } from '../../streams/sockets/index.ts';
import { sameBits } from '../support/bits.ts';
import { figure } from '../support/figures.ts';
import { chance, seed, whole } from '../support/random.ts';
import { kill } from './aims.ts';
import { type Audit, audit } from './audit.ts';
import { type LifeOptions, Lives, steadyPort } from './lives.ts';
import { type Acked, type Name, nextAck, Pushing, shapes } from './pushing.ts';

// watchdog: 400 s

const kills = 6;
const optimizer = { preset: 'keras3', lr: 0.01, momentum: 0.9, sparse: 'lazy' } as const;

const test = suite('policies', { directory: '' });
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'gradwire-policies-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

/** What became of a run that was killed again and again. */
interface Survived {
  readonly directory: string;
  readonly audit: Audit;
  readonly acks: readonly Acked[];
  readonly batches: readonly RecordedBatch<Name>[];
  /** Of the last trainer, as a replica of it says. */
  readonly weights: Float32Array;
  readonly digest: string;
}

/** Three workers push while their trainer is killed at the instants of acks, then one lives on until everything is answered. */
async function survive(directory: string, policies: Partial<LifeOptions>): Promise<Survived> {
  const listen = { port: await steadyPort(), closeMs: 100 };
  const snapshots = { every: 40, keep: 2 };
  const lives = new Lives({ directory, model: shapes, optimizer, segmentBytes: 250_000, snapshots, listen, ...policies });
  const url = `http://127.0.0.1:${listen.port}`;
  const workers = [1, 2, 3].map((i) => new Pushing(url, { producer: `worker-${i}`, seed: seed + i }));
  const random = chance();
  for (let i = 0; i < kills; i++) {
    const life = await lives.begin();
    await life.accepting;
    for (let heard = whole(random, 1, 40); heard > 0; heard--) await nextAck(workers);
    life.child.kill('SIGKILL');
    assert.is(await life.ended, 'SIGKILL');
  }
  const survivor = await lives.begin({ last: true });
  await survivor.accepting;
  // those who stop leave rounds that are not full, so the last of them come to their deadline
  await Promise.all(workers.map((each) => each.stop()));
  const acks = workers.flatMap((each) => each.acks);
  const replica = connect<Name>(url);
  await replica.reached(Math.max(...acks.map(({ version }) => version)));
  const [weights, digest] = [replica.weights.flat.slice(), replica.digest()];
  await Promise.all([replica, ...workers.map(({ worker }) => worker)].map((each) => each.close()));
  survivor.child.kill('SIGTERM');
  assert.is(await survivor.ended, 0);
  const batches: RecordedBatch<Name>[] = [];
  const found = await audit(directory, acks, (batch) => batches.push(batch));
  assert.equal(
    workers.map(({ refused, changed }) => [[...refused], changed]),
    workers.map(() => [[], 0]),
    `seed ${seed}`,
  );
  return { directory, audit: found, acks, batches, weights, digest };
}

/** Every way to the last version gives the bits that the replica had, and the recording proves itself. */
async function demandOneHistory({ directory, batches, weights, digest, audit: { lost, twice, gaps } }: Survived): Promise<void> {
  assert.equal({ lost, twice, gaps }, { lost: 0, twice: 0, gaps: 0 }, `seed ${seed}`);
  const alone = new RMSprop(layout(shapes), optimizer);
  for (const { checked } of batches) alone.step(checked);
  sameBits(weights, alone.parameters.flat, `the replica's weights (seed ${seed})`);
  assert.is(digest, alone.digest());
  const verification = await verify(directory);
  assert.equal(
    verification.findings.filter(({ severity }) => severity === 'damage'),
    [],
  );
  assert.is(verification.digest, digest);
  assert.ok(verification.snapshots.length > 0 && verification.snapshots.every(({ equalsFold }) => equalsFold === true));
  const half = Math.floor(batches.length / 2);
  assert.is((await restore(directory)).parameters.flat.length, weights.length);
  sameBits((await restore(directory)).parameters.flat, weights, 'restore');
  assert.is((await restore(directory, { version: half })).version, half);
  assert.is((await fork(directory)).forkDigest, digest);
  const swept = await sweep(directory, { grid: { lr: [0.01, 0.02] } });
  assert.equal(
    swept.combinations.map((each) => each.digest === digest),
    swept.combinations.map((each) => each.optimizer.lr === 0.01),
  );
}

test('a trainer that scales learning rates by staleness is killed again and again: each batch keeps its factor, and recovery, replay, verify, restore, fork and sweep give the same bits', async ({
  directory,
}) => {
  const run = await survive(directory, { staleness: 'scale' });
  await demandOneHistory(run);
  const scaled = run.batches.filter(({ factor = 1 }) => factor !== 1);
  for (const { version, base = 0, factor } of run.batches)
    assert.is(factor ?? 1, 1 / Math.max(1, version - 1 - base), `version ${version}`);
  figure(`policies: ${kills} SIGKILLs (seed ${seed}), ${run.batches.length} batches, ${scaled.length} of them scaled`);
  assert.ok(scaled.length > 10);
  // control: the factors count
  const full = new RMSprop(layout(shapes), optimizer);
  for (const { checked } of run.batches) full.step(checked.withRateFactor(1));
  assert.is.not(full.digest(), run.digest);
});

test('a trainer in rounds of three is killed again and again: every batch of every round is applied once, under the version that all three were told', async ({
  directory,
}) => {
  const run = await survive(directory, { synchronous: { workers: 3, deadlineMs: 200 } });
  await demandOneHistory(run);
  const sizes = run.batches.map(({ parts = [] }) => parts.length);
  assert.ok(sizes.every((size) => size >= 1 && size <= 3));
  const full = sizes.filter((size) => size === 3).length;
  figure(
    `policies: ${kills} SIGKILLs (seed ${seed}), ${run.acks.length} batches acknowledged in ${sizes.length} rounds, ${sizes.length - full} of them short`,
  );
  assert.ok(full > 10);
  assert.is(
    run.acks.length,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const versions = new Map<number, number>();
  for (const { version } of run.acks) versions.set(version, (versions.get(version) ?? 0) + 1);
  assert.equal(
    run.batches.map(({ version }) => versions.get(version)),
    sizes,
  );
});

test('control: where the dedupe windows are not rebuilt from the parts, batches of rounds are applied twice', async ({
  directory,
}) => {
  const listen = { port: await steadyPort(), closeMs: 100 };
  const snapshots = { every: 1e9, intervalMs: 1e9 };
  const synchronous = { workers: 3, deadlineMs: 200 };
  const lives = new Lives({ directory, model: shapes, optimizer, snapshots, listen, synchronous, forgetful: true });
  const workers = [1, 2, 3].map(
    (i) => new Pushing(`http://127.0.0.1:${listen.port}`, { producer: `worker-${i}`, seed: seed + i }),
  );
  const sights = { directory, random: chance(), nextAck: () => nextAck(workers) };
  let twice = 0;
  for (let i = 0; i < 100 && twice === 0; i++) {
    await kill('the instant of an ack', await lives.begin(), sights);
    ({ twice } = await audit(directory, []));
  }
  await lives.end();
  await Promise.all(workers.map((each) => each.close()));
  assert.ok(twice > 0, `seed ${seed}`);
});

test.run();
