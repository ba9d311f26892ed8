// What strangers write is never obeyed: names as keys, names in messages, and secrets that must not come out again.
import { once } from 'node:events';
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { printable } from '../../src/errors.ts';
import { connect } from '../../streams/sockets/index.ts';
import { readServerMessage } from '../../streams/sockets/protocol/from-server.ts';
import { readHello } from '../../streams/sockets/protocol/hello.ts';
import { refused } from '../support/refused.ts';
import { ask } from './ask.ts';
import { dial, join, writeFrame } from './raw.ts';
import { batch, untilText, withStand } from './talk.ts';

const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype'];
const keysBefore = Object.getOwnPropertyNames(Object.prototype).join();

/** The JSON of an object with that own key, which a literal cannot have. */
function withKey(key: string, rest: object): string {
  return `{${JSON.stringify(key)}:{"role":"worker","polluted":true},${JSON.stringify(rest).slice(1)}`;
}

for (const name of names) {
  test(`the name ${name} means nothing: in a hello, as a tensor, in metadata, as a producer, model or path`, () =>
    withStand({}, async (stand, port) => {
      const hello = readHello(withKey(name, { type: 'hello', role: 'replica' }));
      assert.equal(hello, readHello('{"type":"hello","role":"replica"}'));
      const { client } = await dial(port);
      client.text(withKey(name, { type: 'hello', role: 'worker', producer: name }));
      assert.is((await client.nextText()).type, 'welcome');
      await client.nextBinary();
      const identity = { gradwire: '1', kind: 'gradients', producer: name, sequence: '1', base: '0' };
      client.binary(writeFrame(identity, Object.fromEntries([[name, { shape: [1], values: [1] }]])));
      assert.is((await client.nextText()).code, 'E_UNKNOWN');
      assert.is(stand.digest(), stand.digests[0]);
      const odd = Object.fromEntries([...Object.entries(identity), [name, 'x']]);
      client.binary(writeFrame(odd, { 'dense/bias': { shape: [3], values: [1, 2, 3] } }));
      assert.equal((await untilText(client))[1], { type: 'ack', sequence: 1, version: 1, duplicate: false });
      client.end();
      assert.is((await ask(port, `/models/${name}`)).status, 404);
      assert.is((await ask(port, `/${name}`)).status, 404);
      assert.is(
        (await ask(port, '/healthz', { method: 'GET', headers: { [name === '__proto__' ? 'x' : name]: '1' } })).status,
        200,
      );
      assert.is(Object.getOwnPropertyNames(Object.prototype).join(), keysBefore);
      assert.is(({} as Record<string, unknown>).polluted, undefined);
    }));
}

test('a limit comes before JSON.parse: what is too long is not parsed', () => {
  const original = JSON.parse;
  let longest = 0;
  JSON.parse = (text: string, ...rest) => {
    longest = Math.max(longest, text.length);
    return original(text, ...rest);
  };
  try {
    refused('E_PROTOCOL', () => readServerMessage(`{"type":"nack","text":"${'x'.repeat(9 << 20)}"}`), /the limit is 8388608/);
  } finally {
    JSON.parse = original;
  }
  assert.is(longest, 0);
});

test('a header of a frame that is too long is not parsed either, nor a hello', () =>
  withStand({}, async (stand, port) => {
    const original = JSON.parse;
    let longest = 0;
    JSON.parse = (text: string, ...rest) => {
      longest = Math.max(longest, text.length);
      return original(text, ...rest);
    };
    try {
      const { client } = await join(port, { role: 'worker', producer: 'w1' });
      await client.nextBinary();
      const long = batch(1, { note: 'x'.repeat((1 << 20) + 10) });
      client.binary(long.subarray(0, (1 << 20) + 100));
      assert.is((await client.nextText()).code, 'E_ST_HEADER_LIMIT');
      client.end();
      const { client: stranger } = await dial(port);
      stranger.text({ type: 'hello', role: 'replica', producer: 'x'.repeat(6000) });
      assert.is((await stranger.closed()).code, 4504);
      stranger.end();
    } finally {
      JSON.parse = original;
    }
    assert.ok(longest < 4096, `${longest} characters were parsed`);
    assert.is(stand.version(), 0);
  }));

const nasty = `\u001b[31mred\u0007\u202eevil${'x'.repeat(300)}`;

test('a name in an answer is escaped and cut, wherever it comes from', () =>
  withStand({}, async (_, port) => {
    const { client } = await join(port, { role: 'worker', producer: 'w1' });
    await client.nextBinary();
    const escaped = '\\u001b[31mred\\u0007';
    client.binary(batch(1, { producer: nasty }));
    const texts = [String((await client.nextText()).text)];
    const frame = writeFrame(
      { gradwire: '1', kind: 'gradients', producer: 'w', sequence: '1', base: '0' },
      { ['y'.repeat(250)]: { shape: [1], values: [1] } },
    );
    client.binary(frame);
    texts.push(String((await client.nextText()).text));
    client.end();
    const { client: other } = await dial(port);
    other.text({ type: 'hello', role: nasty.slice(0, 90) });
    const { reason } = await other.closed();
    assert.match(reason, escaped.slice(0, 6));
    texts.push(reason);
    other.end();
    const gone = await ask(port, `/${'z'.repeat(500)}`);
    texts.push(String(gone.json.text));
    for (const text of texts) {
      assert.not.match(text, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      assert.not.match(text, /y{101}|z{101}/);
    }
  }));

test('what a hostile server says is escaped and cut before it gets into an error or a status', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => socket.on('message', () => socket.close(4502, `E_FORBIDDEN: ${nasty.slice(0, 60)}`)));
  const replica = connect(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  const states: string[] = [];
  replica.status$.subscribe(({ reason = '' }) => states.push(reason));
  const error: Error = await replica.closed.then(
    () => new Error('it was closed'),
    (reason) => reason,
  );
  assert.match(error.message, '\\u001b[31mred\\u0007\\u202eevil');
  for (const text of [error.message, ...states]) assert.not.match(text, '\u001b');
  assert.is(printable('a\u001bb'), 'a\\u001bb');
  assert.is(printable('x'.repeat(500)).length, 201);
  server.close();
});

test('tokens and payloads come out nowhere: not in answers, errors, close reasons, metrics, status or the objects themselves', () => {
  const secret = 'hush-hush-0123456789';
  const guess = 'guess-guess-0123456789';
  return withStand({ tokens: [{ token: secret, scopes: ['read', 'push'], name: 'kiosk' }] }, async (stand, port) => {
    const heard: string[] = [];
    const good = { Authorization: `Bearer ${secret}` };
    const worker = connect(stand.url, { role: 'worker', producer: 'w1', token: secret });
    await worker.ready;
    for (const path of ['/', '/metrics', '/models/default', '/nothing', `/x?token=${guess}`, `/models/default?token=${guess}`]) {
      for (const headers of [{}, good, { Authorization: `Bearer ${guess}` }, { Authorization: guess }]) {
        const got = await ask(port, path, { headers });
        heard.push(inspect(got.headers), got.bytes.toString());
      }
    }
    const upgrade = await dial(port, `/models/x?token=${guess}`, { 'Sec-WebSocket-Protocol': `${guess}, gradwire.v1` });
    heard.push(upgrade.head, upgrade.body);
    for (const hello of [
      { role: 'replica', token: guess },
      { role: guess.slice(0, 3), token: secret },
      { role: 'replica', token: [guess] },
    ]) {
      const { client } = await dial(port);
      client.text({ type: 'hello', ...hello });
      heard.push((await client.closed()).reason);
      client.end();
    }
    const stranger = connect(stand.url, { token: guess });
    heard.push(inspect(await stranger.closed.catch((error: unknown) => error), { depth: 9 }));
    // a payload that looks like text comes back in no message
    const posted = await ask(port, '/models/default/gradients', {
      method: 'POST',
      headers: good,
      body: Buffer.from(`{"${guess}": 1}`),
    });
    heard.push(posted.bytes.toString());
    heard.push(inspect([stand.server, stand.server.replicas, worker, stranger], { depth: 9, showHidden: true }));
    await worker.close();
    for (const text of heard) assert.not.match(text, /hush-hush|guess-guess/);
    assert.ok(
      heard.some((text) => text.includes('kiosk')),
      'control: a name is shown',
    );
  });
});

test('an address with a token, user or password in it is refused, and not repeated', () => {
  for (const address of ['http://127.0.0.1:1/?token=hush', 'ws://127.0.0.1:1/models/m?hush', 'http://hush:hush@127.0.0.1:1']) {
    const { message } = refused('E_CONFIG', () => connect(address), /must not hold/);
    assert.not.match(message, 'hush');
  }
});

test.run();
