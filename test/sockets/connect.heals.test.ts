// After a cut, a gap, a wrong check or a wrong digest a replica comes back by itself, and never takes what is not the trainer’s.
import { firstValueFrom, skip } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeWeights } from '../../src/frames/weights.ts';
import { connect } from '../../streams/sockets/index.ts';
import { bias, codeOf, quick, script, scripted, until, watch, welcome, withProxy } from './connected.ts';
import { Stand } from './stand.ts';

for (const how of ['end', 'reset'] as const) {
  test(`after a cut (${how}) it goes on from where it was, without a reset`, () =>
    withProxy({}, async (stand, proxy) => {
      const replica = connect(proxy.url, quick);
      const seen = watch(replica, stand);
      await replica.ready;
      for (let round = 1; round <= 5; round++) {
        for (let i = 0; i < 10; i++) stand.step();
        await replica.reached(stand.version());
        proxy.cut(how);
        for (let i = 0; i < 10; i++) stand.step();
        await replica.reached(stand.version());
      }
      assert.equal(
        seen,
        Array.from({ length: 101 }, (_, i) => i),
      );
      const { resumed, reset, connections, troubles } = replica.counts;
      assert.equal({ resumed, reset, connections, troubles }, { resumed: 5, reset: 0, connections: 6, troubles: 0 });
      assert.is(stand.weightsMade, 1);
      await replica.close();
    }));
}

test('a cut in the middle of a frame is a cut like any other', () =>
  withProxy({}, async (stand, proxy) => {
    const replica = connect(proxy.url, quick);
    const seen = watch(replica, stand);
    await replica.ready;
    for (const bytes of [1, 3, 100, 400, 701, 1400]) {
      proxy.cutAfter(bytes, 'reset');
      const until = stand.version() + 4;
      while (stand.version() < until) stand.step();
      await replica.reached(until);
    }
    assert.equal(
      seen,
      Array.from({ length: 25 }, (_, i) => i),
    );
    assert.ok(replica.counts.resumed >= 3);
    assert.is(replica.counts.reset, 0);
    await replica.close();
  }));

test('where the backlog no longer holds what is missing, it starts over with all weights', () =>
  withProxy({ backlogFrames: 4 }, async (stand, proxy) => {
    const replica = connect(proxy.url, quick);
    const seen = watch(replica, stand);
    await replica.ready;
    proxy.refusing = true;
    proxy.cut('end');
    for (let i = 0; i < 10; i++) stand.step();
    assert.is(replica.version, 0);
    proxy.refusing = false;
    await replica.reached(10);
    assert.equal(seen, [0, 10]);
    assert.equal([replica.counts.resumed, replica.counts.reset], [0, 1]);
    stand.step();
    await replica.reached(11);
    await replica.close();
  }));

test('a trainer with another history: what was held stays readable until its weights are there', async () => {
  const first = await Stand.start();
  const { port } = first.server;
  const replica = connect(first.url, quick);
  for (let i = 0; i < 9; i++) first.step();
  await replica.reached(9);
  await first.close();
  assert.equal([replica.version, replica.digest()], [9, first.digests[9]]);
  const next = firstValueFrom(replica.updates$);
  const second = await Stand.start({ port, run: 'run-2' });
  const applied = await next;
  assert.equal([applied.kind, applied.from, applied.version], ['weights', 9, 0]);
  assert.equal([replica.run, replica.version, replica.trainerVersion, replica.counts.reset], ['run-2', 0, 0, 1]);
  await replica.close();
  await second.close();
});

test('a trainer that comes back with its history is resumed, one that lost a part of it is not', async () => {
  const first = await Stand.start();
  const { port } = first.server;
  const replica = connect(first.url, quick);
  for (let i = 0; i < 5; i++) first.step();
  await replica.reached(5);
  await first.close();
  const second = await Stand.start(
    {
      port,
      epoch: 2,
      epochs: [
        [1, 1],
        [2, 6],
      ],
    },
    first,
  );
  second.step();
  await replica.reached(6);
  assert.equal([replica.epoch, replica.counts.resumed, replica.counts.reset, replica.digest()], [2, 1, 0, second.digests[6]]);
  await second.close();
  const next = firstValueFrom(replica.updates$);
  const third = await Stand.start(
    {
      port,
      epoch: 3,
      epochs: [
        [1, 1],
        [2, 6],
        [3, 6],
      ],
    },
    first,
  );
  assert.equal([(await next).version, replica.epoch, replica.counts.reset], [5, 3, 1], 'version 6 of epoch 2 is gone');
  await replica.close();
  await third.close();
});

test('a trainer that has been replaced by a newer one is not believed', async () => {
  const newer = await Stand.start({
    epoch: 2,
    epochs: [
      [1, 1],
      [2, 1],
    ],
  });
  const { port } = newer.server;
  const replica = connect(newer.url, quick);
  newer.step();
  await replica.reached(1);
  await newer.close();
  const older = await Stand.start({ port, epoch: 1 });
  let closed = 0;
  replica.status$.pipe(skip(1)).subscribe(({ reason }) => (closed += Number(reason?.includes('replaced by a newer one'))));
  await until(() => closed >= 3);
  assert.equal([replica.version, replica.epoch, replica.digest()], [1, 2, newer.digests[1]]);
  await replica.close();
  await older.close();
});

test('silence ends a connection, and the next one resumes', () =>
  withProxy({ heartbeatMs: 20 }, async (stand, proxy) => {
    const replica = connect(proxy.url, { ...quick, silenceMs: 200, connectTimeoutMs: 200 });
    await replica.ready;
    stand.step();
    await replica.reached(1);
    const lost = firstValueFrom(replica.status$.pipe(skip(1)));
    proxy.silent = true;
    assert.match((await lost).reason ?? '', 'nothing heard');
    proxy.silent = false;
    stand.step();
    await replica.reached(2);
    assert.ok(replica.counts.resumed >= 1);
    await replica.close();
  }));

test('heartbeats keep a quiet connection, and tell how far the trainer is', () =>
  withProxy({ heartbeatMs: 20 }, async (stand, proxy) => {
    const replica = connect(proxy.url, { ...quick, silenceMs: 100 });
    await replica.ready;
    await assert.is(await codeOf(replica.reached(1, { timeoutMs: 400 })), 'E_TIMEOUT');
    assert.equal([replica.counts.connections, replica.trainerVersion], [1, 0]);
    stand.step();
    await replica.reached(1);
    assert.is(replica.trainerVersion, 1);
    await replica.close();
  }));

for (const [what, spoil] of [
  ['a gap', (updates: Uint8Array[]) => updates[2]],
  ['a flipped bit', (updates: Uint8Array[]) => updates[1].map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte))],
  ['a frame that is none', () => Uint8Array.of(1, 2, 3)],
] as const) {
  test(`after ${what} it asks for what is missing, and if that does not help, for everything`, async () => {
    const { stand, weights, updates } = script();
    const { url, hellos, stop } = await scripted((hello, send) => {
      send({ ...welcome, resumed: hello.resume !== undefined });
      if (hello.resume === undefined) send(weights);
      if (hellos.length === 1) send(updates[0]);
      if (hellos.length <= 2) send(spoil(updates));
      else for (const update of updates) send(update);
    });
    const replica = connect(url, quick);
    const seen = watch(replica, stand);
    await replica.reached(6);
    assert.equal(
      hellos.map(({ resume }) => resume),
      [undefined, { run: 'run-1', epoch: 1, version: 1, digest: stand.digests[1] }, undefined],
    );
    assert.equal(seen, [0, 1, 0, 1, 2, 3, 4, 5, 6]);
    assert.is(replica.counts.troubles, 2);
    await replica.close();
    await stop();
  });
}

test('weights that are not the trainer’s are noticed by a heartbeat, and replaced', async () => {
  const { stand, weights, updates } = script();
  const { url, hellos, stop } = await scripted((_, send) => {
    send(welcome);
    send(weights);
    send(updates[0]);
    send({ type: 'heartbeat', epoch: 1, version: 1, digest: hellos.length === 1 ? '0123456789abcdef' : stand.digests[1] });
    if (hellos.length > 1) send(updates[1]);
  });
  const replica = connect(url, quick);
  await replica.reached(2);
  assert.equal(
    hellos.map(({ resume }) => resume),
    [undefined, undefined],
  );
  await replica.close();
  await stop();
});

test('weights with a wrong digest are not taken; those that are held stay', async () => {
  const { stand, weights } = script();
  const wrong = encodeWeights({ model: 'default', run: 'run-1', epoch: 1, version: 9 }, stand.published.weights);
  wrong[wrong.length - 1] ^= 1;
  const { url, hellos, stop } = await scripted((_, send) => {
    send({ ...welcome, reason: hellos.length === 2 ? 'backlog' : null });
    send(hellos.length === 2 ? wrong : weights);
    if (hellos.length === 1) send(Uint8Array.of(1));
  });
  const replica = connect(url, quick);
  const states: [number, string][] = [];
  replica.status$.subscribe(() => states.push([replica.version, replica.digest()]));
  await until(() => replica.counts.applied === 2);
  assert.is(hellos.length, 3);
  for (const [version, digest] of states.slice(1)) assert.equal([version, digest], [0, stand.digests[0]]);
  await replica.close();
  await stop();
});

test('told to start over, it takes weights that are behind its own, and only then', async () => {
  const { stand, weights, updates } = script();
  const { url, hellos, stop } = await scripted((hello, send, close) => {
    const first = hellos.length === 1;
    send({ ...welcome, reason: first ? null : 'ahead' });
    send(weights);
    if (hello.resume !== undefined) return;
    send(updates[0]);
    send(weights);
    send(updates[1]);
    close(4007);
  });
  const replica = connect(url, quick);
  const seen = watch(replica, stand);
  await until(() => seen.length === 4);
  assert.equal(seen, [0, 1, 2, 0]);
  assert.equal([replica.counts.stale, replica.counts.reset, replica.counts.troubles], [1, 1, 0]);
  await replica.close();
  await stop();
});

test('messages of a kind that is new are left alone', async () => {
  const { weights, updates } = script();
  const { url, stop } = await scripted((_, send) => {
    send(welcome);
    send({ type: 'news' });
    send(weights);
    send(updates[0]);
  });
  const replica = connect(url, quick);
  await replica.reached(1);
  assert.is(replica.counts.connections, 1);
  await replica.close();
  await stop();
});

test('a close code from 4500 on is the end, with its reason, and everybody who waits is told', async () => {
  const { url, hellos, stop } = await scripted((_, __, close) => close(4501));
  const replica = connect(url, quick);
  const worker = connect(url, { ...quick, role: 'worker' });
  const ends: string[] = [];
  replica.updates$.subscribe({ error: ({ code }) => ends.push(`updates ${code}`) });
  replica.status$.subscribe({
    next: ({ state, reason }) => ends.push(`${state} ${reason ?? ''}`),
    complete: () => ends.push('no more'),
  });
  const pushed = codeOf(worker.push({ gradients: bias }));
  assert.equal(
    await Promise.all([codeOf(replica.ready), codeOf(replica.reached(1)), codeOf(replica.closed), pushed]),
    Array(4).fill('E_FORBIDDEN'),
  );
  assert.equal(ends, ['connecting ', 'closed E_FORBIDDEN: as scripted (close code 4501)', 'no more', 'updates E_FORBIDDEN']);
  assert.is(await codeOf(worker.push({ gradients: bias })), 'E_FORBIDDEN');
  assert.is(hellos.length, 2);
  await Promise.all([replica.close(), worker.close()]);
  await stop();
});

test('a model that the server does not have is the end too', () =>
  withProxy({}, async (stand) => {
    const replica = connect(stand.url, { model: 'other' });
    assert.is(await codeOf(replica.ready), 'E_NOT_FOUND');
    assert.is(await codeOf(replica.closed), 'E_NOT_FOUND');
    assert.is(await codeOf(replica.reached(0)), 'E_NOT_FOUND');
    await replica.close();
  }));

test.run();
