// Who reaches a server: addresses it binds to, names and origins it lets in, and TLS.
import { once } from 'node:events';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { connect, type ServeOptions, serve } from '../../streams/sockets/index.ts';
import { isLoopback } from '../../streams/sockets/server/loopback.ts';
import { serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { selfSigned } from '../support/certificate.ts';
import { needs } from '../support/needs.ts';
import { refused } from '../support/refused.ts';
import { ask } from './ask.ts';
import { dial } from './raw.ts';
import { Stand } from './stand.ts';
import { withStand } from './talk.ts';

const tokens = [{ token: 'all-0123456789abcdef', scopes: ['read', 'push', 'admin'] }] as const;
const authorized = { Authorization: `Bearer ${tokens[0].token}` };
const weights = '/models/default/weights.safetensors';
/** An address of this machine that other machines may reach; undefined where it has none. */
const outer = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address;

test('a server binds to loopback unless it is told otherwise', () =>
  withStand({}, async ({ server }) => {
    assert.is(server.url, `http://127.0.0.1:${server.port}`);
    if (outer === undefined) return;
    const { status } = await dial(server.port, undefined, {}, { host: outer }).catch(() => ({ status: 0 }));
    assert.is(status, 0, 'nobody listens there');
  }));

for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.com', '127.0.0.1.example.com', 'localhost.example.com']) {
  test(`${host} without tokens is refused at start, with what to do`, () => {
    refused(
      'E_CONFIG',
      () => serveOptionsOf({ host }),
      /^host ".*" is open to the network, which needs tokens .*--tokens FILE.*loopback/,
    );
    refused('E_CONFIG', () => serveOptionsOf({ host, tokens: [] }), /^tokens is empty/);
    serveOptionsOf({ host, tokens });
  });
}

test('an open address with tokens is served, under its own name and with the token alone', async () => {
  const server = await serve(new Stand(), { host: '0.0.0.0', tokens });
  const at = outer ?? '127.0.0.1';
  const path = `http://${at}:${server.port}${weights}`;
  const statusOf = async (headers: Record<string, string>): Promise<number> => (await fetch(path, { headers })).status;
  assert.equal([await statusOf({}), await statusOf(authorized)], [401, 200]);
  const rebound = await ask(server.port, weights, { headers: { ...authorized, Host: 'evil.example' } });
  assert.is(rebound.status, 403, 'a token does not open the gate');
  const replica = connect(`http://${at}:${server.port}`, { token: tokens[0].token });
  await replica.ready;
  await replica.close();
  await server.close();
});

test('loopback is 127.0.0.0/8, ::1 and localhost, and nothing that looks like them', () => {
  assert.ok(['localhost', '127.0.0.1', '127.255.0.9', '::1', '[::1]'].every(isLoopback));
  assert.not(
    ['', '0.0.0.0', '128.0.0.1', '127.0.0.1.example', 'localhost.', 'xlocalhost', '::', '::ffff:127.0.0.1', '1::1'].some(
      isLoopback,
    ),
  );
});

/** Statuses of a GET and of an upgrade with the same headers. */
async function statuses(port: number, headers: Record<string, string>): Promise<[get: number, upgrade: number]> {
  const { status, client } = await dial(port, undefined, headers);
  client.end();
  return [(await ask(port, weights, { headers })).status, status];
}

for (const [what, headers, allowed] of [
  ['a name on the list', { Host: 'trainer.example.com' }, true],
  ['a name on the list, with any port', { Host: 'Trainer.Example.com:8443' }, true],
  ['a name on the list with its port', { Host: 'other.example:81' }, true],
  ['a name on the list with another port', { Host: 'other.example:82' }, false],
  ['a name that ends in one on the list', { Host: 'x.trainer.example.com' }, false],
  ['a name that begins with one on the list', { Host: 'trainer.example.com.evil.example' }, false],
  ['two names', { Host: 'trainer.example.com, evil.example' }, false],
  ['an origin on the list', { Origin: 'https://app.example.com' }, true],
  ['an origin on the list, in capitals', { Origin: 'HTTPS://APP.example.com' }, true],
  ['the same origin without encryption', { Origin: 'http://app.example.com' }, false],
  ['the same origin at another port', { Origin: 'https://app.example.com:444' }, false],
  ['an origin that ends in one on the list', { Origin: 'https://xapp.example.com' }, false],
  ['the origin null', { Origin: 'null' }, false],
  ['the origin file://', { Origin: 'file://' }, false],
] as [string, Record<string, string>, boolean][]) {
  test(`allowHosts and allowOrigins let ${what} ${allowed ? 'in' : 'not in: 403'}`, () =>
    withStand(
      { allowHosts: ['trainer.example.com', 'other.example:81'], allowOrigins: ['https://app.example.com'] },
      async (_, port) => {
        assert.equal(await statuses(port, headers), allowed ? [200, 101] : [403, 403]);
      },
    ));
}

test('control: without the lists those names and origins are refused', () =>
  withStand({}, async (_, port) => {
    assert.equal(await statuses(port, { Host: 'trainer.example.com' }), [403, 403]);
    assert.equal(await statuses(port, { Origin: 'https://app.example.com' }), [403, 403]);
  }));

test('lists that nobody can be on are refused when the server is made', () => {
  for (const each of ['', 'http://x', 'a b', '*', 'a/b', 7])
    refused('E_CONFIG', () => serveOptionsOf({ allowHosts: [each as string] }), /^allowHosts must each be a name/);
  for (const each of ['null', '*', 'app.example.com', 'https://a/b', 'https://*.example.com'])
    refused('E_CONFIG', () => serveOptionsOf({ allowOrigins: [each] }), /^allowOrigins must each be an origin/);
  refused('E_CONFIG', () => serveOptionsOf({ allowHosts: 'x' as unknown as string[] }), /^allowHosts/);
});

test("a page of an allowed origin may read the answers, and its browser's question before is answered", () =>
  withStand({ allowOrigins: ['https://app.example.com'], tokens }, async (_, port) => {
    const Origin = 'https://app.example.com';
    const got = await ask(port, weights, { headers: { Origin, ...authorized } });
    assert.equal([got.status, got.headers['access-control-allow-origin'], got.headers.vary], [200, Origin, 'Origin']);
    const preflight = await ask(port, weights, {
      method: 'OPTIONS',
      headers: { Origin, 'Access-Control-Request-Method': 'GET' },
    });
    assert.equal([preflight.status, preflight.bytes.byteLength], [204, 0]);
    assert.match(String(preflight.headers['access-control-allow-headers']), 'Authorization');
    const unasked = await ask(port, weights, { headers: authorized });
    assert.is(unasked.headers['access-control-allow-origin'], undefined);
    const evil = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'GET' };
    const foreign = await ask(port, weights, { method: 'OPTIONS', headers: evil });
    assert.equal([foreign.status, foreign.headers['access-control-allow-origin']], [403, undefined]);
  }));

/** The status of a GET over TLS. */
async function getSecurely(port: number, ca: string, headers: Record<string, string>): Promise<number> {
  const asking = request({ port, host: '127.0.0.1', path: weights, ca, headers, agent: false }).end();
  const [response] = await once(asking, 'response');
  response.resume();
  return response.statusCode;
}

needs(test, 'openssl')('with tls everything is https and wss: pages, tokens, worker and replica', async () => {
  const tls = selfSigned();
  await withStand({ tls, tokens }, async (stand, port) => {
    assert.is(stand.url, `https://127.0.0.1:${port}`);
    assert.equal([await getSecurely(port, tls.cert, {}), await getSecurely(port, tls.cert, authorized)], [401, 200]);
    const trusting = { token: tokens[0].token, tls: { ca: tls.cert } };
    const worker = connect(stand.url, { ...trusting, role: 'worker', producer: 'w1' });
    const replica = connect(stand.url.replace('https', 'wss'), trusting);
    await worker.ready;
    const { version } = await worker.push({ gradients: { 'dense/bias': Float32Array.of(1, 2, 3) } });
    await replica.reached(version);
    assert.is(replica.digest(), stand.digest());
    await Promise.all([worker.close(), replica.close()]);
  });
});

needs(test, 'openssl')(
  'control: who does not trust the certificate does not connect, and what is not TLS gets no answer',
  async () => {
    const tls = selfSigned();
    await withStand({ tls, headersMs: 300 }, async (stand, port) => {
      const stranger = connect(stand.url, { readyTimeoutMs: 300, backoffMinMs: 10 });
      const reasons: string[] = [];
      stranger.status$.subscribe(({ reason = '' }) => reasons.push(reason));
      await stranger.ready.catch(() => undefined);
      await stranger.close();
      assert.ok(
        reasons.some((reason) => /self-signed certificate/.test(reason)),
        reasons.join(),
      );
      assert.is(
        await dial(port).then(
          () => 'answered',
          () => 'nothing',
        ),
        'nothing',
      );
      const silent = connectTls({ port, host: '127.0.0.1', ca: tls.cert });
      silent.on('error', () => undefined).resume();
      await once(silent, 'close');
      assert.is(await getSecurely(port, tls.cert, {}), 200);
    });
  },
);

needs(test, 'openssl')(
  'a certificate and key that are no pair, or no PEM, are refused at start, and the key is not shown',
  () => {
    const [a, b] = [selfSigned(), selfSigned()];
    const wrong: [ServeOptions['tls'], RegExp][] = [
      [{ cert: a.cert, key: b.key }, /^tls cannot be used: .*mismatch/],
      [{ cert: 'hello', key: a.key }, /^tls cannot be used/],
      [{ cert: a.cert, key: 'hush hush' }, /^tls cannot be used/],
      [{ cert: a.cert } as ServeOptions['tls'], /^tls needs cert and key/],
      [{ ...a, passphrase: 'x' } as ServeOptions['tls'], /unknown tls option "passphrase"/],
    ];
    for (const [tls, says] of wrong) {
      const { message } = refused('E_CONFIG', () => serveOptionsOf({ tls }), says);
      assert.not.match(message, /hush|BEGIN/);
    }
    serveOptionsOf({ tls: { cert: Buffer.from(a.cert), key: Buffer.from(a.key) } });
  },
);

test('both ends are without permessage-deflate: the client does not offer it, the server does not take it', async () => {
  let head = '';
  const listening = createServer((socket) =>
    socket.once('data', (chunk) => socket.destroy(void (head += chunk) as undefined)),
  ).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as { port: number };
  const replica = connect(`http://127.0.0.1:${port}`, { readyTimeoutMs: 5000 });
  replica.ready.catch((error) => assert.instance(error, GradwireError));
  while (head === '') await new Promise((resolve) => setImmediate(resolve));
  await replica.close();
  listening.close();
  assert.match(head, /sec-websocket-protocol: gradwire\.v1/i);
  assert.not.match(head, /sec-websocket-extensions/i);
  await withStand({}, async (_, at) => {
    const offered = await dial(at, undefined, { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' });
    assert.not.match(offered.head, /extensions/i);
    offered.client.end();
  });
});

test.run();
