// The whole trainer: killed in mid-run, started again, replayed; nothing acknowledged is lost and the bits are the same.
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import type { GradwireError } from '../src/errors.ts';
import { serialize } from '../src/frames/safetensors.ts';
import type { GradientRecord } from '../src/gradients/batch.ts';
import { layout } from '../src/layout.ts';
import { RMSprop } from '../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../streams/operators/rmsprop.ts';
import { foldFrom, replay } from '../streams/recordings/index.ts';
import { connect } from '../streams/sockets/index.ts';
import { trainer } from '../streams/trainer.ts';
import { sameBits } from './support/bits.ts';
import { type Running, start } from './support/gradwire.ts';
import { chance, seed } from './support/random.ts';

const model = layout({ table: [64, 2], bias: [3] });
type Name = 'table' | 'bias';
const optimizer = { lr: 0.05, rho: 0.95, decay: 1e-3 } as const;

const test = suite('trainer', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

/** Batches of every kind, from a seed. */
function batches(count: number, random: () => number): GradientRecord<Name>[] {
  const values = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  return Array.from({ length: count }, (_, i): GradientRecord<Name> => {
    const rows = { rows: Int32Array.from({ length: 3 }, () => Math.floor(random() * 64)), values: values(6) };
    return i % 3 === 0 ? { bias: values(3) } : i % 3 === 1 ? { table: rows } : { table: rows, bias: values(3) };
  });
}

/** A trainer that never died: the batches folded in the order of the versions that they became. */
function folded(byVersion: ReadonlyMap<number, GradientRecord<Name>>): RMSprop<Name> {
  const reference = new RMSprop(model, optimizer);
  for (let version = 1; version <= byVersion.size; version++) {
    const batch = byVersion.get(version);
    assert.ok(batch, `no batch became version ${version}`);
    reference.step(batch);
  }
  return reference;
}

test('replaying a recording gives the digest of the live run, from the start and from each snapshot', async ({ directory }) => {
  const t = await trainer({ model, optimizer, directory, snapshots: { every: 40, keep: 10 } });
  for (const batch of batches(150, chance(5))) await t.push(batch);
  const digest = t.digest();
  await t.close();
  const snapshots = (await readdir(directory)).filter((name) => name.startsWith('snap-')).map((name) => join(directory, name));
  assert.ok(snapshots.length >= 3, `${snapshots.length} snapshots`);
  for (const snapshot of [undefined, ...snapshots]) {
    const { state, version, optimizer: recorded } = await foldFrom<Name>(directory, { snapshot });
    const again = new RMSprop(model, recorded);
    again.restore(state);
    const steps$ = replay(directory, { from: version, model }).pipe(rmsprop(model, { ...recorded, state }));
    const last = await lastValueFrom(steps$, { defaultValue: undefined });
    assert.is((last?.optimizer ?? again).digest(), digest, `from ${snapshot ?? 'the start'}`);
  }
});

test('a trainer that is started again goes on with the same bits, another epoch, and the same dedupe windows', async ({
  directory,
}) => {
  const all = batches(90, chance(6));
  const frames: { version: number; sequence: number }[] = [];
  for (let part = 0; part < 3; part++) {
    const t = await trainer({ model, optimizer, directory, snapshots: { every: 25 } });
    assert.is(t.epoch, part + 1);
    assert.is(t.version, part * 30);
    for (const [i, batch] of all.slice(part * 30, part * 30 + 30).entries()) {
      const { version } = await t.push({ gradients: batch, producer: 'p', producerEpoch: 1, sequence: part * 30 + i, base: 0 });
      frames.push({ version, sequence: part * 30 + i });
    }
    for (const { version, sequence } of frames) {
      const again = await t.push({ gradients: all[sequence], producer: 'p', producerEpoch: 1, sequence, base: 0 });
      assert.equal(again, { version, duplicate: true });
    }
    await t.close();
  }
  const t = await trainer({ model, directory });
  const reference = folded(new Map(all.map((batch, i) => [i + 1, batch])));
  sameBits(t.weights.flat, reference.parameters.flat);
  await t.close();
});

for (const rich of [
  { preset: 'keras3', lr: 0.05, momentum: 0.9, centered: true, weightDecay: 0.1, sparse: 'lazy' },
  { preset: 'keras3', lr: 0.05, useEma: true, emaOverwriteFrequency: 4, groups: [{ match: 'bias', lrMultiplier: 0.5 }] },
  { preset: 'torch', lr: { type: 'cosine', initialLearningRate: 0.1, decaySteps: 20 }, constraint: { type: 'nonNeg' } },
  { preset: 'tf1', lr: 0.05, globalClipnorm: 0.5 },
] as const)
  test(`stop, restart, replay and replicas hold for every optimizer: ${JSON.stringify(rich)}`, async ({ directory }) => {
    const given = batches(24, chance(5));
    const reference = new RMSprop(model, rich);
    const open = () => trainer({ model, optimizer: rich, directory, listen: { port: 0 }, snapshots: { every: 5 } });
    for (const [from, to] of [
      [0, 13],
      [13, 24],
    ] as const) {
      const t = await open();
      assert.is(t.version, from);
      const replica = connect(t.url as string);
      for (const batch of given.slice(from, to)) {
        reference.step(batch);
        await t.push(batch);
        assert.is(t.digest(), reference.digest());
      }
      await replica.reached(to);
      assert.is(replica.digest(), reference.digest());
      await replica.close();
      await t.close();
    }
    const { state, optimizer: recorded } = await foldFrom<Name>(directory);
    const last = await lastValueFrom(replay(directory, { model }).pipe(rmsprop(model, { ...recorded, state })));
    assert.is(last.optimizer.digest(), reference.digest());
    assert.equal(last.optimizer.state(), reference.state());
  });

test('accumulated gradients move replicas at every k-th version alone, and rows that cannot be folded are refused before the journal', async ({
  directory,
}) => {
  const t = await trainer({ model, optimizer: { gradientAccumulationSteps: 3 }, directory, listen: { port: 0 } });
  const replica = connect(t.url as string);
  const digests: string[] = [];
  for (let i = 0; i < 6; i++) {
    await t.push({ bias: Float32Array.of(1, 2, i) });
    await replica.reached(i + 1);
    assert.is(replica.digest(), t.digest());
    digests.push(replica.digest());
  }
  assert.equal(new Set(digests.slice(0, 2)).size, 1);
  assert.is.not(digests[2], digests[1]);
  assert.is(digests[4], digests[2]);
  assert.is.not(digests[5], digests[4]);
  const rows = { table: { rows: Int32Array.of(1), values: Float32Array.of(1, 2) } };
  assert.is(await t.push(rows).catch(({ code }: GradwireError) => code), 'E_ROWS');
  assert.equal(await t.push({ bias: Float32Array.of(1, 2, 3) }), { version: 7, duplicate: false });
  await replica.close();
  await t.close();
  const again = await trainer({ model, directory });
  assert.is(again.version, 7);
  await again.close();
});

test('a damaged recording is refused by replay, whether or not anybody listens for torn tails', async ({ directory }) => {
  const t = await trainer({ model, optimizer, directory });
  for (const batch of batches(60, chance(8))) await t.push(batch);
  const { recording = '' } = t;
  await t.close();
  const bytes = await readFile(recording);
  const middle = Math.floor(bytes.length / 2);
  bytes.fill(0, middle, middle + 50);
  await writeFile(recording, bytes);
  const replayed = lastValueFrom(replay(recording)).then(
    () => 'replayed',
    (error: { code: string }) => error.code,
  );
  assert.is(await replayed, 'E_RECORDING_CORRUPT');
});

test('a replica that was at the newest version resumes after a restart, without all weights', async ({ directory }) => {
  const first = await trainer({ model, optimizer, directory, listen: { port: 0 } });
  const replica = connect<Name>(first.url, { backoffMinMs: 10, backoffMaxMs: 50 });
  await first.push({ bias: Float32Array.of(1, 2, 3) });
  await replica.reached(1);
  await first.close();
  const second = await trainer({ model, directory, listen: { port: Number(new URL(first.url).port) } });
  await second.push({ bias: Float32Array.of(3, 2, 1) });
  await replica.reached(2, { timeoutMs: 10_000 });
  assert.is(replica.digest(), second.digest());
  assert.equal([replica.counts.resumed, replica.counts.reset], [1, 0]);
  await replica.close();
  await second.close();
});

test('whatever a worker sends wrongly is refused with its code, the digest stays, and the connection lives', async ({
  directory,
}) => {
  const t = await trainer({ model, optimizer, directory, listen: { port: 0 } });
  await t.push({ bias: Float32Array.of(1, 2, 3) });
  const digest = t.digest();
  const socket = new WebSocket(`${t.url.replace('http', 'ws')}/models/default`, 'gradwire.v1');
  await once(socket, 'open');
  const answers: Record<string, unknown>[] = [];
  socket.on('message', (data, binary) => {
    if (!binary) answers.push(JSON.parse(String(data)) as Record<string, unknown>);
  });
  const answer = async (bytes: Uint8Array | string) => {
    const count = answers.length;
    socket.send(bytes);
    while (answers.length === count) await once(socket, 'message');
    return answers[count];
  };
  await answer(JSON.stringify({ type: 'hello', role: 'worker', producer: 'w', producerEpoch: 0 }));
  const frame = (tensors: Parameters<typeof serialize>[0], base = '1') =>
    serialize(tensors, {
      gradwire: '1',
      kind: 'gradients',
      model: 'default',
      producer: 'w',
      producerEpoch: '0',
      sequence: '7',
      base,
    });
  const bias = (...values: number[]) => frame({ bias: Float32Array.from(values) });
  const wrong: [string, Uint8Array][] = [
    ['E_NONFINITE', bias(1, Number.NaN, 3)],
    ['E_NONFINITE', bias(1, Number.NEGATIVE_INFINITY, 3)],
    ['E_RANGE', bias(1, 1e20, 3)],
    ['E_SHAPE', bias(1, 2)],
    ['E_SHAPE', frame({ table: { shape: [2, 64], data: new Float32Array(128) } })],
    ['E_DTYPE', frame({ bias: new Float64Array(3) })],
    ['E_UNKNOWN', frame({ b9: new Float32Array(3) })],
    ['E_BATCH_EMPTY', frame({})],
    ['E_FUTURE', frame({ bias: new Float32Array(3) }, '99')],
    ['E_ST_TRUNCATED', bias(1, 2, 3).slice(0, -4)],
  ];
  for (const [code, bytes] of wrong) {
    const { type, code: found, sequence } = await answer(bytes);
    assert.equal([type, found, sequence], ['nack', code, code.startsWith('E_ST') ? null : 7]);
    assert.equal([t.version, t.digest()], [1, digest]);
  }
  assert.equal(await answer(bias(1, 2, 3)), { type: 'ack', sequence: 7, version: 2, duplicate: false });
  socket.close();
  await t.close();
});

test('who subscribes to the updates of a closed trainer is told that they are over', async ({ directory }) => {
  const t = await trainer({ model, directory });
  await t.close();
  assert.is(await lastValueFrom(t.updates$, { defaultValue: 'over' }), 'over');
});

test('pushes of this process that wait for the disk are limited by their bytes, and one alone may be larger', async ({
  directory,
}) => {
  const t = await trainer({ model, directory, maxWaitingBytes: 1 });
  const first = t.push({ bias: new Float32Array(3) });
  const second = await t.push({ bias: new Float32Array(3) }).then(
    () => 'taken',
    ({ code, retryable }: GradwireError) => `${code} ${retryable}`,
  );
  assert.is(second, 'E_BUSY true');
  assert.equal(await first, { version: 1, duplicate: false });
  assert.equal(await t.push({ bias: new Float32Array(3) }), { version: 2, duplicate: false });
  await t.close();
});

test('options that cannot be meant are refused before anything is opened', async ({ directory }) => {
  const wrong = [
    { snapshots: { every: 0 } },
    { snapshots: { evry: 3 } },
    { snapshots: { intervalMs: Number.NaN } },
    { maxStaleness: -1 },
    { maxStalenes: 4 },
    { maxWaitingBytes: 0 },
  ];
  for (const options of wrong) {
    const refused = await trainer({ model, directory: join(directory, 'x'), ...options } as never).then(
      () => 'opened',
      (error: { code: string }) => error.code,
    );
    assert.is(refused, 'E_CONFIG', JSON.stringify(options));
  }
  assert.equal(await readdir(directory), []);
});

test('SIGKILL in mid-run loses no acknowledged batch, applies none twice; workers and replicas go on by themselves', async ({
  directory,
}) => {
  const random = chance();
  const run = { port: '0', trainer: undefined as Running | undefined, url: '' };
  const modelFile = join(directory, 'model.json');
  await writeFile(modelFile, JSON.stringify(model));
  const begin = async () => {
    const options = ['--lr', '0.05', '--rho', '0.95', '--decay', '1e-3', '--snapshot-every', '60'];
    run.trainer = start('serve', '--model', modelFile, '--directory', join(directory, 'run'), '--port', run.port, ...options);
    run.url = await run.trainer.line();
    run.port = new URL(run.url).port;
  };
  await begin();
  const workers = ['a', 'b'].map((producer) =>
    connect<Name>(run.url, { role: 'worker', producer, backoffMinMs: 20, backoffMaxMs: 200 }),
  );
  const replica = connect<Name>(run.url, { backoffMinMs: 20, backoffMaxMs: 200 });
  await Promise.all([...workers, replica].map((each) => each.ready));
  const byVersion = new Map<number, GradientRecord<Name>>();
  const backwards: number[] = [];
  let highest = 0;
  replica.updates$.subscribe(({ version }) => {
    if (version < highest) backwards.push(version);
    highest = Math.max(highest, version);
  });
  const push = async (worker: (typeof workers)[number], all: GradientRecord<Name>[]) => {
    for (let i = 0; i < all.length; i += 4) {
      const four = all.slice(i, i + 4);
      const acks = await Promise.all(four.map((batch) => worker.push({ gradients: batch })));
      for (const [j, { version }] of acks.entries()) {
        assert.not(byVersion.has(version), `version ${version} was acknowledged for two batches (seed ${seed})`);
        byVersion.set(version, four[j]);
      }
    }
  };
  const pushing = Promise.all(workers.map((worker, i) => push(worker, batches(400, chance(i)))));
  for (let kill = 0; kill < 4; kill++) {
    const before = replica.version;
    await replica.reached(Math.min(before + 20 + Math.floor(random() * 60), 700));
    run.trainer?.child.kill('SIGKILL');
    await run.trainer?.ended;
    await begin();
  }
  await pushing;
  assert.is(byVersion.size, 800, `seed ${seed}`);
  await replica.reached(800, { timeoutMs: 20_000 });
  const reference = folded(byVersion);
  sameBits(replica.weights.flat, reference.parameters.flat, `the replica's weights (seed ${seed})`);
  assert.equal(backwards, [], 'the replica went back');
  const status = (await (await fetch(`${run.url}/models/default`)).json()) as { version: number; digest: string; epoch: number };
  assert.equal([status.version, status.digest, status.epoch], [800, reference.digest(), 5]);
  await Promise.all([...workers, replica].map((each) => each.close()));
  run.trainer?.child.kill('SIGTERM');
  assert.is((await run.trainer?.ended)?.code, 0);
});

test.run();
