// Tokens and their scopes: over WebSocket, over HTTP, from `connect`, and while they are revoked.
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type Token, tap } from '../../streams/sockets/index.ts';
import { Tokens } from '../../streams/sockets/server/access/tokens.ts';
import { serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { refused } from '../support/refused.ts';
import { type Ask, ask } from './ask.ts';
import { dial, join } from './raw.ts';
import { batch, until, untilText, withStand } from './talk.ts';

const reader = 'reader-0123456789abcdef';
const pusher = 'pusher-0123456789abcdef';
const both = 'both-0123456789abcdef';
const admin = 'admin-0123456789abcdef';
const tokens: readonly Token[] = [
  { token: reader, scopes: ['read'], name: 'kiosk' },
  { token: pusher, scopes: ['push'] },
  { token: both, scopes: ['read', 'push'] },
  { token: admin, scopes: ['admin'] },
];
const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const weights = '/models/default/weights.safetensors';

/** How a hello ends: `welcome`, or the close code with its reason. */
async function endOfHello(port: number, hello: object): Promise<[end: number | 'welcome', reason: string]> {
  const { client } = await dial(port);
  client.text({ type: 'hello', ...hello });
  const first = await client.next();
  client.end();
  return first.kind === 'close' ? [first.code, first.reason] : ['welcome', ''];
}

for (const [what, token] of [
  ['no token', undefined],
  ['a token of null', null],
  ['an empty token', ''],
  ['a wrong token', 'wrong-0123456789abcdef'],
  ['the beginning of a token', reader.slice(0, -1)],
  ['a token and more', `${reader}0`],
  ['the name of a token', 'kiosk'],
] as const) {
  test(`a hello with ${what} ends with 4501, and gets nothing`, () =>
    withStand({ tokens }, async (stand, port) => {
      const [code, reason] = await endOfHello(port, { role: 'replica', token });
      assert.is(code, 4501);
      assert.match(reason, /^E_FORBIDDEN: a token is needed/);
      assert.is(stand.weightsMade, 0);
      assert.equal(stand.server.replicas, []);
    }));
}

for (const [role, token, end] of [
  ['replica', reader, 'welcome'],
  ['replica', both, 'welcome'],
  ['replica', pusher, 4502],
  ['replica', admin, 4502],
  ['recorder', reader, 'welcome'],
  ['recorder', pusher, 4502],
  ['worker', both, 'welcome'],
  ['worker', pusher, 'welcome'],
  ['worker', reader, 4502],
  ['worker', admin, 4502],
] as const) {
  test(`a ${role} with the token of the scopes ${token.split('-')[0]} gets ${end}`, () =>
    withStand({ tokens }, async (_, port) => {
      const [got, reason] = await endOfHello(port, { role, token });
      assert.is(got, end);
      assert.match(reason, end === 4502 ? /^E_FORBIDDEN: a \w+ needs the scope "(read|push)"/ : /^$/);
    }));
}

test('control: without tokens nobody is asked for one, and one that is given is passed over', () =>
  withStand({}, async (_, port) => {
    for (const token of [undefined, 'anything']) assert.is((await endOfHello(port, { role: 'worker', token }))[0], 'welcome');
    assert.is((await ask(port, weights, { headers: bearer('anything') })).status, 200);
  }));

const post: Ask = { method: 'POST', body: batch(1) };
for (const [method, path, open, allowed] of [
  ['GET', '/healthz', true, []],
  ['GET', '/readyz', true, []],
  ['GET', '/', false, [reader, both]],
  ['GET', '/metrics', false, [reader, both]],
  ['GET', '/models/default', false, [reader, both]],
  ['GET', weights, false, [reader, both]],
  ['HEAD', weights, false, [reader, both]],
  ['POST', '/models/default/gradients', false, [pusher, both]],
] as const) {
  test(`${method} ${path} is ${open ? 'open to everybody' : 'for its scope alone: 401 without a token, 403 with another'}`, () =>
    withStand({ tokens }, async (_, port) => {
      const what = method === 'POST' ? post : { method };
      const bare = await ask(port, path, what);
      const wrong = await ask(port, path, { ...what, headers: bearer('wrong') });
      if (open) return assert.equal([bare.status, wrong.status], [200, 200]);
      assert.equal([bare.status, bare.headers['www-authenticate']], [401, 'Bearer realm="gradwire"']);
      assert.equal([wrong.status, wrong.headers['www-authenticate']], [401, 'Bearer realm="gradwire", error="invalid_token"']);
      if (method !== 'HEAD') assert.equal([bare.json.code, wrong.json.code], ['E_FORBIDDEN', 'E_FORBIDDEN']);
      for (const { token } of tokens) {
        const got = await ask(port, path, { ...what, headers: bearer(token) });
        const may = (allowed as readonly string[]).includes(token);
        assert.is(got.status, may ? 200 : 403, token);
        if (!may) assert.match(String(got.headers['www-authenticate']), /error="insufficient_scope", scope="(read|push)"$/);
        if (!may && method !== 'HEAD') assert.is(got.json.code, 'E_FORBIDDEN');
      }
    }));
}

for (const action of ['rollback', 'hold', 'release']) {
  for (const path of [`/models/default/${action}`, `/${action}`]) {
    test(`POST ${path} is for the scope admin alone`, () =>
      withStand({ tokens }, async (_, port) => {
        assert.is((await ask(port, path, { method: 'POST' })).status, 401);
        for (const { token } of tokens) {
          const { status, headers } = await ask(port, path, { method: 'POST', headers: bearer(token) });
          // a stand has nothing to steer
          assert.is(status, token === admin ? 503 : 403, token);
          if (token !== admin) assert.match(String(headers['www-authenticate']), /scope="admin"$/);
        }
      }));
  }
}

test('a refused batch changes nothing, and strangers are not told which paths and models there are', () =>
  withStand({ tokens }, async (stand, port) => {
    await ask(port, '/models/default/gradients', { ...post, headers: bearer(reader) });
    assert.equal([stand.version(), stand.digest()], [0, stand.digests[0]]);
    for (const path of ['/nothing', '/models/other', '/models/default/nothing']) {
      assert.is((await ask(port, path)).status, 401, path);
      assert.is((await ask(port, path, { headers: bearer(pusher) })).status, 404, path);
    }
    const { status, body } = await dial(port, '/models/other');
    assert.is(status, 404);
    assert.not.match(body, 'default');
  }));

test('other forms of Authorization, and a token in the address, are none', () =>
  withStand({ tokens }, async (_, port) => {
    for (const Authorization of [reader, `Basic ${btoa(`x:${reader}`)}`, `Bearer ${reader} x`, 'Bearer ', `Bearer "${reader}"`])
      assert.is((await ask(port, weights, { headers: { Authorization } })).status, 401, Authorization);
    assert.is((await ask(port, `${weights}?token=${reader}`)).status, 401);
    assert.is(
      (await ask(port, weights, { headers: { Authorization: `bearer ${reader}` } })).status,
      200,
      'the scheme has no case',
    );
  }));

test('connect and tap send their token in the first message, and end for good where it is not taken', () =>
  withStand({ tokens }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', producer: 'w1', token: both });
    await worker.ready;
    assert.is((await worker.push({ gradients: { 'dense/bias': Float32Array.of(1, 2, 3) } })).version, 1);
    const replica = connect(stand.url, { token: reader });
    await replica.reached(1);
    assert.is(replica.digest(), stand.digests[1]);
    assert.equal(new Set(stand.server.replicas.map(({ name }) => name)), new Set([null, 'kiosk']));
    for (const [token, code] of [
      [undefined, 4501],
      ['wrong', 4501],
      [pusher, 4502],
    ] as const) {
      const stranger = connect(stand.url, { token });
      const error = await stranger.closed.then(
        () => undefined,
        (reason: Error) => reason,
      );
      assert.match(String(error?.message), new RegExp(`^E_FORBIDDEN: .*close code ${code}`));
      const tapping = new Promise<Error>((resolve) => tap(stand.url, { token }).subscribe({ error: resolve }));
      assert.match((await tapping).message, new RegExp(`^E_FORBIDDEN: .*close code ${code}`));
    }
    const tapped = new Promise<string>((resolve, reject) => {
      const taking = tap(stand.url, { token: reader }).subscribe({
        next: ({ kind }) => {
          resolve(kind);
          setImmediate(() => taking.unsubscribe());
        },
        error: reject,
      });
    });
    assert.is(await tapped, 'start');
    await Promise.all([worker.close(), replica.close()]);
  }));

test('a token that is revoked ends its connections with 4501, and the others live on', () => {
  let current = tokens;
  return withStand({ tokens: () => current, tokensMs: 20 }, async (stand, port) => {
    const revoked = await join(port, { role: 'worker', producer: 'w1', token: both });
    const kept = await join(port, { role: 'replica', token: reader });
    await revoked.client.nextBinary();
    current = tokens.filter(({ token }) => token !== both);
    const { code, reason } = await revoked.client.closed();
    assert.is(code, 4501);
    assert.match(reason, /^E_FORBIDDEN: .*revoked/);
    assert.is((await endOfHello(port, { role: 'worker', token: both }))[0], 4501);
    assert.is((await ask(port, weights, { headers: bearer(both) })).status, 401);
    stand.step();
    await kept.client.nextBinary();
    revoked.client.end();
    await until(() => stand.server.replicas.length === 1);
    assert.is(stand.server.replicas[0]?.name, 'kiosk');
    kept.client.end();
  });
});

test('a token that loses the scope of its role ends with 4502, and what it still sends is not folded', () => {
  let current = tokens;
  return withStand({ tokens: () => current, tokensMs: 20 }, async (stand, port) => {
    const { client } = await join(port, { role: 'worker', producer: 'w1', token: both });
    client.binary(batch(1));
    await client.nextBinary();
    assert.equal((await untilText(client))[1].type, 'ack');
    current = [{ token: both, scopes: ['read'] }];
    const closed = client.closed();
    let sequence = 1;
    const pushing = setInterval(() => client.binary(batch(++sequence)), 1);
    assert.is((await closed).code, 4502);
    clearInterval(pushing);
    const at = stand.version();
    for (let i = 0; i < 3; i++) await ask(port, '/healthz');
    assert.is(stand.version(), at);
  });
});

test('a function that throws, or gives no list, lets nobody in until it gives one again', () => {
  let current: () => readonly Token[] = () => tokens;
  return withStand({ tokens: () => current(), tokensMs: 20 }, async (stand, port) => {
    const { client } = await join(port, { role: 'replica', token: reader });
    current = () => {
      throw new Error('the file is gone');
    };
    assert.is((await client.closed()).code, 4501);
    assert.is((await ask(port, weights, { headers: bearer(reader) })).status, 401);
    current = () => [{ token: reader, scopes: ['root'] }] as unknown as readonly Token[];
    assert.is((await ask(port, weights, { headers: bearer(reader) })).status, 401);
    assert.is((await ask(port, '/healthz')).status, 200);
    current = () => tokens;
    assert.is((await ask(port, weights, { headers: bearer(reader) })).status, 200);
    await until(() => stand.server.replicas.length === 0);
  });
});

test('a token that stands twice allows what both entries say', () => {
  const found = new Tokens([
    { token: 'one', scopes: ['read'] },
    { token: 'two', scopes: ['admin'] },
    { token: 'one', scopes: ['push'], name: 'n' },
  ]).find('one');
  assert.equal([[...(found?.scopes ?? [])], found?.name], [['read', 'push'], 'n']);
});

test('whether the first token fits, the last or none: all are compared, in constant time, and by hashes of one length', () => {
  const original = crypto.timingSafeEqual;
  const lengths: number[] = [];
  const counting: typeof original = (a, b) => {
    lengths.push(a.byteLength, b.byteLength);
    return original(a, b);
  };
  Object.assign(crypto, { timingSafeEqual: counting });
  syncBuiltinESMExports();
  try {
    const known = new Tokens(tokens);
    for (const token of [reader, admin, 'x', reader.slice(0, -1), `${reader}x`]) known.find(token);
  } finally {
    Object.assign(crypto, { timingSafeEqual: original });
    syncBuiltinESMExports();
  }
  assert.equal([lengths.length, new Set(lengths)], [5 * tokens.length * 2, new Set([32])]);
});

test('tokens that cannot be meant are refused when the server is made, and not shown', () => {
  const secret = 'hush hush';
  for (const [wrong, says] of [
    [[], /^tokens is empty/],
    [() => [], /^tokens is empty/],
    ['secret', /^tokens must be a list/],
    [[{ token: secret, scopes: ['read'] }], /^tokens\[0\]\.token must be/],
    [[{ token: '', scopes: ['read'] }], /^tokens\[0\]\.token must be/],
    [[{ token: 'x'.repeat(513), scopes: ['read'] }], /^tokens\[0\]\.token must be/],
    [[tokens[0], { token: 'a', scopes: [] }], /^tokens\[1\]\.scopes must be of read, push, admin/],
    [[{ token: 'a', scopes: ['write'] }], /^tokens\[0\]\.scopes .*"write"/],
    [[{ token: 'a', scopes: 'read' }], /^tokens\[0\]\.scopes/],
    [[{ token: 'a' }], /^tokens\[0\]\.scopes/],
    [[{ token: 'a', scope: ['read'] }], /unknown tokens\[0\] option "scope"/],
    [[{ token: 'a', scopes: ['read'], name: 'a\nb' }], /^tokens\[0\]\.name/],
    [['secret'], /the tokens\[0\] options are an object/],
  ] as const) {
    const error = refused('E_CONFIG', () => serveOptionsOf({ tokens: wrong as unknown as readonly Token[] }), says);
    assert.not.match(error.message, secret);
  }
  for (const token of [secret, '', 7, 'x'.repeat(513)]) {
    const error = refused('E_CONFIG', () => connect('http://127.0.0.1:1', { token: token as string }), /^token must be 1 to 512/);
    assert.not.match(error.message, 'hush');
  }
});

test.run();
