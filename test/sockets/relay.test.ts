// Relays: the trainer's own bytes at any depth, the same resume rules, and what becomes of clients when the upstream changes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize, withMetadata } from '../../src/frames/safetensors.ts';
import { encodeUpdate, readUpdate } from '../../src/frames/update.ts';
import { layout } from '../../src/layout.ts';
import type { Publication } from '../../streams/operators/flow.ts';
import { connect, relay, tap } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { join } from './raw.ts';
import { chainOf, closeAll, framesUntil, labelsOf, quick, relayIs, relayReaches, versionOf } from './relays.ts';
import { Stand } from './stand.ts';

const replica = { role: 'replica' };

function resumeAt(stand: Stand, version: number, epoch = stand.epoch): object {
  return { ...replica, resume: { run: stand.run, epoch, version, digest: stand.digests[version] } };
}

async function statusOf(url: string): Promise<Record<string, unknown> & { relay: Record<string, unknown> }> {
  return (await (await fetch(`${url}/models/default`)).json()) as never;
}

test('three relays deep a replica gets the trainer’s own bytes, weights and every update', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  stand.step();
  const relays = await chainOf(3, stand.url);
  const ports = [stand.server.port, ...relays.map(({ port }) => port)];
  const clients = await Promise.all(ports.map(async (port) => (await join(port, replica)).client));
  for (let i = 0; i < 300; i++) stand.step();
  const [mine, ...theirs] = await Promise.all(clients.map((client) => framesUntil(client, 301)));
  assert.is(mine.length, 301, 'the weights of version 1 and 300 updates');
  assert.is(labelsOf(mine[0]).kind, 'weights');
  for (const frames of theirs) {
    assert.is(frames.length, mine.length);
    for (const [i, frame] of frames.entries()) assert.ok(frame.equals(mine[i]), `frame ${i} has other bytes`);
  }
  assert.not(mine[1].equals(mine[2]), 'the comparison can fail');
  for (const each of relays) assert.is(each.digest(), stand.digest());
  for (const client of clients) client.end();
  await closeAll([...relays.reverse(), stand]);
});

test('weights by HTTP have the trainer’s bytes and ETag at every relay, and the page says what is a relay', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  for (let i = 0; i < 5; i++) stand.step();
  const relays = await chainOf(2, stand.url);
  const path = '/models/default/weights.safetensors';
  const own = await fetch(stand.url + path);
  const bytes = Buffer.from(await own.arrayBuffer());
  for (const { url } of relays) {
    const got = await fetch(url + path);
    assert.is(got.headers.get('etag'), own.headers.get('etag'));
    assert.ok(Buffer.from(await got.arrayBuffer()).equals(bytes));
    const again = await fetch(url + path, { headers: { 'If-None-Match': String(own.headers.get('etag')) } });
    assert.is(again.status, 304);
  }
  const [first, second] = await Promise.all(relays.map(({ url }) => statusOf(url)));
  assert.is(first.relay.depth, 1);
  assert.is(second.relay.depth, 2);
  assert.is(second.relay.lag, 0);
  assert.is(second.relay.state, 'live');
  assert.is(second.relay.upstream, `${relays[0].url.replace('http', 'ws')}/`);
  assert.is(second.version, 5);
  assert.is(second.digest, stand.digest());
  assert.is((await statusOf(stand.url)).relay, undefined);
  assert.match(await (await fetch(relays[0].url)).text(), /This relay serves the model "default"/);
  await closeAll([...relays.reverse(), stand]);
});

test('while its upstream is cut off a relay serves what it has and says so, then resumes, and its clients see no gap', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const proxy = await ChaosProxy.start(stand.server.port);
  const [near, far] = await chainOf(2, proxy.url, { listen: { heartbeatMs: 20 } });
  const { client } = await join(far.port, replica);
  stand.step();
  await framesUntil(client, 1);
  proxy.refusing = true;
  proxy.cut('reset');
  await relayIs(near, () => near.status.state === 'connecting');
  for (let i = 0; i < 20; i++) stand.step();
  const readiness = await fetch(`${near.url}/readyz`);
  assert.is(readiness.status, 503);
  const { code, text } = (await readiness.json()) as Record<string, string>;
  assert.is(code, 'E_NOT_READY');
  assert.match(text, /upstream .* version 1 is served/);
  assert.is((await statusOf(near.url)).relay.state, 'connecting');
  const heartbeat = await client.nextText();
  assert.is(heartbeat.version, 1);
  assert.is(heartbeat.digest, stand.digests[1]);
  const late = await join(near.port, replica);
  assert.is(late.welcome.version, 1, 'who joins now gets what there is');
  proxy.refusing = false;
  for (const each of [client, late.client]) {
    const versions = (await framesUntil(each, 21)).filter((frame) => labelsOf(frame).kind === 'update').map(versionOf);
    assert.equal(
      versions,
      Array.from({ length: 20 }, (_, i) => i + 2),
    );
  }
  assert.is((await fetch(`${near.url}/readyz`)).status, 200);
  late.client.end();
  client.end();
  await closeAll([far, near, proxy, stand]);
});

test('where the upstream skips versions the very frame that does it reaches clients two deep, each time, in its place', async () => {
  const stand = await Stand.start({ closeMs: 100, backlogFrames: 2 });
  const proxy = await ChaosProxy.start(stand.server.port);
  const [near, far] = await chainOf(2, proxy.url);
  const { client } = await join(far.port, replica);
  const old = await framesUntil(client, 0);
  assert.is(labelsOf(old[0]).kind, 'weights');
  // twice, for a connection that falls off a backlog gets weights only every 30 s
  for (let round = 0; round < 2; round++) {
    stand.step();
    await framesUntil(client, stand.version());
    proxy.refusing = true;
    proxy.cut('reset');
    await relayIs(near, () => near.status.state === 'connecting');
    for (let i = 0; i < 10; i++) stand.step();
    const frame = Buffer.from(stand.weights());
    proxy.refusing = false;
    const frames = await framesUntil(client, stand.version());
    assert.is(frames.length, 1);
    assert.ok(frames[0].equals(frame));
  }
  const skipped = stand.version();
  stand.step();
  assert.is(labelsOf((await framesUntil(client, skipped + 1))[0]).from, String(skipped));
  const { welcome } = await join(far.port, resumeAt(stand, skipped - 11));
  assert.is(welcome.reason, 'backlog', 'over the skip nobody resumes');
  const after = await join(far.port, resumeAt(stand, skipped));
  assert.is(after.welcome.resumed, true, 'from after it one does');
  assert.is(versionOf(await after.client.nextBinary()), skipped + 1);
  client.end();
  await closeAll([far, near, proxy, stand]);
});

test('a trainer that is started again in a new epoch is followed, and nobody starts over', async () => {
  const first = await Stand.start({ closeMs: 50 });
  for (let i = 0; i < 3; i++) first.step();
  const relays = await chainOf(2, first.url);
  const below = connect(relays[1].url, quick);
  await below.ready;
  await fetch(`${relays[1].url}/models/default/weights.safetensors`);
  const { port } = first.server;
  await first.close();
  const second = await Stand.start(
    {
      port,
      closeMs: 50,
      epoch: 2,
      epochs: [
        [1, 1],
        [2, 4],
      ],
    },
    first,
  );
  await relayIs(relays[1], () => relays[1].status.state === 'live' && relays[1].epoch === 2);
  const path = '/models/default/weights.safetensors';
  const [own, relayed] = await Promise.all([second, relays[1]].map(async ({ url }) => (await fetch(url + path)).arrayBuffer()));
  assert.ok(Buffer.from(relayed).equals(Buffer.from(own)), 'the weights of the same version say the new epoch');
  second.step();
  await below.reached(4);
  assert.is(below.epoch, 2);
  assert.is(below.digest(), second.digest());
  assert.is(below.counts.reset, 0);
  assert.is(below.counts.troubles, 0);
  assert.ok(below.counts.resumed >= 1);
  // the epochs have come down with it: the end of the first is known two relays deep
  const early = await join(relays[1].port, {
    ...replica,
    resume: { run: 'run-1', epoch: 1, version: 3, digest: first.digest() },
  });
  assert.is(early.welcome.resumed, true);
  assert.is(early.welcome.epoch, 2);
  assert.equal(early.welcome.epochs, [
    [1, 1],
    [2, 4],
  ]);
  const lost = await join(relays[1].port, { ...replica, resume: { run: 'run-1', epoch: 1, version: 4 } });
  assert.is(lost.welcome.reason, 'ahead', 'the fourth version of the first epoch is not in this history');
  for (const { client } of [early, lost]) client.end();
  await closeAll([below, ...relays.reverse(), second]);
});

test('where the trainer lost versions, or has another run, everybody below is reset to its weights', async () => {
  const first = await Stand.start({ closeMs: 50 });
  const relays = await chainOf(2, first.url);
  const { port } = first.server;
  const below = connect(relays[1].url, quick);
  await below.ready;
  const kept = new Stand({}, undefined);
  for (let i = 0; i < 5; i++) first.step();
  await below.reached(5);
  await first.close();
  const second = await Stand.start(
    {
      port,
      closeMs: 50,
      epoch: 2,
      epochs: [
        [1, 1],
        [2, 1],
      ],
    },
    kept,
  );
  second.step({ 'dense/bias': Float32Array.of(9, 9, 9) });
  await relayIs(relays[1], (each) => each.epoch === 2);
  while (below.epoch !== 2) await nextFrame(below);
  assert.is(below.version, 1);
  assert.is(below.digest(), second.digest());
  assert.is(below.counts.reset, 1);
  await second.close();
  const third = await Stand.start({ port, closeMs: 50, run: 'run-2' });
  while (below.run !== 'run-2') await nextFrame(below);
  third.step();
  await below.reached(1);
  assert.is(below.digest(), third.digest());
  assert.is(below.counts.reset, 2);
  await closeAll([below, ...relays.reverse(), third]);
});

function nextFrame(below: { updates$: { subscribe(next: () => void): { unsubscribe(): void } } }): Promise<void> {
  return new Promise((resolve) => {
    const subscription = below.updates$.subscribe(() => {
      subscription.unsubscribe();
      resolve();
    });
  });
}

test('a trainer that was replaced by a newer epoch is not followed back', async () => {
  const older = await Stand.start({ closeMs: 50 });
  older.step();
  const newer = await Stand.start(
    {
      closeMs: 50,
      epoch: 2,
      epochs: [
        [1, 1],
        [2, 2],
      ],
    },
    older,
  );
  const proxy = await ChaosProxy.start(newer.server.port);
  const [near] = await chainOf(1, proxy.url);
  newer.step();
  await relayReaches(near, 2);
  const { port } = newer.server;
  await newer.close();
  const back = await Stand.start({ port, closeMs: 50 });
  for (let i = 0; i < 9; i++) back.step();
  const before = proxy.accepted;
  while (proxy.accepted < before + 3) await relayIs(near, () => near.status.state !== 'live').then(turn);
  assert.is(near.epoch, 2);
  assert.is(near.version, 2);
  assert.is(near.digest(), newer.digests[2]);
  assert.match(String(near.status.reason), /epoch 1 has been replaced/);
  await closeAll([near, proxy, back, older]);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('who was at the trainer resumes at a relay, and the reverse; other weights are found out', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const [near] = await chainOf(1, stand.url);
  for (let i = 0; i < 10; i++) stand.step();
  await relayReaches(near, 10);
  for (const port of [stand.server.port, near.port]) {
    const { client, welcome } = await join(port, resumeAt(stand, 6));
    assert.is(welcome.resumed, true);
    assert.equal((await framesUntil(client, 10)).map(versionOf), [7, 8, 9, 10]);
    client.end();
    const other = await join(port, { ...replica, resume: { run: 'run-1', epoch: 1, version: 10, digest: '0'.repeat(16) } });
    assert.is(other.welcome.reason, 'diverged');
    other.client.end();
    const stranger = await join(port, { ...replica, resume: { run: 'run-9', epoch: 1, version: 2 } });
    assert.is(stranger.welcome.reason, 'other-run');
    stranger.client.end();
  }
  await closeAll([near, stand]);
});

test('a client that is further than a relay is kept until the relay is there too; only one that has all says "ahead"', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const proxy = await ChaosProxy.start(stand.server.port);
  const [near] = await chainOf(1, proxy.url, { catchUpMs: 60_000 });
  proxy.silent = true;
  for (let i = 0; i < 4; i++) stand.step();
  const joining = join(near.port, resumeAt(stand, 4));
  assert.is((await statusOf(near.url)).version, 0);
  proxy.silent = false;
  const { client, welcome } = await joining;
  assert.is(welcome.resumed, true);
  stand.step();
  assert.is(versionOf(await client.nextBinary()), 5);
  client.end();
  const [hasty] = await chainOf(1, stand.url, { catchUpMs: 10 });
  const lost = await join(hasty.port, { ...replica, resume: { run: 'run-1', epoch: 1, version: 99 } });
  assert.is(lost.welcome.reason, 'ahead');
  lost.client.end();
  await stand.close();
  await relayIs(hasty, () => hasty.status.state === 'connecting');
  const hello = { ...replica, resume: { run: 'run-1', epoch: 1, version: 99 } };
  assert.is(await closeCodeOf(hasty.port, hello), 4007, 'a relay that cannot know sends nobody back');
  assert.is(await closeCodeOf(hasty.port, { ...replica, resume: { run: 'run-1', epoch: 2, version: 1 } }), 4004);
  await closeAll([hasty, near, proxy]);
});

async function closeCodeOf(port: number, hello: object): Promise<number> {
  const outcome = await join(port, hello).catch((error: Error) => error);
  if (!(outcome instanceof Error)) throw new Error('it was welcomed');
  return Number(/"code":(\d+)/.exec(outcome.message)?.[1]);
}

test('one client that reads nothing does not hold up the others of a relay', async () => {
  const stand = await Stand.start({ closeMs: 100, layout: layout({ w: [100_000] }) });
  const [near] = await chainOf(1, stand.url, { listen: { highWaterBytes: 1 << 16 } });
  const slow = await join(near.port, replica);
  slow.client.socket.pause();
  const others = await Promise.all([1, 2].map(async () => (await join(near.port, replica)).client));
  for (let i = 0; i < 40; i++) {
    stand.step();
    await relayReaches(near, stand.version());
  }
  for (const client of others) assert.is((await framesUntil(client, 40)).length, 41);
  const [lag] = near.replicas.map((each) => each.lag).sort((a, b) => b - a);
  assert.ok(lag > 0, `the slow one lags by ${lag}`);
  slow.client.socket.resume();
  assert.is((await framesUntil(slow.client, 40)).length, 41, 'and it misses nothing once it reads');
  for (const client of [slow.client, ...others]) client.end();
  await closeAll([near, stand]);
});

test('a frame that was damaged on its way up or whose digest is wrong goes no further, and wrong weights are not served', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const proxy = await ChaosProxy.start(stand.server.port);
  const [near] = await chainOf(1, proxy.url, { catchUpMs: 20 });
  const { client } = await join(near.port, replica);
  stand.step();
  await framesUntil(client, 1);
  const { frame } = await new Promise<Publication>((resolve) => {
    stand.published$.subscribe(resolve);
    stand.step();
  });
  const bad = Uint8Array.from(frame);
  bad[bad.length - 1] ^= 1;
  const before = { from: 2, learningRate: 0.01, weights: stand.published.weights, batches: [] };
  await framesUntil(client, 2);
  proxy.refusing = true;
  stand.published$.next({ ...before, version: 3, frame: withMetadata(bad, { from: '2', version: '3' }) });
  await relayIs(near, () => near.status.state === 'connecting');
  stand.step();
  proxy.refusing = false;
  assert.is((await framesUntil(client, 3)).length, 1);
  proxy.refusing = true;
  assert.is(near.digest(), stand.digests[3]);
  // the frame is whole, but what it says of all weights is not so
  const { header, forms } = readUpdate(deserialize(frame), stand.layout);
  const wrong = encodeUpdate({ ...header, from: 3, version: 4, digest: '0'.repeat(16) }, forms);
  stand.published$.next({ ...before, from: 3, version: 4, frame: wrong });
  const end = await client.next();
  assert.is(end.kind === 'close' && end.code, 4007);
  for (const path of ['', '/weights.safetensors']) {
    const { status } = await fetch(`${near.url}/models/default${path}`);
    assert.is(status, 503);
  }
  assert.is(await closeCodeOf(near.port, replica), 4007);
  stand.step();
  proxy.refusing = false;
  await relayIs(near, () => near.status.state === 'live');
  const back = await join(near.port, resumeAt(stand, 4));
  assert.is(back.welcome.resumed, true, 'who has the right weights goes on');
  stand.step();
  await framesUntil(back.client, 5);
  assert.is(near.digest(), stand.digests[5]);
  back.client.end();
  await closeAll([near, proxy, stand]);
});

test('a relay gives no records, and is no place to tap', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const [near] = await chainOf(1, stand.url);
  assert.is(await closeCodeOf(near.port, { role: 'recorder' }), 4502);
  await new Promise<void>((resolve, reject) =>
    tap(near.url).subscribe({
      next: () => reject(new Error('it was tapped')),
      error: (error) => {
        assert.is(error.code, 'E_FORBIDDEN');
        resolve();
      },
    }),
  );
  await closeAll([near, stand]);
});

test('another model behind the same address ends a relay, and so does itself', async () => {
  const stand = await Stand.start({ closeMs: 50 });
  const { port } = stand.server;
  const [near] = await chainOf(1, stand.url);
  await stand.close();
  const other = await Stand.start({ port, closeMs: 50, run: 'run-2', layout: layout({ other: [2] }) });
  assert.is(await near.closed.catch(({ code }) => code), 'E_LAYOUT');
  await other.close();
  const top = await Stand.start({ closeMs: 50 });
  const [first, second] = await chainOf(2, top.url);
  const freed = top.server.port;
  await top.close();
  const proxied = await relay(second.url, { ...quick, listen: { port: freed, closeMs: 50 } });
  assert.is(await Promise.race([first.closed, second.closed, proxied.closed]).catch(({ code }) => code), 'E_CONFIG');
  await closeAll([proxied, second, first].map((each) => ({ close: () => each.close().catch(() => undefined) })));
});

test('options that cannot be meant are refused, and an upstream that is not there is waited for as long as is said', async () => {
  const options = [
    { role: 'worker' },
    { producer: 'x' },
    { catchUpMs: 0 },
    { listen: { port: -1 } },
    { lisen: {} },
    { silenceMs: -1 },
  ];
  for (const each of options) {
    const code = await relay('http://127.0.0.1:9', each as object).catch((error) => error.code);
    assert.is(code, 'E_CONFIG', JSON.stringify(each));
  }
  assert.is(await relay('nowhere').catch((error) => error.code), 'E_CONFIG');
  const late = await relay('http://127.0.0.1:9', { readyTimeoutMs: 20 }).catch((error) => error.code);
  assert.is(late, 'E_CONNECTION');
});

test.run();
