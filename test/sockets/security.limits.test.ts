// The limits that hold before anybody has shown who they are, and those that a hostile peer runs into.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { safetensorsLimits } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { groupOf, limitFor } from '../../streams/sockets/server/access/connections.ts';
import { largestFrame, serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { refused } from '../support/refused.ts';
import { ask } from './ask.ts';
import { dial, join, type RawClient } from './raw.ts';
import { small } from './stand.ts';
import { batch, until, untilText, withStand } from './talk.ts';

test('the limits are those of the list: 256 connections, 16 of one address, 64 strangers, 10 s for headers, 5 s for a hello', () => {
  const { connections, unauthenticated, headersMs, helloMs, tokensMs, host } = serveOptionsOf({});
  assert.equal([connections, unauthenticated, headersMs, helloMs, host], [256, 64, 10_000, 5_000, '127.0.0.1']);
  assert.ok(tokensMs <= 30_000);
  refused('E_CONFIG', () => serveOptionsOf({ tokensMs: 30_001 }), /^tokensMs must be an integer from 1 to 30000/);
  assert.equal(
    ['192.168.0.7', '2001:db8::/64', '127.0.0.1', '::1'].map((address) => limitFor(address, undefined)),
    [16, 16, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  );
  assert.equal([limitFor('192.168.0.7', 3), limitFor('127.0.0.1', 3)], [3, 3], 'a limit that is given is for all');
});

test('an address is an IPv4 address, also behind IPv6, or a /64 of IPv6', () => {
  const same = [
    ['10.0.0.1', '::ffff:10.0.0.1'],
    ['2001:db8::1', '2001:db8:0:0:ffff::2'],
    ['fe80::1%eth0', 'fe80::abcd%eth0'],
    ['2001:0db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ];
  for (const [a, b] of same) assert.is(groupOf(a), groupOf(b), `${a} and ${b}`);
  const others = ['10.0.0.1', '10.0.0.2', '::1', '2001:db8::1', '2001:db8:0:1::1', 'fe80::1'];
  assert.is(new Set(others.map(groupOf)).size, others.length);
});

test('an address has no more connections than its limit; another address has its own', () =>
  withStand({ connectionsPerAddress: 2 }, async (stand, port) => {
    const first = await join(port, { role: 'replica' });
    const second = await join(port, { role: 'replica' });
    const third = await dial(port);
    assert.equal([third.status, JSON.parse(third.body).code], [429, 'E_BUSY']);
    assert.match(third.body, '2 connections of one address are taken');
    const asked = await ask(port, '/healthz');
    assert.equal([asked.status, asked.json.code, asked.headers['retry-after']], [429, 'E_BUSY', '1']);
    const other = await dial(port, undefined, {}, { localAddress: '127.0.0.2' });
    assert.is(other.status, 101);
    const gone = once(first.client.socket, 'close');
    first.client.end();
    await gone;
    let status = 429;
    while (status === 429) {
      const again = await dial(port);
      status = again.status;
      again.client.end();
    }
    assert.is(status, 101);
    assert.ok(stand.server.replicas.length <= 2);
    for (const { client } of [second, other]) client.end();
  }));

test('far more connections than that are cut before they say anything', () =>
  withStand({ connectionsPerAddress: 2 }, async (_, port) => {
    const sockets = Array.from({ length: 12 }, () => connect(port, '127.0.0.1'));
    const open = new Set<Socket>(sockets);
    for (const socket of sockets) {
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
      socket.resume();
    }
    await until(() => open.size === 4);
    for (const socket of sockets) socket.destroy();
  }));

test('those who have not shown who they are have a limit of their own, and are no obstacle once they have', () =>
  withStand({ unauthenticated: 2 }, async (_, port) => {
    const known = await Promise.all(Array.from({ length: 2 }, () => join(port, { role: 'replica' })));
    const silent = [await dial(port), await dial(port)];
    assert.equal(
      silent.map(({ status }) => status),
      [101, 101],
    );
    assert.equal([(await dial(port)).status, (await ask(port, '/healthz')).status], [429, 429]);
    silent[0].client.text({ type: 'hello', role: 'replica' });
    assert.is((await silent[0].client.nextText()).type, 'welcome');
    const next = await dial(port);
    assert.is(next.status, 101);
    for (const { client } of [...known, ...silent, next]) client.end();
  }));

test('with tokens a stranger is one until its token is known; without, until it asks for something', async () => {
  const tokens = [{ token: 'all-0123456789abcdef', scopes: ['read'] }] as const;
  const asking = async (port: number, headers: Record<string, string>): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    const lines = Object.entries({ Host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET /models/default HTTP/1.1\r\n${lines.join('')}\r\n`);
    await once(socket, 'data');
    return socket;
  };
  await withStand({ unauthenticated: 1, tokens }, async (_, port) => {
    const stranger = await asking(port, {});
    assert.is((await ask(port, '/healthz')).status, 429, 'its connection is kept alive');
    stranger.destroy();
    while ((await ask(port, '/healthz')).status === 429);
    const known = await asking(port, { Authorization: `Bearer ${tokens[0].token}` });
    assert.is((await ask(port, '/healthz')).status, 200);
    known.destroy();
  });
  await withStand({ unauthenticated: 1 }, async (_, port) => {
    const known = await asking(port, {});
    assert.is((await ask(port, '/healthz')).status, 200);
    known.destroy();
  });
});

for (const [what, bytes] of [
  ['says nothing', ''],
  ['sends headers without an end', 'GET / HTTP/1.1\r\nHost: localhost\r\nX: '],
  ['begins an upgrade and does not end it', 'GET /models/default HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'],
] as const) {
  test(`a slow handshake, which ${what}, is cut after its time, however it drips`, () =>
    withStand({ headersMs: 200 }, async (_, port) => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      let got = '';
      socket.on('data', (chunk) => (got += chunk));
      socket.write(bytes);
      const drip = setInterval(() => bytes !== '' && socket.writable && socket.write('x'), 20);
      await once(socket, 'close');
      clearInterval(drip);
      assert.match(got, /^(HTTP\/1\.1 408 .*)?$/s);
      assert.is((await ask(port, '/healthz')).status, 200);
    }));
}

test('control: a handshake that is slow but in time is answered', () =>
  withStand({ headersMs: 20_000 }, async (_, port) => {
    const socket = connect(port, '127.0.0.1');
    for (const part of ['GET /healthz HTTP/1.1\r\n', 'Host: local', 'host\r\n', '\r\n'])
      await new Promise((resolve) => socket.write(part, () => setImmediate(resolve)));
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
    socket.destroy();
  }));

test('who opens a WebSocket and says no hello in time is closed with 4503; a hello that comes too late is not heard', () =>
  withStand({ helloMs: 100 }, async (stand, port) => {
    const { client } = await dial(port);
    const end = await client.closed();
    assert.is(end.code, 4503);
    assert.match(end.reason, /^E_TIMEOUT: no hello within 100 ms/);
    client.text({ type: 'hello', role: 'replica' });
    client.end();
    const pinging = await dial(port);
    const pings = setInterval(() => pinging.client.send(9, Buffer.from('still here')), 10);
    assert.is((await pinging.client.closed()).code, 4503, 'pings are no hello');
    clearInterval(pings);
    pinging.client.end();
    assert.equal([stand.server.replicas, stand.weightsMade], [[], 0]);
  }));

for (const [what, codes, act] of [
  ['a hello of 5,000 bytes', [4504], (client) => client.text({ type: 'hello', role: 'replica', token: 'x'.repeat(5000) })],
  ['a hello in a thousand pieces', [4504], (client) => pieces(client, 1, 1200)],
  ['a batch, instead of a hello,', [4500, 4504], (client) => client.binary(Buffer.alloc(5000))],
  // ws itself cuts whoever sends pings faster than it reads the pongs
  ['a flood of pings', [4504, 1006], (client) => flood(client)],
] as [string, number[], (client: RawClient) => void][]) {
  test(`before the hello no more than 4 KiB are read: ${what} ends with ${codes.join(' or ')}`, () =>
    withStand({ tokens: [{ token: 'x', scopes: ['read'] }] }, async (_, port) => {
      const { client } = await dial(port);
      act(client);
      const { code } = await client.closed();
      assert.ok(codes.includes(code), String(code));
      client.end();
    }));
}

/** A message in that many pieces of one byte, of which the last is missing. */
function pieces(client: RawClient, opcode: number, count: number): void {
  client.send(opcode, Buffer.from('x'), false);
  for (let i = 1; i < count; i++) client.send(0, Buffer.from('x'), false);
}

function flood(client: RawClient): void {
  for (let i = 0; i < 100; i++) client.send(9, Buffer.alloc(125));
}

test('a message in a million pieces ends with 1008 after the first 1,024, and the others live on', () =>
  withStand({}, async (stand, port) => {
    const other = await join(port, { role: 'replica' });
    await other.client.nextBinary();
    const { client } = await join(port, { role: 'worker', producer: 'w1' });
    const ended = client.closed();
    let sent = 0;
    // a frame header, a mask of zero and one byte
    const piece = Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x78]);
    const many = Buffer.concat(new Array(1000).fill(piece));
    client.send(2, Buffer.from('x'), false);
    for (; sent < 1_000_000 && !client.socket.destroyed; sent += 1000) {
      if (client.socket.write(many)) continue;
      await Promise.race([once(client.socket, 'drain'), ended]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.is((await ended).code, 1008);
    stand.step();
    assert.ok((await other.client.nextBinary()).byteLength > 0);
    for (const each of [client, other.client]) each.end();
  }));

test('maxPayload is the largest gradients frame of the model and its header, from 1 to 2^31 − 1', () => {
  const rows = 12 * 4 + 4 * 8 + (3 * 4 + 3 * 8) + 4;
  assert.is(largestFrame(small), 8 + safetensorsLimits.headerBytes + rows);
  const huge = layout({ w: [2 ** 14, 2 ** 14] });
  assert.ok(largestFrame(huge) <= 2 ** 31 - 1 && largestFrame(huge) > 2 ** 30);
  assert.is(largestFrame(layout({ w: [2 ** 28] })), 2 ** 31 - 1, 'not 2^31, which ws takes for no limit');
});

test('a message one byte beyond it ends with 1009 at its header; one of that size is read, and answered', () =>
  withStand({}, async (stand, port) => {
    const most = largestFrame(small);
    const { client } = await join(port, { role: 'worker', producer: 'w1' });
    await client.nextBinary();
    client.binary(Buffer.alloc(most));
    assert.is((await client.nextText()).type, 'nack');
    client.binary(batch(1));
    assert.is((await untilText(client))[1].type, 'ack');
    // the header alone, of a message of most + 1 bytes
    const head = Buffer.alloc(14);
    head.writeUInt16BE(0x82ff);
    head.writeBigUInt64BE(BigInt(most + 1), 2);
    client.socket.write(head);
    assert.is((await client.closed()).code, 1009);
    client.end();
    assert.is(stand.version(), 1);
  }));

test.run();
