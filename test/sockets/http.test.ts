// The HTTP side, spoken to as curl, a ten-line script or a hostile page would.
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../streams/sockets/index.ts';
import { segmentsOf } from '../../streams/sockets/server/http-path.ts';
import { ask, type Got, sendRaw } from './ask.ts';
import { readFrame, writeFrame } from './raw.ts';
import { Stand, type StandOptions } from './stand.ts';

/** Runs a body with a trainer at version 1 that is closed afterwards. */
async function withStand(options: StandOptions, body: (stand: Stand, port: number) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 200, ...options });
  stand.step();
  try {
    await body(stand, stand.server.port);
  } finally {
    await stand.close();
  }
}

function batch(sequence: number, over: Record<string, string> = {}, values = [1, 2, 3]): Buffer {
  const metadata = { gradwire: '1', kind: 'gradients', producer: 'curl', sequence: String(sequence), base: '0', ...over };
  return writeFrame(metadata, { 'dense/bias': { shape: [3], values } });
}

test('an expectation that no server has to meet is refused with a code', () =>
  withStand({}, async (_, port) => {
    const { status, json } = await ask(port, '/healthz', { headers: { Expect: 'more' } });
    assert.equal([status, json.code], [417, 'E_PROTOCOL']);
  }));

test('GET / is a page of plain text that names the addresses', () =>
  withStand({}, async (_, port) => {
    const { status, headers, bytes } = await ask(port, '/');
    assert.equal([status, headers['content-type']], [200, 'text/plain; charset=utf-8']);
    for (const name of ['/healthz', '/readyz', '/models/default', '/weights.safetensors', '/gradients'])
      assert.match(bytes.toString(), name);
  }));

test('GET /healthz says that the process answers, GET /readyz whether it takes batches', async () => {
  await withStand({}, async (_, port) => {
    assert.equal((await ask(port, '/healthz')).json, { status: 'ok' });
    assert.equal([(await ask(port, '/readyz')).status, (await ask(port, '/readyz')).json], [200, { status: 'ready' }]);
  });
  const idle = await serve(new Stand());
  assert.equal([(await ask(idle.port, '/healthz')).status, (await ask(idle.port, '/readyz')).status], [200, 503]);
  await idle.close();
});

test('GET /models/<m> says what the model is and where it stands', () =>
  withStand({}, async (stand, port) => {
    const { status, headers, json } = await ask(port, '/models/default');
    assert.equal([status, headers['content-type'], headers['cache-control']], [200, 'application/json', 'no-store']);
    assert.equal(json, {
      model: 'default',
      run: 'run-1',
      epoch: 1,
      version: 1,
      digest: stand.digests[1],
      layout: { 'dense/kernel': [4, 3], 'dense/bias': [3], scale: [] },
      learningRate: Math.fround(0.01),
      extra: 'of the trainer',
      replicas: 0,
      workers: 0,
      recorders: 0,
      connections: [],
    });
  }));

test('GET …/weights.safetensors is the published weights, with an ETag of run, epoch and version', () =>
  withStand({}, async (stand, port) => {
    const path = '/models/default/weights.safetensors';
    const { status, headers, bytes } = await ask(port, path);
    assert.is(status, 200);
    assert.equal(
      [headers['content-type'], headers['content-length'], headers.etag],
      ['application/octet-stream', String(bytes.byteLength), '"run-1-1-1"'],
    );
    const { metadata, tensors } = readFrame(bytes);
    assert.equal([metadata.version, metadata.digest], ['1', stand.digests[1]]);
    assert.is(tensors.get('scale')?.bytes.readFloatLE(), stand.published.weights.get('scale')[0]);
    for (const tag of ['"run-1-1-1"', 'W/"run-1-1-1"', '"x", "run-1-1-1"', '*']) {
      const same = await ask(port, path, { headers: { 'If-None-Match': tag } });
      assert.equal([same.status, same.bytes.byteLength, same.headers.etag], [304, 0, '"run-1-1-1"'], tag);
    }
    stand.step();
    const next = await ask(port, path, { headers: { 'If-None-Match': '"run-1-1-1"' } });
    assert.equal([next.status, next.headers.etag], [200, '"run-1-1-2"']);
    const head = await ask(port, path, { method: 'HEAD' });
    assert.equal([head.status, head.headers['content-length'], head.bytes.byteLength], [200, String(next.bytes.byteLength), 0]);
    assert.is(stand.weightsMade, 2, 'once for each version');
  }));

test('POST …/gradients answers with the ack, and with the same ack for a resend', () =>
  withStand({}, async (stand, port) => {
    const post = (body: Buffer): Promise<Got> => ask(port, '/models/default/gradients', { method: 'POST', body });
    const first = await post(batch(1));
    assert.equal([first.status, first.json], [200, { type: 'ack', sequence: 1, version: 2, duplicate: false }]);
    const again = await post(batch(1));
    assert.equal([again.status, again.json], [200, { type: 'ack', sequence: 1, version: 2, duplicate: true }]);
    assert.is(stand.version(), 2);
  }));

for (const [what, status, code, body] of [
  ['a future base', 409, 'E_FUTURE', batch(1, { base: '9' })],
  ['NaN', 422, 'E_NONFINITE', batch(1, {}, [1, Number.NaN, 1])],
  ['a value too large', 422, 'E_RANGE', batch(1, {}, [1, 2e9, 1])],
  ['another kind of frame', 422, 'E_FRAME', batch(1, { kind: 'update' })],
  ['no body', 422, 'E_ST_SHORT', undefined],
  ['JSON', 422, 'E_ST_HEADER_LENGTH', Buffer.from('{"gradients":[1,2,3]}')],
  ['a body cut short', 422, 'E_ST_TRUNCATED', batch(1).subarray(0, -1)],
] as const) {
  test(`POST …/gradients with ${what} is ${status} ${code}, and changes nothing`, () =>
    withStand({}, async (stand, port) => {
      const { status: got, json } = await ask(port, '/models/default/gradients', { method: 'POST', body });
      assert.equal([got, json.type, json.code, json.version], [status, 'nack', code, 1]);
      assert.is(stand.digest(), stand.digests[1]);
    }));
}

for (const [status, code, retryable] of [
  [409, 'E_STALE', false],
  [409, 'E_SEQUENCE_REUSED', false],
  [409, 'E_SEQUENCE_TOO_OLD', false],
  [409, 'E_PRODUCER_FENCED', false],
  [409, 'E_MODEL', false],
  [429, 'E_BUSY', true],
  [503, 'E_DISK', true],
  [503, 'E_CLOSED', true],
  [503, 'E_NEW_ONE', true],
  [422, 'E_NEW_ONE', false],
] as const) {
  test(`a trainer's nack ${code}${retryable ? ', to be sent again,' : ''} is HTTP ${status}`, () =>
    withStand({ lazy: true }, async (stand, port) => {
      const nack = { type: 'nack', sequence: 1, code, retryable, retryAfterMs: 1500, version: 1, text: 'why' } as const;
      stand.server.arrivals$.subscribe(({ answer }) => answer(nack));
      const got = await ask(port, '/models/default/gradients', { method: 'POST', body: batch(1) });
      assert.equal([got.status, got.json, got.headers['retry-after']], [status, nack, retryable ? '2' : undefined]);
    }));
}

test('a batch that nobody takes is 503 E_NOT_READY', async () => {
  const idle = await serve(new Stand());
  const { status, json } = await ask(idle.port, '/models/default/gradients', { method: 'POST', body: batch(3) });
  assert.equal([status, json.code, json.sequence], [503, 'E_NOT_READY', 3]);
  await idle.close();
});

test('a batch that is not answered in time is 503 E_TIMEOUT, which says that it may have been applied', () =>
  withStand({ lazy: true, answerMs: 50 }, async (stand, port) => {
    const { status, json } = await ask(port, '/models/default/gradients', { method: 'POST', body: batch(1) });
    assert.equal([status, json.code, json.retryable], [503, 'E_TIMEOUT', true]);
    stand.work();
    stand.lazy = false;
    assert.equal((await ask(port, '/models/default/gradients', { method: 'POST', body: batch(1) })).json.duplicate, true);
  }));

test('a body that is too large is 413, whether it says so or not, and its sender gets to read that', () =>
  withStand({}, async (stand, port) => {
    const large = Buffer.alloc(3 << 20);
    const declared: Record<string, string>[] = [
      { 'Content-Length': String(large.byteLength) },
      { 'Transfer-Encoding': 'chunked' },
    ];
    for (const headers of declared) {
      const got = await ask(port, '/models/default/gradients', { method: 'POST', headers, body: large });
      assert.equal([got.status, got.json.code], [413, 'E_TOO_LARGE']);
    }
    const asking = request({
      port,
      method: 'POST',
      path: '/models/default/gradients',
      headers: { 'Content-Length': '9000000', Expect: '100-continue' },
    });
    asking.flushHeaders();
    const [response] = await once(asking, 'response');
    assert.is(response.statusCode, 413, 'before a byte of the body is asked for');
    asking.destroy();
    assert.is(stand.version(), 1);
  }));

test('a sender that reads only after it has sent everything still gets its refusal', () =>
  withStand({}, async (_, port) => {
    const body = Buffer.alloc(32 << 20);
    for (const path of ['/models/default/gradients', '/nothing']) {
      const socket = connect(port, '127.0.0.1');
      const failed: unknown[] = [];
      socket.on('error', (error) => failed.push(error));
      socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.byteLength}\r\n\r\n`);
      await new Promise((resolve) => socket.write(body, resolve));
      let got = '';
      socket.on('data', (chunk) => (got += chunk));
      await once(socket, 'close');
      assert.match(got, path === '/nothing' ? /^HTTP\/1\.1 404 / : /^HTTP\/1\.1 413 /);
      assert.equal(failed, []);
    }
  }));

test('who waits for 100 Continue is told to go on', () =>
  withStand({}, async (_, port) => {
    const body = batch(1);
    const headers = { 'Content-Length': String(body.byteLength), Expect: '100-continue' };
    const asking = request({ port, method: 'POST', path: '/models/default/gradients', headers });
    asking.flushHeaders();
    await once(asking, 'continue');
    asking.end(body);
    const [response] = await once(asking, 'response');
    assert.is(response.statusCode, 200);
    response.resume();
  }));

test('a body in an encoding is 415', () =>
  withStand({}, async (_, port) => {
    const got = await ask(port, '/models/default/gradients', {
      method: 'POST',
      body: batch(1),
      headers: { 'Content-Encoding': 'gzip' },
    });
    assert.equal([got.status, got.json.code], [415, 'E_PROTOCOL']);
  }));

for (const [method, path, status, allow] of [
  ['GET', '/nothing', 404],
  ['GET', '/models', 404],
  ['GET', '/models/other', 404],
  ['GET', '/models/other/weights.safetensors', 404],
  ['POST', '/models/other/gradients', 404],
  ['GET', '/models/default/nothing', 404],
  ['GET', '/models/default/gradients/1', 404],
  ['GET', '/healthz/x', 404],
  ['GET', '/models/%ZZ', 404],
  ['GET', '/models/__proto__', 404],
  ['GET', '/models/default/gradients', 405, 'POST'],
  ['POST', '/models/default', 405, 'GET, HEAD'],
  ['DELETE', '/models/default/weights.safetensors', 405, 'GET, HEAD'],
  ['OPTIONS', '/healthz', 405, 'GET, HEAD'],
  ['PUT', '/', 405, 'GET, HEAD'],
] as [string, string, number, string?][]) {
  test(`${method} ${path} is ${status}, as JSON with a code`, () =>
    withStand({}, async (_, port) => {
      const got = await ask(port, path, { method, body: method === 'POST' ? batch(1) : undefined });
      assert.equal(
        [got.status, got.json.code, got.headers.allow],
        [status, status === 404 ? 'E_NOT_FOUND' : 'E_PROTOCOL', allow],
      );
      assert.is(typeof got.json.text, 'string');
    }));
}

for (const [what, headers] of [
  ['a rebound name', { Host: 'evil.example' }],
  ['a rebound name with a port', { Host: 'evil.example:80' }],
  ['the address of another machine', { Host: '192.168.0.7' }],
  ['a page from elsewhere', { Origin: 'http://evil.example' }],
  ['a page that hides where it is from', { Origin: 'null' }],
  ['a local page of another port', { Origin: 'http://localhost:3000' }],
] as const) {
  test(`${what} is refused everywhere, with 403`, () =>
    withStand({}, async (stand, port) => {
      for (const path of [
        '/',
        '/healthz',
        '/models/default',
        '/models/default/weights.safetensors',
        '/models/default/gradients',
      ]) {
        const method = path.endsWith('gradients') ? 'POST' : 'GET';
        const got = await ask(port, path, { headers, method, body: method === 'POST' ? batch(1) : undefined });
        assert.equal([got.status, got.json.code], [403, 'E_FORBIDDEN'], path);
      }
      assert.is(stand.version(), 1);
    }));
}

test('control: names of this machine, and the page of this very server, are not', () =>
  withStand({}, async (_, port) => {
    for (const host of [
      'localhost',
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      '127.1.2.3:1',
      `[::1]:${port}`,
      `LOCALHOST:${port}`,
    ]) {
      assert.is((await ask(port, '/healthz', { headers: { Host: host } })).status, 200, host);
      assert.is((await ask(port, '/healthz', { headers: { Host: host, Origin: `http://${host}` } })).status, 200, host);
    }
  }));

test('what is no HTTP is 400, headers of more than 8 KiB are 431, a missing Host is refused', () =>
  withStand({}, async (_, port) => {
    assert.match(await sendRaw(port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 .*E_PROTOCOL/s);
    assert.match(await sendRaw(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    assert.match(await sendRaw(port, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 .*E_PROTOCOL/s);
    assert.match(await sendRaw(port, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 403 /);
    assert.match(
      await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'),
      /^HTTP\/1\.1 404 /,
    );
    assert.match(
      await sendRaw(port, 'GET /models/default HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'),
      /^HTTP\/1\.1 400 /,
    );
  }));

test('a sender that goes away in the middle of a body changes nothing', () =>
  withStand({}, async (stand, port) => {
    const socket = connect(port, '127.0.0.1');
    const body = batch(1);
    socket.write(`POST /models/default/gradients HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.byteLength}\r\n\r\n`);
    socket.write(body.subarray(0, 50), () => socket.destroy());
    await once(socket, 'close');
    assert.is((await ask(port, '/healthz')).status, 200);
    assert.is(stand.version(), 1);
  }));

test('bodies on their way share a limit: the one beyond it is 429, and goes through when there is room', () => {
  const whole = batch(1);
  return withStand({ acceptBytes: whole.byteLength }, async (stand, port) => {
    const slow = connect(port, '127.0.0.1');
    slow.write(`POST /models/default/gradients HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${whole.byteLength}\r\n\r\n`);
    slow.write(whole.subarray(0, 1));
    while (stand.server.receivingBytes < 1) await ask(port, '/healthz');
    const { status, json, headers } = await ask(port, '/models/default/gradients', { method: 'POST', body: batch(2) });
    assert.equal([status, json.code, json.retryable, headers['retry-after']], [429, 'E_BUSY', true, '1']);
    slow.end(whole.subarray(1));
    const [answer] = await once(slow, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 200 /, 'a body alone may be as large as the limit');
    assert.is((await ask(port, '/models/default/gradients', { method: 'POST', body: batch(2) })).status, 200);
    assert.is(stand.server.receivingBytes, 0);
  });
});

test('a body larger than the limit comes where it is alone', () => {
  const body = batch(1);
  return withStand({ acceptBytes: 10 }, async (_, port) => {
    assert.is((await ask(port, '/models/default/gradients', { method: 'POST', body })).status, 200);
  });
});

test('bodies that are cut off, or refused on their way, leave their room', () =>
  withStand({}, async (stand, port) => {
    const body = batch(1);
    const cut = connect(port, '127.0.0.1');
    cut.write(`POST /models/default/gradients HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.byteLength}\r\n\r\n`);
    cut.write(body.subarray(0, 50));
    while (stand.server.receivingBytes === 0) await ask(port, '/healthz');
    cut.destroy();
    while (stand.server.receivingBytes > 0) await ask(port, '/healthz');
    assert.is(stand.version(), 1);
  }));

test('a connection that asks 17 times and reads no answer is cut', () =>
  withStand({ lazy: true }, async (stand, port) => {
    const body = batch(1);
    const post = Buffer.concat([
      Buffer.from(`POST /models/default/gradients HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.byteLength}\r\n\r\n`),
      body,
    ]);
    const most = connect(port, '127.0.0.1');
    most.write(Buffer.concat(Array(16).fill(post)));
    while (stand.arrived.length < 16) await ask(port, '/healthz');
    assert.not(most.destroyed);
    const more = once(
      most.on('error', () => undefined),
      'close',
    );
    most.resume();
    most.write(post);
    await more;
    assert.is(stand.arrived.length, 16, 'the last is not taken');
  }));

test('a close ends connections that are kept alive', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const socket = connect(stand.server.port, '127.0.0.1');
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  const ended = once(socket, 'close');
  socket.resume();
  await Promise.all([stand.close(), ended]);
});

test('a path is cut into decoded parts', () => {
  assert.equal(segmentsOf('/models/a%2Fb/x?y=/z'), ['models', 'a/b', 'x']);
  assert.equal(segmentsOf('/'), ['']);
  assert.equal(
    [segmentsOf('*'), segmentsOf('http://x/'), segmentsOf(undefined), segmentsOf('/%')],
    [undefined, undefined, undefined, undefined],
  );
});

test.run();
