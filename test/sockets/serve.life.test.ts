// The server from its start to its end: where it listens, heartbeats, pings, the close, and broadcast as a tap.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { type ServeOptions, serve } from '../../streams/sockets/index.ts';
import { serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { join } from './raw.ts';
import { Stand } from './stand.ts';
import { batch, until, untilText, withStand } from './talk.ts';

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
