// Recorders on the wire: a snapshot, then every batch as its journal record; read by a client that knows docs/FORMAT.md alone.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { readRecord } from '../../src/frames/record.ts';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { dial, type Fields, join, type RawClient, readFrame } from './raw.ts';
import { Stand, type StandOptions } from './stand.ts';

const recorder = { role: 'recorder' } as const;

async function withStand(options: StandOptions, body: (stand: Stand, port: number) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 100, ...options });
  try {
    await body(stand, stand.server.port);
  } finally {
    await stand.close();
  }
}

function stepBy(stand: Stand, versions: number): void {
  for (let i = 0; i < versions; i++) stand.step();
}

/** Resolves once no connection is left. */
async function alone(stand: Stand): Promise<void> {
  while (stand.server.replicas.length > 0) await new Promise((resolve) => setImmediate(resolve));
}

const resumeAt = (stand: Stand, version: number, change: Fields = {}) => ({
  ...recorder,
  resume: { run: stand.run, epoch: stand.epoch, version, ...change },
});

/** The versions of the next records. */
async function versions(client: RawClient, count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) found.push(Number(readFrame(await client.nextBinary()).metadata.version));
  return found;
}

test('a recorder gets a snapshot, and every batch after it with run, epoch, version, payload and check', () =>
  withStand({}, async (stand, port) => {
    stepBy(stand, 5);
    const { client, welcome } = await join(port, recorder);
    assert.equal([welcome.resumed, welcome.reason, welcome.version], [false, null, 5]);
    const snapshot = decodeSnapshot(await client.nextBinary());
    assert.equal([snapshot.version, snapshot.run, snapshot.model], [5, stand.run, stand.model]);
    const fold = new RMSprop(stand.layout, snapshot.optimizer);
    fold.restore(snapshot.state);
    stepBy(stand, 4);
    for (let version = 6; version <= 9; version++) {
      const frame = await client.nextBinary();
      const { metadata, tensors } = readFrame(frame);
      assert.equal([metadata.kind, metadata.run, metadata.epoch], ['gradients', stand.run, '1']);
      assert.equal([metadata.version, metadata.durableUpTo], [String(version), String(version - 1)]);
      assert.equal([metadata.producer, metadata.sequence], ['stand', String(version)]);
      assert.is(metadata.check, digestOf(new Uint8Array(Buffer.concat([...tensors.values()].map(({ bytes }) => bytes)))));
      fold.step(readRecord(frame, stand.layout).gradients);
    }
    assert.is(fold.digest(), stand.digest());
    client.end();
  }));

test('without a recorder no record is encoded and no snapshot made; control: with one they are', () =>
  withStand({}, async (stand, port) => {
    const { client: replica } = await join(port, { role: 'replica' });
    const { client: worker } = await join(port, { role: 'worker', producer: 'w' });
    await replica.nextBinary();
    await worker.nextBinary();
    stepBy(stand, 20);
    assert.equal(
      await versions(replica, 20),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.equal([stand.recordsMade, stand.snapshotsMade], [0, 0]);
    const { client } = await join(port, recorder);
    await client.nextBinary();
    stepBy(stand, 3);
    assert.equal(await versions(client, 3), [21, 22, 23]);
    assert.equal([stand.recordsMade, stand.snapshotsMade], [3, 1]);
    for (const each of [client, replica, worker]) each.end();
  }));

test('a hundred recorders at one version cost one snapshot, and a batch one record for all of them', () =>
  withStand({}, async (stand, port) => {
    stepBy(stand, 2);
    const clients = await Promise.all(Array.from({ length: 100 }, () => join(port, recorder)));
    stand.step();
    for (const { client } of clients) assert.equal(await versions(client, 2), [2, 3]);
    assert.equal([stand.snapshotsMade, stand.recordsMade], [1, 1]);
    for (const { client } of clients) client.end();
  }));

test('a recorder that comes later gets a snapshot of the version then, not that of the one before it', () =>
  withStand({}, async (stand, port) => {
    const { client: first } = await join(port, recorder);
    stepBy(stand, 3);
    const { client: second } = await join(port, recorder);
    assert.is(decodeSnapshot(await second.nextBinary()).version, 3);
    stand.step();
    assert.equal([await versions(first, 5), await versions(second, 1)], [[0, 1, 2, 3, 4], [4]]);
    for (const each of [first, second]) each.end();
  }));

test('a recorder that comes back gets exactly the records that it missed', () =>
  withStand({}, async (stand, port) => {
    const { client } = await join(port, recorder);
    await client.nextBinary();
    stepBy(stand, 3);
    assert.equal(await versions(client, 3), [1, 2, 3]);
    client.end();
    await alone(stand);
    stepBy(stand, 4);
    const { client: again, welcome } = await join(port, resumeAt(stand, 3));
    assert.equal([welcome.resumed, welcome.reason], [true, null]);
    stepBy(stand, 1);
    assert.equal(await versions(again, 5), [4, 5, 6, 7, 8]);
    assert.is(stand.snapshotsMade, 1);
    again.end();
  }));

for (const [what, version, change, reason] of [
  ['of another run', 5, { run: 'other' }, 'other-run'],
  ['of an epoch that there was not', 5, { epoch: 7 }, 'other-run'],
  ['of a version that is not reached', 99, {}, 'ahead'],
  ['from before anybody recorded', 2, {}, 'backlog'],
] as const)
  test(`a place ${what} is answered with ${reason} and a snapshot`, () =>
    withStand({}, async (stand, port) => {
      stepBy(stand, 5);
      const { client, welcome } = await join(port, resumeAt(stand, version, change));
      assert.equal([welcome.resumed, welcome.reason], [false, reason]);
      assert.is(decodeSnapshot(await client.nextBinary()).version, 5);
      stand.step();
      assert.equal(await versions(client, 1), [6]);
      client.end();
    }));

test('a place without its run is no place: the connection ends with 4500', () =>
  withStand({}, async (_, port) => {
    const { client } = await dial(port);
    client.text({ type: 'hello', ...recorder, resume: { version: 1 } });
    assert.is((await client.closed()).code, 4500);
  }));

test('records are kept for a while after the last recorder, and then let go', () =>
  withStand({ recordsMs: 40, heartbeatMs: 20 }, async (stand, port) => {
    const { client } = await join(port, recorder);
    await client.nextBinary();
    client.end();
    await alone(stand);
    while (true) {
      const before = stand.recordsMade;
      stand.step();
      if (stand.recordsMade === before) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { client: late, welcome } = await join(port, resumeAt(stand, 0));
    assert.equal([welcome.resumed, welcome.reason], [false, 'backlog']);
    late.end();
  }));

test('a recorder may not push: its batch is refused and nothing is folded; its text ends the connection', () =>
  withStand({}, async (stand, port) => {
    const { client } = await join(port, recorder);
    await client.nextBinary();
    const identity = { producer: 'r', producerEpoch: 0, sequence: 7, base: 0 };
    client.binary(encodeGradients(stand.layout, identity, { gradients: stand.made() }));
    const nack = await client.nextText();
    assert.equal([nack.type, nack.code, nack.retryable, nack.sequence], ['nack', 'E_FORBIDDEN', false, 7]);
    assert.match(String(nack.text), /a recorder pushes no batches/);
    assert.is(stand.version(), 0);
    client.text({ type: 'more' });
    assert.is((await client.closed()).code, 4500);
  }));

test('a trainer that gives no snapshots refuses recorders with 4502', async () => {
  const stand = new Stand({});
  Object.defineProperty(stand, 'snapshotFrame', { value: undefined });
  await stand.listen({ closeMs: 100 });
  const { client } = await dial(stand.server.port);
  client.text({ type: 'hello', ...recorder });
  assert.is((await client.closed()).code, 4502);
  await stand.close();
});

test('GET /models/<m> counts recorders beside replicas and workers', () =>
  withStand({}, async (stand, port) => {
    const roles = ['replica', 'worker', 'worker', 'recorder', 'recorder', 'recorder'];
    const clients = await Promise.all(roles.map((role) => join(port, { role })));
    const status = (await (await fetch(`${stand.url}/models/default`)).json()) as Fields;
    assert.equal([status.replicas, status.workers, status.recorders], [1, 2, 3]);
    for (const { client } of clients) client.end();
  }));

test('the backlog of records has its limits in frames and bytes, and records of one turn reach every recorder all the same', () =>
  withStand({ backlogFrames: 8 }, async (stand, port) => {
    const { client } = await join(port, recorder);
    await client.nextBinary();
    stepBy(stand, 50);
    assert.equal(
      await versions(client, 50),
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    client.end();
    await alone(stand);
    stepBy(stand, 9);
    const [{ client: in8, welcome: kept }, { client: in9, welcome: dropped }] = [
      await join(port, resumeAt(stand, 51)),
      await join(port, resumeAt(stand, 50)),
    ];
    assert.equal([kept.resumed, dropped.resumed, dropped.reason], [true, false, 'backlog']);
    in8.end();
    in9.end();
  }));

test.run();
