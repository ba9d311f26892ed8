// The server, spoken to by a client that knows docs/FORMAT.md and nothing else.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { type ServeOptions, serve } from '../../streams/sockets/index.ts';
import { largestFrame, serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { sameBits } from '../support/bits.ts';
import { dial, type Fields, join, type RawClient, readFrame, writeFrame } from './raw.ts';
import { Stand, type StandOptions, small } from './stand.ts';

/** Runs a body with a trainer that is closed afterwards. */
async function withStand(options: StandOptions, body: (stand: Stand) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 200, ...options });
  try {
    await body(stand);
  } finally {
    await stand.close();
  }
}

/** A gradients frame for the bias, by hand. */
function batch(sequence: number, over: Record<string, string> = {}, values = [1, 2, 3]): Buffer {
  const metadata = {
    gradwire: '1',
    kind: 'gradients',
    producer: 'w1',
    producerEpoch: '1',
    sequence: String(sequence),
    base: '0',
    ...over,
  };
  return writeFrame(metadata, { 'dense/bias': { shape: [3], values } });
}

/** The frames and texts up to and with the next text. */
async function untilText(client: RawClient): Promise<[versions: number[], text: Fields]> {
  const versions: number[] = [];
  for (;;) {
    const message = await client.next();
    if (message.kind === 'text') return [versions, message.value];
    if (message.kind === 'close') throw new Error(`closed with ${message.code} ${message.reason}`);
    versions.push(Number(readFrame(message.bytes).metadata.version));
  }
}

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

// the start of a masked text message of 100,000 bytes, and 10,000 of them
const unfinished = Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0]), Buffer.alloc(10_004)]);

/** What a connection ends with after that. */
async function endOf(
  options: StandOptions,
  act: (client: RawClient, stand: Stand) => void,
  hello?: object,
): Promise<{ code: number; reason: string }> {
  let end = { code: 0, reason: '' };
  await withStand(options, async (stand) => {
    const { client } = await dial(stand.server.port);
    if (hello !== undefined) {
      client.text({ type: 'hello', ...hello });
      await client.next();
      await client.nextBinary();
    }
    act(client, stand);
    end = await client.closed();
    client.end();
  });
  return end;
}

for (const [what, code, says, act] of [
  ['a hello that is binary', 4500, /^E_PROTOCOL/, (client) => client.binary(Buffer.from('{"type":"hello","role":"replica"}'))],
  ['a hello that is no JSON', 4500, /^E_PROTOCOL/, (client) => client.text('hello')],
  ['a hello with another role', 4500, /"role"/, (client) => client.text({ type: 'hello', role: 'admin' })],
  [
    'a hello of 5,000 bytes',
    4504,
    /^E_TOO_LARGE/,
    (client) => client.text({ type: 'hello', role: 'replica', token: 'x'.repeat(5000) }),
  ],
  ['a hello that claims to be large', 4504, /4096/, (client) => client.send(1, Buffer.alloc(300_000, 0x20))],
  ['a hello that claims to be large and does not come to its end', 4504, /4096/, (client) => client.socket.write(unfinished)],
  ['no hello', 4503, /^E_TIMEOUT/, () => undefined],
  ['pings in place of a hello', 4503, /^E_TIMEOUT/, (client) => client.send(9, Buffer.alloc(0))],
] as [string, number, RegExp, (client: RawClient) => void][]) {
  test(`${what} ends with ${code}`, async () => {
    const end = await endOf({ helloMs: 150 }, act);
    assert.is(end.code, code);
    assert.match(end.reason, says);
  });
}

test('text after the hello ends with 4500', async () => {
  const end = await endOf({}, (client) => client.text({ type: 'ack' }), { role: 'replica' });
  assert.is(end.code, 4500);
});

test('a hello and a batch in one write are both understood', () =>
  withStand({}, async (stand) => {
    const { client } = await dial(stand.server.port);
    client.socket.cork();
    client.text({ type: 'hello', role: 'worker', producer: 'w1' });
    client.binary(batch(1, { note: 'x'.repeat(10_000) }));
    client.socket.uncork();
    assert.is((await client.nextText()).type, 'welcome');
    assert.is((await untilText(client))[1].type, 'ack');
    client.end();
  }));

test('the answer to a subprotocol is fixed, and another version of the protocol ends with 4505', () =>
  withStand({}, async ({ server }) => {
    const accepted = await dial(server.port, undefined, { 'Sec-WebSocket-Protocol': 'secret-token, gradwire.v1' });
    assert.match(accepted.head, /sec-websocket-protocol: gradwire\.v1(\r|$)/i);
    assert.not.match(accepted.head, 'secret');
    const other = await dial(server.port, undefined, { 'Sec-WebSocket-Protocol': 'gradwire.v2' });
    assert.not.match(other.head, 'v2');
    assert.is((await other.client.closed()).code, 4505);
    const none = await dial(server.port, undefined, { 'Sec-WebSocket-Protocol': undefined });
    assert.equal([none.status, /sec-websocket-protocol/i.test(none.head)], [101, false]);
    for (const { client } of [accepted, other, none]) client.end();
  }));

test('compression is never agreed on', () =>
  withStand({}, async ({ server }) => {
    const { head, client } = await dial(server.port, undefined, {
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
    });
    assert.not.match(head, /extensions/i);
    client.end();
  }));

test('the bare address gets a WebSocket: the server has one model', () =>
  withStand({}, async ({ server }) => {
    assert.is((await dial(server.port, '/', {})).status, 101);
  }));

for (const [what, status, code, path, headers] of [
  ['a page from elsewhere', 403, 'E_FORBIDDEN', '/models/default', { Origin: 'http://evil.example' }],
  ['a page without an origin of its own', 403, 'E_FORBIDDEN', '/models/default', { Origin: 'null' }],
  ['a page of another port', 403, 'E_FORBIDDEN', '/models/default', { Origin: 'http://127.0.0.1:1' }],
  ['a name that was rebound to this machine', 403, 'E_FORBIDDEN', '/models/default', { Host: 'evil.example' }],
  ['a name that begins like this machine', 403, 'E_FORBIDDEN', '/models/default', { Host: '127.0.0.1.evil.example:80' }],
  ['another model', 404, 'E_NOT_FOUND', '/models/other', {}],
  ['another path', 404, 'E_NOT_FOUND', '/default', {}],
  ['half a path', 404, 'E_NOT_FOUND', '/models', {}],
  ['a longer path', 404, 'E_NOT_FOUND', '/models/default/updates', {}],
  ['a path that is badly escaped', 404, 'E_NOT_FOUND', '/models/%E0%A4%A', {}],
] as const) {
  test(`${what} gets no WebSocket: ${status}`, () =>
    withStand({}, async ({ server }) => {
      const answer = await dial(server.port, path, headers);
      assert.is(answer.status, status);
      assert.is(JSON.parse(answer.body).code, code);
    }));
}

test('a page that this very server has served gets one', () =>
  withStand({}, async ({ server }) => {
    const host = `localhost:${server.port}`;
    const { status, client } = await dial(server.port, undefined, { Host: host, Origin: `http://${host}` });
    assert.is(status, 101);
    client.end();
  }));

test('the bare address means the one model that the server has', () =>
  withStand({ name: 'another' }, async ({ server }) => {
    const { client } = await join(server.port, { role: 'replica' }, '/');
    assert.is(readFrame(await client.nextBinary()).metadata.model, 'another');
    client.end();
  }));

test('a model with a name that needs escaping is found', () =>
  withStand({ name: 'my model/1' }, async ({ server }) => {
    const { client, welcome } = await join(server.port, { role: 'replica' }, '/models/my%20model%2F1');
    assert.is(welcome.type, 'welcome');
    client.end();
  }));

test('there are no more connections than the limit, hello or not', () =>
  withStand({ connections: 2 }, async ({ server }) => {
    const first = await join(server.port, { role: 'replica' });
    const second = await dial(server.port);
    const third = await dial(server.port);
    assert.equal([third.status, JSON.parse(third.body).code], [503, 'E_BUSY']);
    const gone = once(first.client.socket, 'close');
    first.client.end();
    await gone;
    let status = 503;
    while (status === 503) {
      const again = await dial(server.port);
      status = again.status;
      again.client.end();
    }
    assert.is(status, 101);
    second.client.end();
  }));

test('a worker that goes beyond its credit of batches is closed with 4006', async () => {
  const act = (client: RawClient): void => {
    for (let sequence = 1; sequence <= 9; sequence++) client.binary(batch(sequence));
  };
  assert.is((await endOf({ lazy: true }, act, { role: 'worker', producer: 'w1' })).code, 4006);
});

test('control: eight batches are within it', () =>
  withStand({ lazy: true }, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
    await client.nextBinary();
    for (let sequence = 1; sequence <= 8; sequence++) client.binary(batch(sequence));
    client.send(9, Buffer.from('sent all'));
    await until(() => stand.arrived.length === 8);
    stand.work();
    for (let acked = 0; acked < 8; acked++) assert.is((await untilText(client))[1].type, 'ack');
    client.end();
  }));

test('a worker that goes beyond its credit of bytes is closed with 4006, but one batch is always allowed', async () => {
  const act = (client: RawClient): void => {
    client.binary(batch(1));
    client.binary(batch(2));
  };
  const size = batch(1).byteLength;
  assert.is((await endOf({ lazy: true, creditBytes: size * 2 - 1 }, act, { role: 'worker', producer: 'w1' })).code, 4006);
  await withStand({ creditBytes: 1 }, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
    client.binary(batch(1));
    await client.nextBinary();
    assert.is((await untilText(client))[1].type, 'ack');
    client.end();
  });
});

test('a message larger than any batch of the model ends with 1009, and the server lives', async () => {
  const most = largestFrame(small);
  assert.is((await endOf({}, (client) => client.binary(Buffer.alloc(most + 1)), { role: 'worker' })).code, 1009);
});

test('a message in a thousand pieces too many ends with 1008', async () => {
  const act = (client: RawClient): void => {
    client.send(2, Buffer.alloc(1), false);
    for (let i = 0; i < 1100; i++) client.send(0, Buffer.alloc(1), false);
  };
  assert.is((await endOf({}, act, { role: 'worker' })).code, 1008);
});

test('a replica that pushes is told that it may not', () =>
  withStand({}, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'replica' });
    await client.nextBinary();
    client.binary(batch(5));
    const nack = await client.nextText();
    assert.equal([nack.code, nack.sequence, nack.retryable], ['E_FORBIDDEN', 5, false]);
    assert.is(stand.version(), 0);
    client.end();
  }));

test('a batch that nobody takes is refused, and may come again', async () => {
  const stand = new Stand();
  const server = await serve(stand);
  const { client } = await join(server.port, { role: 'worker' });
  await client.nextBinary();
  client.binary(batch(4));
  const nack = await client.nextText();
  assert.equal([nack.code, nack.sequence, nack.retryable], ['E_NOT_READY', 4, true]);
  assert.ok(Number(nack.retryAfterMs) > 0);
  client.end();
  await server.close();
});

test('while too many bytes wait for answers no worker is read, and then they are', () =>
  withStand({ lazy: true, acceptBytes: batch(1, { producer: 'a' }).byteLength * 2 }, async (stand) => {
    const { port } = stand.server;
    const workers = await Promise.all(['a', 'b', 'c'].map((producer) => join(port, { role: 'worker', producer })));
    const [a, b, c] = workers.map(({ client }) => client);
    a.binary(batch(1, { producer: 'a' }));
    b.binary(batch(1, { producer: 'b' }));
    await until(() => stand.arrived.length === 2);
    c.binary(batch(1, { producer: 'c' }));
    const { client: late } = await join(port, { role: 'worker', producer: 'd' });
    late.binary(batch(1, { producer: 'd' }));
    for (let i = 0; i < 5; i++) await fetch(`${stand.url}/healthz`);
    assert.is(stand.arrived.length, 2, 'these are not read');
    const posted = await fetch(`${stand.url}/models/default/gradients`, { method: 'POST', body: batch(1) });
    assert.equal([posted.status, ((await posted.json()) as Fields).code], [429, 'E_BUSY']);
    stand.work();
    await until(() => stand.arrived.length === 2);
    stand.work();
    assert.is(stand.version(), 4);
    for (const client of [a, b, c, late]) client.end();
  }));

test('while too many batches wait for answers, however small, no worker is read, and then they are', () =>
  withStand({ lazy: true, acceptBatches: 2 }, async (stand) => {
    const { port } = stand.server;
    const workers = await Promise.all(['a', 'b'].map((producer) => join(port, { role: 'worker', producer })));
    const [a, b] = workers.map(({ client }) => client);
    a.binary(batch(1, { producer: 'a' }));
    a.binary(batch(2, { producer: 'a' }));
    await until(() => stand.arrived.length === 2);
    b.binary(batch(1, { producer: 'b' }));
    for (let i = 0; i < 5; i++) await fetch(`${stand.url}/healthz`);
    assert.is(stand.arrived.length, 2, 'the third is not read');
    stand.work();
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.is(stand.version(), 3);
    for (const client of [a, b]) client.end();
  }));

/** Waits, one turn of the event loop after the other. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('silence is filled with heartbeats that tell epoch, version and digest', () =>
  withStand({ heartbeatMs: 30 }, async (stand) => {
    stand.step();
    const { client } = await join(stand.server.port, { role: 'replica' });
    await client.nextBinary();
    const made = stand.digestsMade;
    for (let i = 0; i < 3; i++) {
      assert.equal(await client.nextText(), { type: 'heartbeat', epoch: 1, version: 1, digest: stand.digests[1] });
    }
    assert.ok(stand.digestsMade - made <= 1, 'the digest is made once for a version');
    client.end();
  }));

test('who does not answer a ping is cut off; who does, is not', () =>
  withStand({ pingMs: 40, pongMs: 40 }, async ({ server }) => {
    const { client: silent } = await join(server.port, { role: 'replica' });
    const { client: alive } = await join(server.port, { role: 'replica' });
    silent.answersPings = false;
    assert.is((await silent.closed()).code, 1006);
    await until(() => alive.pings >= 4);
    assert.is(server.replicas.length, 1);
    alive.end();
  }));

test('on close batches in flight are answered, everybody is told 4001, and nobody new is let in', async () => {
  const stand = await Stand.start({ lazy: true, closeMs: 1000 });
  const { client } = await join(stand.server.port, { role: 'worker', producer: 'w1' });
  const { client: replica } = await join(stand.server.port, { role: 'replica' });
  await client.nextBinary();
  client.binary(batch(1));
  await until(() => stand.arrived.length === 1);
  const closing = stand.close();
  client.binary(batch(2));
  const refused = await client.nextText();
  assert.equal([refused.code, refused.sequence, refused.retryable], ['E_CLOSED', 2, true]);
  stand.work();
  assert.equal(await untilText(client), [[1], { type: 'ack', sequence: 1, version: 1, duplicate: false }]);
  for (const each of [client, replica]) {
    const closed = each.closed();
    assert.is((await closed).code, 4001);
    each.end();
  }
  await closing;
  await stand.close();
  assert.equal(stand.server.replicas, []);
});

test('a close does not wait for a peer that does not react', async () => {
  const stand = await Stand.start({ closeMs: 50 });
  const { client } = await join(stand.server.port, { role: 'replica' });
  client.socket.pause();
  await stand.close();
  client.end();
});

test('a port that is taken, and a host that is not this machine, are refused with a code', async () => {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const { port } = busy.address() as { port: number };
  const failure = async (options: ServeOptions): Promise<string> => {
    try {
      await (await serve(new Stand(), options)).close();
      return 'it listens';
    } catch (error) {
      if (error instanceof GradwireError) return error.message;
      throw error;
    }
  };
  assert.match(await failure({ port }), /^E_BUSY: port \d+ of 127\.0\.0\.1 is taken/);
  const server = await serve(new Stand(), { port, orAnyPort: true });
  assert.is.not(server.port, port);
  await server.close();
  busy.close();
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.com', ''])
    assert.match(await failure({ host }), /^E_CONFIG: host/);
  assert.match(await failure({ port: 70_000 }), /^E_CONFIG: port/);
  assert.match(await failure({ creditBatches: 0 }), /^E_CONFIG: creditBatches/);
  assert.match(await failure({ backlogBytes: Number.NaN }), /^E_CONFIG: backlogBytes/);
  assert.match(await failure({ maxPaylaod: 1 } as ServeOptions), /^E_CONFIG: unknown serve option "maxPaylaod"/);
  assert.is(serveOptionsOf({ port: undefined }).port, 0);
});

test('it listens on ::1 too, where the machine has it', async () => {
  const server = await serve(new Stand(), { host: '::1' }).catch((error: GradwireError) => error);
  if (server instanceof GradwireError) return assert.match(server.message, /^E_CONFIG: port 0 of ::1 cannot be listened on/);
  assert.is(server.url, `http://[::1]:${server.port}`);
  assert.is((await fetch(`${server.url}/healthz`)).status, 200);
  await server.close();
});

test('a broadcast is a tap: what comes goes on, and errors and ends pass', async () => {
  const stand = await Stand.start();
  const source = new Subject<never>();
  const seen: string[] = [];
  source
    .pipe(stand.server.broadcast())
    .subscribe({ error: (error) => seen.push(String(error)), complete: () => seen.push('complete') });
  source.complete();
  const failing = new Subject<never>();
  failing.pipe(stand.server.broadcast()).subscribe({ error: (error) => seen.push(String(error)) });
  failing.error('broken');
  assert.equal(seen, ['complete', 'broken']);
  await stand.close();
});

test.run();
