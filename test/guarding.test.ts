// Guarded publishing: a hook that holds publication or rolls back, with replicas behind real sockets.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../src/digest.ts';
import { GradwireError } from '../src/errors.ts';
import { deserialize } from '../src/frames/safetensors.ts';
import { readUpdate } from '../src/frames/update.ts';
import type { GradientRecord } from '../src/gradients/batch.ts';
import { layout } from '../src/layout.ts';
import { RMSprop } from '../src/rmsprop/rmsprop.ts';
import { restore, verify } from '../streams/recordings/index.ts';
import { connect, tap } from '../streams/sockets/index.ts';
import { type StepStatistics, type TrainerOptions, trainer } from '../streams/trainer.ts';
import { sameBits } from './support/bits.ts';
import { chance, type Random } from './support/random.ts';
import { sameState } from './support/states.ts';

const model = layout({ table: [64, 2], bias: [3] });
type Name = 'table' | 'bias';
const optimizer = { lr: 0.05, rho: 0.95, decay: 1e-3 } as const;

const test = suite('guarding', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** Batches of every kind. */
function batches(count: number, random: Random): GradientRecord<Name>[] {
  const values = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  return Array.from({ length: count }, (_, i): GradientRecord<Name> => {
    const rows = { rows: Int32Array.from({ length: 3 }, () => Math.floor(random() * 64)), values: values(6) };
    return i % 3 === 0 ? { bias: values(3) } : i % 3 === 1 ? { table: rows } : { table: rows, bias: values(3) };
  });
}

function denseBatches(count: number, random: Random): GradientRecord<Name>[] {
  const values = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  return Array.from({ length: count }, () => ({ table: values(128), bias: values(3) }));
}

async function using<Result>(
  options: TrainerOptions<Name>,
  body: (t: Awaited<ReturnType<typeof trainer<Name>>>) => Promise<Result>,
): Promise<Result> {
  const t = await trainer<Name>({ model, optimizer, ...options });
  try {
    return await body(t);
  } finally {
    await t.close();
  }
}

async function refusal(promise: Promise<unknown>): Promise<GradwireError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(error, GradwireError);
  return error as GradwireError;
}

test('a guard that holds on an exploding update keeps replicas where they are, and the next good step brings them everything', async () => {
  const seen: StepStatistics[] = [];
  const guard = (statistics: StepStatistics) => {
    seen.push(statistics);
    return statistics.updateNorm > 5 ? { hold: 'the update exploded' } : 'publish';
  };
  // plain SGD-like: no history makes the norm of an update small
  await using({ guard, optimizer: { lr: 1, rho: 0, epsilon: 1 }, listen: { port: 0 } }, async (t) => {
    const replica = connect(t.url);
    await replica.ready;
    await t.push({ gradients: { bias: Float32Array.of(1, 1, 1) }, examples: 8, loss: 0.5 });
    await replica.reached(1);
    const digest = t.digest();
    const updates = firstValueFrom(t.updates$.pipe(take(1)));
    const exploding = { table: new Float32Array(128).fill(1e6) };
    assert.equal(await t.push(exploding), { version: 2, duplicate: false });
    assert.equal([t.version, t.status().folded, t.digest()], [1, 2, digest]);
    assert.equal(t.status().held, { since: 1, by: 'guard', reason: 'the update exploded' });
    assert.is(replica.version, 1);
    await t.push({ bias: Float32Array.of(1, 1, 1) });
    const { from, version, frame } = await updates;
    assert.equal([from, version, t.status().held], [1, 3, null]);
    const { header, forms } = readUpdate(deserialize(frame), model);
    assert.equal(
      forms.map(({ tensor }) => tensor.name),
      ['table', 'bias'],
    );
    assert.equal(
      header.folded.map(([, , sequence]) => sequence),
      [2, 3],
    );
    await replica.reached(3);
    assert.is(replica.digest(), t.digest());
    sameBits(replica.weights.flat, t.weights.flat);
    await replica.close();
  });
  assert.equal(
    seen.map(({ version, published, producer, staleness, held }) => [version, published, producer, staleness, held]),
    [
      [1, 0, 'trainer', 0, null],
      [2, 1, 'trainer', 0, null],
      [3, 1, 'trainer', 1, null],
    ],
  );
  const [{ loss, examples, learningRate, gradientNorm, clipFactor }] = seen;
  assert.equal([loss, examples, learningRate, gradientNorm, clipFactor], [0.5, 8, 1, Math.fround(Math.sqrt(3)), 1]);
});

test('without the guard the same batch is published: a control', async () => {
  await using({ optimizer: { lr: 1, rho: 0, epsilon: 1 } }, async (t) => {
    await t.push({ table: new Float32Array(128).fill(1e6) });
    assert.equal([t.version, t.status().held], [1, null]);
  });
});

test('a score that falls rolls replicas back to the best version in one call, equal to the bit, as a new version', async ({
  directory,
}) => {
  const guard = ({ score }: StepStatistics) =>
    score !== undefined && score.value < score.best.value - 0.1 ? { rollback: score.best.version } : 'publish';
  await using({ directory, guard, listen: { port: 0 } }, async (t) => {
    const [one, other] = [connect(t.url), connect(t.url)];
    await Promise.all([one.ready, other.ready]);
    const all = batches(40, chance(7));
    for (const batch of all.slice(0, 20)) await t.push(batch);
    t.score(0.9);
    const best = t.weights.flat.slice();
    for (const batch of all.slice(20, 30)) await t.push(batch);
    t.score(0.95, 10);
    t.score(0.9);
    for (const batch of all.slice(30, 39)) await t.push(batch);
    t.score(0.2);
    const back = firstValueFrom(
      t.updates$.pipe(filter(({ batches }) => batches.at(-1)?.header.producer === 'gradwire.rollback')),
    );
    await t.push(all[39]);
    const { version } = await back;
    assert.ok(version > 40);
    const { parameters } = await restore(directory, { version: 10 });
    await Promise.all([one.reached(version), other.reached(version)]);
    for (const { weights } of [one, other, t]) sameBits(weights.flat, parameters.flat);
    assert.not.equal(digestOf(bytesOf(best)), t.digest());
    assert.is(t.status().held, null);
    // the score that fell is undone with what it was of
    await t.push(all[0]);
    assert.is(t.version, version + 1);
    await one.close();
    await other.close();
  });
  assert.ok((await verify(directory)).ok);
});

test('a hold by its owner lasts through steps and is released in one update; acks, the journal and recorders go on', async ({
  directory,
}) => {
  await using({ directory, listen: { port: 0 } }, async (t) => {
    const replica = connect(t.url);
    await replica.ready;
    const recorded = firstValueFrom(tap(t.url).pipe(take(8), toArray()));
    const all = batches(12, chance(8));
    await t.push(all[0]);
    await replica.reached(1);
    t.hold('the night');
    const digest = t.digest();
    for (const [i, batch] of all.slice(1, 8).entries()) assert.is((await t.push(batch)).version, i + 2);
    assert.equal([t.version, t.digest(), t.status().held], [1, digest, { since: 1, by: 'owner', reason: 'the night' }]);
    assert.ok((await recorded).length === 8, 'recorders have what replicas do not');
    const late = connect(t.url);
    await late.ready;
    assert.equal([late.version, late.digest()], [1, digest]);
    const etag = (await fetch(`${t.url}/models/default/weights.safetensors`)).headers.get('etag');
    assert.is(etag, `"${t.run}-1-1"`);
    const published = firstValueFrom(t.updates$);
    assert.is(await t.release(), 8);
    const { from, version } = await published;
    assert.equal([from, version], [1, 8]);
    await Promise.all([replica.reached(8), late.reached(8)]);
    for (const { weights } of [replica, late]) sameBits(weights.flat, t.weights.flat);
    assert.is(await t.release(), 8, 'a release of nothing publishes nothing');
    await replica.close();
    await late.close();
  });
  // whatever was held, the fold is that of a trainer that never held
  const reference = new RMSprop(model, optimizer);
  for (const batch of batches(12, chance(8)).slice(0, 8)) reference.step(batch);
  sameState((await restore(directory)).state, reference.state(), 'the state');
});

for (const [what, guard] of [
  ['throws', () => assert.unreachable()],
  ['answers with a promise', async () => 'publish'],
  ['answers what cannot be meant', () => ({ rollback: -1 })],
] as const)
  test(`a guard that ${what} holds publication and is told of; the trainer lives on`, async () => {
    const told: unknown[] = [];
    await using({ guard: guard as never, onError: (error) => told.push(error) }, async (t) => {
      await t.push({ bias: Float32Array.of(1, 1, 1) });
      assert.equal([t.version, t.status().folded], [0, 1]);
      assert.match(t.status().held?.reason ?? '', /the guard failed/);
      assert.is(told.length, 1);
      assert.is(await t.release(), 1);
    });
  });

test('a rollback that a guard asks for and that cannot be made leaves everything held, and says so', async () => {
  let told: (error: unknown) => void = () => undefined;
  const failed = new Promise((resolve) => {
    told = resolve;
  });
  let asked = 0;
  const guard = () => (asked++ === 1 ? { rollback: 1 } : 'publish');
  await using({ guard, onError: (error) => told(error) }, async (t) => {
    await t.push({ bias: Float32Array.of(1, 1, 1) });
    await t.push({ bias: Float32Array.of(1, 1, 1) });
    assert.match(String(await failed), /E_CONFIG: a trainer without a directory/);
    await t.push({ bias: Float32Array.of(1, 1, 1) });
    assert.equal([t.version, t.status().folded, t.status().held?.by], [1, 3, 'guard']);
    assert.is(await t.release(), 3);
  });
});

for (const [what, settings] of [
  ['momentum and a mean gradient', { preset: 'torch', momentum: 0.9, centered: true, sparse: 'lazy' }],
  ['moving averages', { preset: 'keras3', useEma: true, emaMomentum: 0.9, sparse: 'lazy' }],
  ['an accumulation that has begun', { preset: 'keras3', gradientAccumulationSteps: 3, momentum: 0.5 }],
  ['a dynamic loss scale that has moved', { preset: 'keras3', lossScale: { initial: 1024, growthSteps: 4 } }],
  ['a schedule', { lr: { type: 'exponential', initialLearningRate: 0.1, decaySteps: 4, decayRate: 0.5 } }],
  ['rows that owe decay', { sparse: 'exact', rho: 0.5 }],
] as const)
  test(`a rollback brings back the whole state and goes on from there, with ${what}`, async ({ directory }) => {
    const dense = 'gradientAccumulationSteps' in settings;
    const all = dense ? denseBatches(40, chance(9)) : batches(40, chance(9));
    const reference = new RMSprop(model, settings as object);
    await using({ directory, optimizer: settings as object, snapshots: { every: 8, keep: 2 }, segmentBytes: 4000 }, async (t) => {
      for (const batch of all.slice(0, 25)) await t.push(batch);
      for (const batch of all.slice(0, 10)) reference.step(batch);
      assert.equal(await t.rollback(10), { version: 26, to: 10 });
      assert.is(t.digest(), reference.digest());
      assert.is(t.status().learningRate, reference.learningRate);
      for (const batch of all.slice(25)) {
        await t.push(batch);
        reference.step(batch);
      }
      assert.is(t.digest(), reference.digest());
      // back over the rollback, to what it had undone
      assert.equal(await t.rollback(20), { version: 42, to: 20 });
    });
    const at = (version: number) => restore(directory, { version });
    const { version: _one, skipped: _two, undone, ...later } = (await at(41)).state;
    const { version: _three, skipped: _four, ...expected } = reference.state();
    sameState(later, expected, 'the state after the rollback');
    assert.is(undone, 16);
    const again = new RMSprop(model, settings as object);
    for (const batch of all.slice(0, 20)) again.step(batch);
    await using({ directory, optimizer: undefined }, async (t) => {
      assert.equal([t.version, t.digest()], [42, again.digest()]);
    });
    const segments = (await readdir(directory)).filter((name) => name.endsWith('.mcap'));
    assert.ok(segments.length > 2, 'the rollbacks cross segments');
    const { ok, findings, proved } = await verify(directory);
    assert.equal([ok, findings], [true, []]);
    assert.ok(proved.includes('2 rollbacks bring back the state of the version named, to the bit'), proved.join('\n'));
  });

test('a batch that was acknowledged before a rollback stays acknowledged: its resend is a duplicate, also after a restart', async ({
  directory,
}) => {
  const resend = { gradients: { bias: Float32Array.of(1, 2, 3) }, producer: 'w', producerEpoch: 1, sequence: 5, base: 0 };
  await using({ directory }, async (t) => {
    for (const batch of batches(4, chance(10))) await t.push(batch);
    assert.equal(await t.push(resend), { version: 5, duplicate: false });
    await t.rollback(2);
    assert.equal(await t.push(resend), { version: 5, duplicate: true });
    // what was computed on a version that is undone is stale, as any batch that is as far behind
    assert.equal(await t.push({ ...resend, sequence: 6, base: 5 }), { version: 7, duplicate: false });
  });
  await using({ directory, maxStaleness: 1 }, async (t) => {
    assert.equal(await t.push(resend), { version: 5, duplicate: true });
    assert.is((await refusal(t.push({ ...resend, sequence: 7, base: 5 }))).code, 'E_STALE');
    assert.equal(await t.push({ ...resend, sequence: 7, base: 6 }), { version: 8, duplicate: false });
  });
});

test('a rollback while batches stream in undoes those as well, and loses none of their acks', async ({ directory }) => {
  await using({ directory, snapshots: { every: 50 } }, async (t) => {
    const all = batches(400, chance(11));
    for (const batch of all.slice(0, 200)) await t.push(batch);
    const pushed = (async () => {
      const versions: number[] = [];
      for (const batch of all.slice(200)) versions.push((await t.push(batch)).version);
      return versions;
    })();
    const { version } = await t.rollback(120);
    const versions = await pushed;
    assert.is(new Set([...versions, version]).size, 201);
    assert.equal(
      [...versions, version].sort((a, b) => a - b),
      Array.from({ length: 201 }, (_, i) => 201 + i),
    );
    const reference = new RMSprop(model, optimizer);
    for (const batch of all.slice(0, 120)) reference.step(batch);
    for (const [i, each] of versions.entries()) if (each > version) reference.step(all[200 + i]);
    assert.is(t.digest(), reference.digest());
  });
  assert.ok((await verify(directory)).ok);
});

test('a rollback to a version that is not there says what is: ahead, trimmed, without a directory, twice at once', async ({
  directory,
}) => {
  await using({}, async (t) => {
    assert.match((await refusal(t.rollback(0))).message, /E_CONFIG: a trainer without a directory keeps no earlier version/);
  });
  const few = { every: 10, keep: 2 };
  await using({ directory, segmentBytes: 3000, retention: { segments: 2 }, snapshots: few }, async (t) => {
    for (const batch of batches(60, chance(12))) await t.push(batch);
    assert.match((await refusal(t.rollback(61))).message, /E_CONFIG: there is no version 61 .* the newest is 60/);
    assert.is((await refusal(t.rollback(1.5))).code, 'E_CONFIG');
    const trimmed = await refusal(t.rollback(1));
    assert.match(trimmed.message, /E_RECORDING: version 1 cannot be restored: there are the batches of versions/);
    assert.equal([t.version, t.status().held], [60, null], 'nothing is held after a rollback that failed');
    const [first, second] = await Promise.all([t.rollback(59), refusal(t.rollback(58))]);
    assert.equal([first, second.code, second.retryable], [{ version: 61, to: 59 }, 'E_BUSY', true]);
    await t.push(batches(1, chance(13))[0]);
    assert.is(t.version, 62);
  });
  assert.ok((await verify(directory)).ok);
});

test('a hold ends with a rollback; bad scores and reasons are refused', async ({ directory }) => {
  await using({ directory }, async (t) => {
    await t.push({ bias: Float32Array.of(1, 2, 3) });
    t.hold();
    await t.push({ bias: Float32Array.of(1, 2, 3) });
    assert.equal(await t.rollback(2), { version: 3, to: 2 });
    assert.equal([t.version, t.status().held], [3, null]);
    assert.throws(() => t.hold('a\nb'), /E_CONFIG/);
    assert.throws(() => t.score(Number.NaN), /E_CONFIG/);
  });
  const wrong = await refusal(trainer({ model, guard: 'hold' as never }));
  assert.match(wrong.message, /E_CONFIG: guard must be a function/);
});

for (const encoding of ['f32', 'int8'] as const) {
  test(`nothing of held steps leaves with what waited before them, nor with what ${encoding} owed: the release brings it all`, async () => {
    const publish = { encoding, intervalMs: 20, settleMs: 20 };
    await using({ publish, listen: { port: 0 } }, async (t) => {
      const replica = connect(t.url);
      await replica.ready;
      const all = denseBatches(12, chance(9));
      for (const batch of all.slice(0, 3)) await t.push(batch);
      t.hold('a look at it');
      const [version, digest] = [t.version, t.digest()];
      for (const batch of all.slice(3)) await t.push(batch);
      // longer than both timers
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal([t.version, t.digest(), t.status().folded], [version, digest, 12]);
      await t.release();
      await replica.reached(12);
      const fold = new RMSprop(model, optimizer);
      for (const batch of all) fold.step(batch);
      const right = digestOf(bytesOf(fold.parameters.flat));
      if (replica.digest() !== right) await firstValueFrom(replica.updates$.pipe(filter(() => replica.digest() === right)));
      await replica.close();
    });
  });
}

test('what waited when a hold began goes out when it ends, without another batch', async () => {
  await using({ publish: { every: 100, settleMs: 60_000 }, listen: { port: 0 } }, async (t) => {
    const replica = connect(t.url);
    await replica.ready;
    for (const batch of denseBatches(4, chance(3))) await t.push(batch);
    t.hold();
    assert.is(replica.version, 0);
    await t.release();
    await replica.reached(4);
    assert.equal([replica.digest(), t.status().held], [t.digest(), null]);
    await replica.close();
  });
});

test.run();
