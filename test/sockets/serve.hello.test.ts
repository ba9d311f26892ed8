// How a connection to the server begins: the address, the upgrade, the first message.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { dial, join, type RawClient, readFrame } from './raw.ts';
import { batch, endOf, untilText, withStand } from './talk.ts';

// the start of a masked text message of 100,000 bytes, and 10,000 of them
const unfinished = Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0]), Buffer.alloc(10_004)]);

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

const large = layout({ w: [1_000_000] });
// the start of a masked binary message of 4,000,000 bytes, which is no more than a batch of that model may have, and most of it
const batchBegun = Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x3d, 0x09, 0, 0, 0, 0, 0]), Buffer.alloc(3_900_000)]);
const tokens = [{ token: 'all-0123456789abcdef', scopes: ['read', 'push'] }] as const;

for (const [what, says, hello, headers] of [
  ['whose hello is none', 4500, {}, {}],
  ['whose token is unknown', 4501, { type: 'hello', role: 'replica', token: 'x' }, {}],
  ['that speaks another protocol', 4505, { type: 'hello', role: 'replica' }, { 'Sec-WebSocket-Protocol': 'gradwire.v2' }],
] as const) {
  test(`of a client ${what} no large message is collected after its ${says}`, async () => {
    const read = await bytesReadOf(hello, says, headers);
    assert.ok(read < 1 << 20, `${read} bytes were read`);
  });
}

test('control: of a client with a token it is', async () => {
  const read = await bytesReadOf({ type: 'hello', role: 'worker', producer: 'w1', token: tokens[0].token }, 1006);
  assert.ok(read > batchBegun.byteLength, `${read} bytes were read`);
});

/** How many bytes a server has read of a client that says this hello and the beginning of a large message, when the client is gone. */
async function bytesReadOf(hello: object, code: number, headers: Record<string, string> = {}): Promise<number> {
  let near: Socket | undefined;
  const note = (message: unknown): void => {
    near ??= (message as { socket: Socket }).socket;
  };
  subscribe('net.server.socket', note);
  try {
    await withStand({ layout: large, tokens }, async ({ server }) => {
      const { client } = await dial(server.port, undefined, headers);
      client.text(hello);
      client.socket.end(batchBegun);
      assert.is((await client.closed()).code, code);
      if (near?.closed === false) await once(near, 'close');
      client.end();
    });
  } finally {
    unsubscribe('net.server.socket', note);
  }
  return near?.bytesRead ?? 0;
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

test.run();
