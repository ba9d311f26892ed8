// Exactly once: resends, two processes of one name, numbers used twice and numbers too old, across restarts and recoveries.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { connect, type RemoteWorker } from '../../streams/sockets/index.ts';
import { type Trainer, type TrainerOptions, trainer } from '../../streams/trainer.ts';
import { join } from '../sockets/raw.ts';
import { figure } from '../support/figures.ts';
import { chance, seed, whole } from '../support/random.ts';
import { kill } from './aims.ts';
import { audit } from './audit.ts';
import { type Life, type LifeOptions, Lives, steadyPort } from './lives.ts';
import { type Name, nextAck, Pushing, shapes } from './pushing.ts';
import { frameOf, post, RawWorker, type Reply } from './sender.ts';

const model = layout(shapes);
const restarts = 20;

const test = suite('producers', { directory: '' });
test.before.each((context) => {
  context.directory = mkdtempSync(joinPath(tmpdir(), 'gradwire-producers-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

async function optionsFor(directory: string): Promise<LifeOptions> {
  const listen = { port: await steadyPort(), heartbeatMs: 50, closeMs: 100 };
  return { directory, model: shapes, segmentBytes: 60_000, snapshots: { every: 100, keep: 2 }, listen };
}

/** A trainer of this process. */
function open(directory: string, options: TrainerOptions = {}): Promise<Trainer> {
  return trainer({ model, directory, listen: { port: 0, closeMs: 100 }, ...options });
}

function portOf({ url }: Trainer): number {
  return Number(new URL(url).port);
}

/** What an answer says, without its text. */
function told({ type, code, version, duplicate }: Reply): unknown[] {
  return type === 'ack' ? ['ack', version, duplicate] : ['nack', code];
}

test('with 30 % random resends by WebSocket and HTTP across kills each batch is applied once, and each resend gets its first version', async ({
  directory,
}) => {
  const options = await optionsFor(directory);
  const { port } = options.listen;
  const lives = new Lives(options);
  const random = chance();
  let life: Life = await lives.begin();
  await life.accepting;
  const restart = async (): Promise<void> => {
    life.child.kill('SIGKILL');
    await life.ended;
    life = await lives.begin();
    await life.accepting;
  };
  const first = new Map<string, number>();
  const counts = { batches: 0, resends: 0, wrong: 0, unanswered: 0, kills: 0 };
  const raw = new Map(['a', 'b'].map((producer) => [producer, new RawWorker(port, { producer, producerEpoch: 3 })]));
  let restarting: Promise<void> = Promise.resolve();
  /** Sends by either way until there is an answer; a kill meanwhile leaves it open whether the batch was applied. */
  const send = async (producer: string, sequence: number): Promise<Reply> => {
    const frame = frameOf(producer, sequence, { producerEpoch: 3 });
    for (;;) {
      try {
        return await (random() < 0.5 ? post(port, frame) : (raw.get(producer) as RawWorker).send(frame, sequence));
      } catch {
        counts.unanswered += 1;
        await restarting;
      }
    }
  };
  for (let i = 0; i < 600; i++) {
    const producer = random() < 0.5 ? 'a' : 'b';
    if (i % 50 === 25) {
      counts.kills += 1;
      restarting = restart();
    }
    const reply = await send(producer, i);
    await restarting;
    counts.batches += 1;
    first.set(`${producer}/3/${i}`, reply.version as number);
    if (random() >= 0.3) continue;
    const [key, version] = [...first][whole(random, 0, first.size - 1)];
    const [who, , sequence] = key.split('/');
    counts.resends += 1;
    const again = await send(who, Number(sequence));
    if (told(again).join() !== `ack,${version},true`) counts.wrong += 1;
  }
  for (const each of raw.values()) each.end();
  await lives.end();
  life.child.kill('SIGKILL');
  await life.ended;
  const acks: string[] = [];
  const { recorded, twice } = await audit(directory, [], ({ producer, producerEpoch, sequence, version }) =>
    acks.push(`${producer}/${producerEpoch}/${sequence} ${version}`),
  );
  figure(
    `producers: ${counts.batches} batches, ${counts.resends} random resends by WebSocket and HTTP across ${counts.kills} kills (${counts.unanswered} sendings cut off; seed ${seed}): recorded ${recorded}, applied twice ${twice}, answered with another version than the first ${counts.wrong}`,
  );
  assert.equal({ recorded, twice, wrong: counts.wrong }, { recorded: 600, twice: 0, wrong: 0 });
  assert.equal(acks.sort(), [...first].map(([key, version]) => `${key} ${version}`).sort());
});

test('of two connections with one name the higher epoch wins: the other is fenced, closed with 4502, and its pushes reject', async ({
  directory,
}) => {
  const t = await open(directory);
  const older = connect<Name>(t.url, { role: 'worker', producer: 'w', producerEpoch: 5 });
  const newer = connect<Name>(t.url, { role: 'worker', producer: 'w', producerEpoch: 6 });
  await Promise.all([older.ready, newer.ready]);
  const gradients = { bias: new Float32Array(64).fill(1) };
  assert.equal(await older.push({ gradients }), { version: 1, duplicate: false });
  assert.equal(await newer.push({ gradients }), { version: 2, duplicate: false });
  const pending = await Promise.all(Array.from({ length: 20 }, () => codeOf(older.push({ gradients }))));
  assert.equal(new Set(pending), new Set(['E_PRODUCER_FENCED']));
  assert.is(await codeOf(older.closed), 'E_PRODUCER_FENCED');
  assert.is(await codeOf(older.push({ gradients })), 'E_PRODUCER_FENCED');
  const raw = await join(portOf(t), { role: 'worker', producer: 'w', producerEpoch: 5 });
  raw.client.binary(frameOf('w', 9, { producerEpoch: 5 }));
  assert.is((await raw.client.closed()).code, 4502);
  assert.is((await post(portOf(t), frameOf('w', 9, { producerEpoch: 5 }))).code, 'E_PRODUCER_FENCED');
  assert.equal(await newer.push({ gradients }), { version: 3, duplicate: false });
  await newer.close();
  await t.close();
  const again = await open(directory);
  assert.is((await post(portOf(again), frameOf('w', 9, { producerEpoch: 5 }))).code, 'E_PRODUCER_FENCED');
  assert.equal(again.version, 3);
  await again.close();
  figure(
    `producers: the older of two of one name: ${pending.length} of ${pending.length} waiting pushes rejected, closed with 4502, fenced after a restart too`,
  );
});

test('without an epoch the second connection of a name gets a higher one, after a restart too', async ({ directory }) => {
  const epochs: unknown[] = [];
  for (let life = 0; life < 2; life++) {
    const t = await open(directory);
    for (let i = 0; i < 2; i++) {
      const { client, welcome } = await join(portOf(t), { role: 'worker', producer: 'w' });
      epochs.push(welcome.producerEpoch);
      client.binary(frameOf('w', 1, { producerEpoch: welcome.producerEpoch as number }));
      let message = await client.next();
      while (message.kind === 'binary') message = await client.next();
      assert.equal(message.kind === 'text' && told(message.value), ['ack', life * 2 + i + 1, false]);
      client.end();
    }
    await t.close();
  }
  assert.equal(epochs, [1, 2, 3, 4]);
});

test('a number used for other bytes, and one that is 1,024 behind, are refused: live, after a replay, and after a snapshot alone', async ({
  directory,
}) => {
  const count = 1100;
  const batch = (sequence: number) => ({ producer: 'full', producerEpoch: 0, sequence, base: 0, gradients: { bias } });
  const bias = new Float32Array(64).fill(0.25);
  const check = async (t: Trainer): Promise<void> => {
    const port = portOf(t);
    const { version } = t;
    assert.equal(told(await post(port, frameOf('w', 1500, { value: 0.5 }))), ['nack', 'E_SEQUENCE_REUSED']);
    assert.equal(told(await post(port, frameOf('w', 1500))), ['ack', count + 2, true]);
    assert.equal(told(await post(port, frameOf('w', 600))), ['ack', count + 1, true]);
    assert.equal(told(await post(port, frameOf('w', 600, { value: 0.5 }))), ['nack', 'E_SEQUENCE_REUSED']);
    assert.equal(told(await post(port, frameOf('w', 1500 - 1024))), ['nack', 'E_SEQUENCE_TOO_OLD']);
    assert.is(await codeOf(t.push(batch(count - 1024))), 'E_SEQUENCE_TOO_OLD', 'it was applied, and is no longer remembered');
    assert.equal(await t.push(batch(count - 1023)), { version: count - 1023, duplicate: true });
    assert.is(t.version, version);
  };
  const live = await open(directory);
  await Promise.all(Array.from({ length: count }, (_, i) => live.push(batch(i + 1))));
  for (const sequence of [600, 1500]) await post(portOf(live), frameOf('w', sequence));
  await check(live);
  await live.close();
  // what close has written is a snapshot of the last version: nothing is replayed
  const restored = await open(directory);
  assert.ok(restored.snapshot?.endsWith(`${count + 2}.safetensors`));
  await check(restored);
  await restored.close();
  for (const name of readdirSync(directory)) if (name.startsWith('snap-')) rmSync(joinPath(directory, name));
  const replayed = await open(directory);
  assert.is(replayed.snapshot, undefined);
  await check(replayed);
  assert.equal(told(await post(portOf(replayed), frameOf('w', 1500 - 1023))), ['ack', count + 3, false]);
  await replayed.close();
  figure('producers: a number with other bytes, and one 1,024 behind: refused live, after a replay, and after a snapshot alone');
});

test('a worker that is killed and started again under its name goes on in a higher epoch: no ack is lost, no version is told twice', async ({
  directory,
}) => {
  const t = await open(directory);
  const program = fileURLToPath(new URL('worker.mjs', import.meta.url));
  const versions: number[] = [];
  let duplicates = 0;
  for (let i = 0; i < 5; i++) {
    const child: ChildProcess = fork(program, [t.url, 'w'], { execArgv: [] });
    child.on('message', ({ version, duplicate }: { version: number; duplicate: boolean }) => {
      versions.push(version);
      if (duplicate) duplicates += 1;
    });
    while (versions.length < (i + 1) * 100) await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  await t.close();
  const epochs = new Set<number>();
  const { recorded, twice } = await audit(directory, [], ({ header }) => epochs.add(header.producerEpoch));
  figure(
    `producers: a worker killed 5 times: ${versions.length} acks, ${recorded} recorded, ${epochs.size} epochs, applied twice ${twice}`,
  );
  assert.equal({ twice, duplicates, epochs: [...epochs] }, { twice: 0, duplicates: 0, epochs: [1, 2, 3, 4, 5] });
  assert.is(new Set(versions).size, versions.length);
  assert.ok(Math.max(...versions) <= recorded);
});

test(`push resolves exactly once through ${restarts} kills of the trainer, and is never rejected`, async ({ directory }) => {
  const options = await optionsFor(directory);
  const lives = new Lives(options);
  const workers = ['a', 'b'].map((producer, i) => {
    return new Pushing(`http://127.0.0.1:${options.listen.port}`, { producer, seed: seed + i });
  });
  const sights = { directory, random: chance(), nextAck: () => nextAck(workers) };
  for (let i = 0; i < restarts; i++)
    await kill(i % 2 === 0 ? 'any moment' : 'the instant of an ack', await lives.begin(), sights);
  const { found, pushed } = await finish(lives, workers, directory);
  figure(
    `producers: ${pushed} pushes through ${restarts} kills: resolved ${found.acknowledged}, rejected 0, recorded ${found.recorded}, lost ${found.lost}, applied twice ${found.twice}`,
  );
});

test('a trainer that is stopped for longer than its workers wait, and goes on, applies each batch once', async ({
  directory,
}) => {
  const options = await optionsFor(directory);
  const lives = new Lives(options);
  const url = `http://127.0.0.1:${options.listen.port}`;
  const life = await lives.begin({ last: true });
  await life.accepting;
  const patience = { silenceMs: 300, connectTimeoutMs: 300 };
  const workers = ['a', 'b'].map((producer, i) => new Pushing(url, { producer, seed: seed + i, ...patience }));
  const stops = 3;
  for (let i = 0; i < stops; i++) {
    await nextAck(workers);
    const gone = workers.map(({ worker }) => lostIts(worker));
    life.child.kill('SIGSTOP');
    await Promise.all(gone);
    life.child.kill('SIGCONT');
    for (const each of workers) await nextAck([each]);
  }
  const resends = workers.reduce((sum, each) => sum + each.resends, 0);
  const { found, pushed } = await finish(lives, workers, directory, life);
  figure(
    `producers: ${stops} SIGSTOPs beyond the workers' patience: ${pushed} pushes resolved once, ${resends} resends, lost ${found.lost}, applied twice ${found.twice}`,
  );
  assert.ok(resends > 0);
});

/** Resolves when a worker has given its connection up. */
async function lostIts(worker: RemoteWorker<Name>): Promise<void> {
  await firstValueFrom(worker.status$.pipe(filter(({ reason = '' }) => reason.startsWith('nothing heard'))));
}

/** Lets the workers end, and holds the recording against what they were told. */
async function finish(lives: Lives, workers: readonly Pushing[], directory: string, running?: Life) {
  const life = running ?? (await lives.begin({ last: true }));
  await life.accepting;
  await Promise.all(workers.map((each) => each.stop()));
  for (const { worker } of workers) await worker.close();
  life.child.kill('SIGTERM');
  assert.is(await life.ended, 0);
  const acks = workers.flatMap((each) => each.acks);
  const found = await audit(directory, acks);
  const pushed = workers.reduce((sum, each) => sum + each.pushed, 0);
  assert.equal(
    workers.map(({ refused, changed }) => [[...refused], changed]),
    workers.map(() => [[], 0]),
    `seed ${seed}`,
  );
  const { lost, twice, gaps, acknowledged, recorded } = found;
  const expected = { lost: 0, twice: 0, gaps: 0, acknowledged: pushed, recorded: pushed };
  assert.equal({ lost, twice, gaps, acknowledged, recorded }, expected, `seed ${seed}`);
  return { found, pushed };
}

function codeOf(doing: Promise<unknown>): Promise<string> {
  return doing.then(
    () => 'resolved',
    ({ code }: { code: string }) => code,
  );
}

test.run();
