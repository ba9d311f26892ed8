// What the server takes of one connection, and of all: connections, credit, messages, bytes that wait for answers.
import { once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../streams/sockets/index.ts';
import { largestFrame } from '../../streams/sockets/server/serve-options.ts';
import { dial, type Fields, join, type RawClient } from './raw.ts';
import { Stand, small } from './stand.ts';
import { batch, endOf, until, untilText, withStand } from './talk.ts';

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

test.run();
