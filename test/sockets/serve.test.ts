// The server's streams, spoken to by a client that knows docs/FORMAT.md and nothing else.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sameBits } from '../support/bits.ts';
import { dial, join, readFrame, writeFrame } from './raw.ts';
import { Stand } from './stand.ts';
import { batch, untilText, withStand } from './talk.ts';

test('a replica that joins is welcomed, gets the weights, and then every update', () =>
  withStand({}, async (stand) => {
    stand.step();
    stand.step();
    const { client, welcome } = await join(stand.server.port, { role: 'replica' });
    assert.equal(welcome, {
      type: 'welcome',
      run: 'run-1',
      epoch: 1,
      version: 2,
      layout: { 'dense/kernel': [4, 3], 'dense/bias': [3], scale: [] },
      encoding: 'f32',
      credit: { batches: 8, bytes: 33554432 },
      resumed: false,
      reason: null,
      epochs: [[1, 1]],
    });
    const weights = readFrame(await client.nextBinary());
    const { header, ...metadata } = weights.metadata;
    assert.match(header, /^[0-9a-f]{16}$/);
    assert.equal(metadata, {
      gradwire: '1',
      kind: 'weights',
      model: 'default',
      run: 'run-1',
      epoch: '1',
      version: '2',
      digest: stand.digests[2],
    });
    assert.equal([...weights.tensors.keys()], ['dense/kernel', 'dense/bias', 'scale']);
    stand.step();
    const update = readFrame(await client.nextBinary());
    assert.equal(
      [update.metadata.kind, update.metadata.from, update.metadata.version, update.metadata.encoding],
      ['update', '2', '3', 'f32'],
    );
    client.end();
  }));

test('a replica written from the format alone holds the bits of the trainer', () =>
  withStand({}, async (stand) => {
    stand.step();
    const { client } = await join(stand.server.port, { role: 'replica' });
    const held = new Map<string, Float32Array>();
    for (let i = 0; i < 20; i++) {
      if (i > 0)
        stand.step(i % 3 === 0 ? { 'dense/kernel': { rows: Int32Array.of(2), values: Float32Array.of(1, -1, i) } } : undefined);
      const { tensors } = readFrame(await client.nextBinary());
      for (const [name, { bytes }] of tensors) {
        const floats = new Float32Array(Uint8Array.from(bytes).buffer);
        if (name.endsWith('#rows')) continue;
        if (!name.endsWith('#values')) held.set(name, floats);
        else {
          const parameter = name.slice(0, -'#values'.length);
          const rows = new Int32Array(Uint8Array.from(tensors.get(`${parameter}#rows`)?.bytes ?? []).buffer);
          for (const [j, row] of rows.entries()) held.get(parameter)?.set(floats.subarray(j * 3, j * 3 + 3), row * 3);
        }
      }
      for (const [name, values] of held) sameBits(values, stand.published.weights.copy(name), `${name} at ${i}`);
    }
    client.end();
  }));

test('a worker gets the update of its batch before the ack, and the first ack again for a resend', () =>
  withStand({}, async (stand) => {
    const { client, welcome } = await join(stand.server.port, { role: 'worker', producer: 'w1', producerEpoch: 1 });
    assert.equal([welcome.producerEpoch, welcome.sequence], [1, null]);
    assert.is(readFrame(await client.nextBinary()).metadata.kind, 'weights');
    for (let sequence = 1; sequence <= 5; sequence++) {
      client.binary(batch(sequence));
      assert.equal(await untilText(client), [[sequence], { type: 'ack', sequence, version: sequence, duplicate: false }]);
    }
    const digest = stand.digest();
    client.binary(batch(3));
    assert.equal(await client.nextText(), { type: 'ack', sequence: 3, version: 3, duplicate: true });
    assert.is(stand.digest(), digest);
    client.end();
  }));

test('what is published in one turn pushes nothing out of a small backlog before it was offered to those who keep up', () =>
  withStand({ backlogFrames: 8 }, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'replica' });
    await client.nextBinary();
    for (let i = 0; i < 100; i++) stand.step();
    for (let i = 1; i <= 100; i++) assert.is(readFrame(await client.nextBinary()).metadata.version, String(i));
    assert.is(stand.weightsMade, 1);
    client.end();
  }));

test('many batches in one go: each update still goes before its ack', () =>
  withStand({}, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
    await client.nextBinary();
    for (let sequence = 1; sequence <= 8; sequence++) client.binary(batch(sequence));
    let updated = 0;
    for (let acked = 0; acked < 8; ) {
      const message = await client.next();
      if (message.kind === 'binary') updated = Number(readFrame(message.bytes).metadata.version);
      else if (message.kind === 'text') {
        acked += 1;
        assert.ok(Number(message.value.version) <= updated, `${JSON.stringify(message.value)} after ${updated}`);
      }
    }
    client.end();
  }));

test('batches that come in one read are answered in one write', async () => {
  let near: Socket | undefined;
  const note = (message: unknown): void => {
    near ??= (message as { socket: Socket }).socket;
  };
  subscribe('net.server.socket', note);
  try {
    await withStand({}, async (stand) => {
      const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
      await client.nextBinary();
      client.binary(batch(1));
      await untilText(client);
      const writes = writesOf(near as Socket);
      client.socket.cork();
      for (let resent = 0; resent < 8; resent++) client.binary(batch(1));
      client.socket.uncork();
      for (let acked = 0; acked < 8; acked++) assert.is((await client.nextText()).duplicate, true);
      assert.is(writes(), 1);
      client.end();
    });
  } finally {
    unsubscribe('net.server.socket', note);
  }
});

/** Counts how often a socket hands bytes to the operating system from now on. */
function writesOf(socket: Socket): () => number {
  let writes = 0;
  for (const name of ['_write', '_writev'] as const) {
    const write = socket[name]?.bind(socket) as (...args: unknown[]) => void;
    Object.assign(socket, {
      [name]: (...args: unknown[]) => {
        writes += 1;
        write(...args);
      },
    });
  }
  return () => writes;
}

for (const [what, frame, code, sequence] of [
  ['NaN', batch(1, {}, [1, Number.NaN, 3]), 'E_NONFINITE', 1],
  ['infinity', batch(1, {}, [1, Number.POSITIVE_INFINITY, 3]), 'E_NONFINITE', 1],
  ['a value too large', batch(1, {}, [1, 1e20, 3]), 'E_RANGE', 1],
  ['a wrong shape', batch(1, {}, [1, 2, 3, 4]), 'E_ST_SIZE', null],
  ['a future base', batch(1, { base: '7' }), 'E_FUTURE', 1],
  ['an unknown tensor', writeFrame(readFrame(batch(1)).metadata, { nope: { shape: [1], values: [1] } }), 'E_UNKNOWN', 1],
  ['no tensors', writeFrame(readFrame(batch(1)).metadata, {}), 'E_BATCH_EMPTY', 1],
  ['no producer', batch(1, { producer: '' }), 'E_FRAME', 1],
  ['a frame of another kind', batch(1, { kind: 'weights' }), 'E_FRAME', 1],
  ['no bytes at all', Buffer.alloc(0), 'E_ST_SHORT', null],
  ['text that is no frame', Buffer.from('hello, world'), 'E_ST_HEADER_LENGTH', null],
  ['a frame cut short', batch(1).subarray(0, -3), 'E_ST_TRUNCATED', null],
] as const) {
  test(`a batch with ${what} is answered with ${code}; nothing changes and the connection lives`, () =>
    withStand({}, async (stand) => {
      const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
      await client.nextBinary();
      client.binary(frame);
      const nack = await client.nextText();
      assert.equal([nack.type, nack.code, nack.sequence, nack.retryable, nack.version], ['nack', code, sequence, false, 0]);
      assert.is(typeof nack.text, 'string');
      assert.is(nack.retryAfterMs, 0);
      assert.is(stand.digest(), stand.digests[0]);
      client.binary(batch(1));
      assert.equal(await untilText(client), [[1], { type: 'ack', sequence: 1, version: 1, duplicate: false }]);
      client.end();
    }));
}

test('the same sequence number with other bytes is E_SEQUENCE_REUSED', () =>
  withStand({}, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'worker' });
    await client.nextBinary();
    client.binary(batch(1));
    await untilText(client);
    client.binary(batch(1, {}, [3, 2, 1]));
    assert.is((await client.nextText()).code, 'E_SEQUENCE_REUSED');
    assert.is(stand.version(), 1);
    client.end();
  }));

test('a worker without memory is told which epoch to write and where its numbers stand', () =>
  withStand({}, async (stand) => {
    const { port } = stand.server;
    const identity = async (hello: object) => {
      const { client, welcome } = await join(port, { role: 'worker', ...hello });
      client.end();
      return [welcome.producerEpoch, welcome.sequence];
    };
    assert.equal(await identity({ producer: 'w1' }), [1, null]);
    assert.equal(await identity({ producer: 'w1' }), [2, null], 'the epoch has been given away');
    assert.equal(await identity({ producer: 'w1', producerEpoch: 9 }), [9, null]);
    assert.equal(await identity({ producer: 'w1' }), [10, null]);
    const { client } = await join(port, { role: 'worker', producer: 'w2', producerEpoch: 3 });
    await client.nextBinary();
    client.binary(batch(41, { producer: 'w2', producerEpoch: '3' }));
    await untilText(client);
    client.end();
    assert.equal(await identity({ producer: 'w2', producerEpoch: 3 }), [3, 41]);
    assert.equal(await identity({ producer: 'w2', producerEpoch: 4 }), [4, null]);
    assert.equal(await identity({ producer: 'w2' }), [5, null]);
    assert.equal(await identity({}), [null, null]);
    const { welcome, client: replica } = await join(port, { role: 'replica' });
    assert.not('sequence' in welcome);
    replica.end();
  }));

test('a producer whose epochs are used up gets no number that a client could not read, but 4502', () =>
  withStand({}, async (stand) => {
    const { port } = stand.server;
    const last = await join(port, { role: 'worker', producer: 'w1', producerEpoch: Number.MAX_SAFE_INTEGER });
    assert.is(last.welcome.producerEpoch, Number.MAX_SAFE_INTEGER);
    last.client.end();
    const { client } = await dial(port);
    client.text({ type: 'hello', role: 'worker', producer: 'w1' });
    const { code, reason } = await client.closed();
    assert.is(code, 4502);
    assert.match(reason, /^E_PRODUCER_FENCED: /);
    const other = await join(port, { role: 'worker', producer: 'w2' });
    assert.is(other.welcome.producerEpoch, 1);
    other.client.end();
  }));

test('a producer that has been fenced is told so, and closed with 4502', () =>
  withStand({}, async (stand) => {
    const old = await join(stand.server.port, { role: 'worker', producer: 'w1' });
    await old.client.nextBinary();
    const next = await join(stand.server.port, { role: 'worker', producer: 'w1' });
    next.client.binary(batch(1, { producerEpoch: '2' }));
    assert.is(readFrame(await old.client.nextBinary()).metadata.version, '1');
    old.client.binary(batch(1));
    assert.is((await old.client.nextText()).code, 'E_PRODUCER_FENCED');
    const { code, reason } = await old.client.closed();
    assert.is(code, 4502);
    assert.match(reason, /^E_PRODUCER_FENCED: /);
    next.client.end();
  }));

test('a client that comes back gets exactly the updates it lacks', () =>
  withStand({}, async (stand) => {
    for (let i = 0; i < 10; i++) stand.step();
    const resume = { run: 'run-1', epoch: 1, version: 7, digest: stand.digests[7] };
    const { client, welcome } = await join(stand.server.port, { role: 'replica', resume });
    assert.equal([welcome.resumed, welcome.reason, welcome.version], [true, null, 10]);
    for (const version of ['8', '9', '10']) assert.is(readFrame(await client.nextBinary()).metadata.version, version);
    stand.step();
    assert.is(readFrame(await client.nextBinary()).metadata.from, '10');
    assert.is(stand.weightsMade, 0);
    client.end();
  }));

for (const [reason, over] of [
  ['other-run', { run: 'run-2' }],
  ['other-run', { epoch: 7 }],
  ['ahead', { version: 11 }],
  ['diverged', { version: 10, digest: '0123456789abcdef' }],
  ['backlog', { version: 1, digest: undefined }],
] as const) {
  test(`a client that comes back with ${JSON.stringify(over)} starts over: ${reason}`, () =>
    withStand({ backlogFrames: 5 }, async (stand) => {
      for (let i = 0; i < 10; i++) stand.step();
      const resume = { run: 'run-1', epoch: 1, version: 10, digest: stand.digests[10], ...over };
      const { client, welcome } = await join(stand.server.port, { role: 'replica', resume });
      assert.equal([welcome.resumed, welcome.reason], [false, reason]);
      const { metadata } = readFrame(await client.nextBinary());
      assert.equal([metadata.kind, metadata.version, metadata.digest], ['weights', '10', stand.digests[10]]);
      client.end();
    }));
}

test('a client resumes across a restart of the trainer, where the epochs say that nothing was lost', async () => {
  const first = await Stand.start();
  for (let i = 0; i < 5; i++) first.step();
  await first.close();
  const epochs = [
    [1, 1],
    [2, 6],
  ] as const;
  const second = await Stand.start({ epoch: 2, epochs }, first);
  const place = { run: 'run-1', epoch: 1, version: 5, digest: first.digests[5] };
  const { client, welcome } = await join(second.server.port, { role: 'replica', resume: place });
  assert.equal([welcome.resumed, welcome.epoch], [true, 2]);
  second.step();
  const { metadata } = readFrame(await client.nextBinary());
  assert.equal([metadata.from, metadata.version, metadata.epoch], ['5', '6', '2']);
  const late = await join(second.server.port, { role: 'replica', resume: { ...place, version: 6 } });
  assert.is(late.welcome.reason, 'ahead', 'version 6 of epoch 1 is not ours');
  client.end();
  late.client.end();
  await second.close();
});

test('those who join at the same version share one weights frame', () =>
  withStand({}, async (stand) => {
    stand.step();
    const joined = await Promise.all(Array.from({ length: 10 }, () => join(stand.server.port, { role: 'replica' })));
    for (const { client } of joined) await client.nextBinary();
    assert.is(stand.weightsMade, 1);
    stand.step();
    const { client } = await join(stand.server.port, { role: 'replica' });
    await client.nextBinary();
    assert.is(stand.weightsMade, 2);
    for (const each of [...joined, { client }]) each.client.end();
  }));

test.run();
