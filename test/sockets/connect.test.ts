// The client: joins early and late, comes back by itself, and pushes batches that are folded exactly once.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { config, firstValueFrom, skip } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { GradwireError } from '../../src/errors.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import type { Answer } from '../../streams/operators/flow.ts';
import { socketAddress } from '../../streams/sockets/client/address.ts';
import { Backoff } from '../../streams/sockets/client/backoff.ts';
import { errorOfClose, errorOfRefusal } from '../../streams/sockets/client/trouble.ts';
import { connect, type RemoteReplica, type ReplicaOptions, type WorkerOptions } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { readFrame } from './raw.ts';
import { Stand, type StandOptions } from './stand.ts';

const quick = { backoffMinMs: 1, backoffMaxMs: 5 } as const;
const bias = { 'dense/bias': Float32Array.of(1, 2, 3) };

/** The code of what a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GradwireError) return error.code;
    throw error;
  }
  return 'it resolved';
}

/** Runs a body with a trainer behind a proxy; both are closed afterwards. */
async function withProxy(options: StandOptions, body: (stand: Stand, proxy: ChaosProxy) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 100, ...options });
  const proxy = await ChaosProxy.start(stand.server.port);
  try {
    await body(stand, proxy);
  } finally {
    await stand.close();
    await proxy.close();
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits, one turn of the event loop after the other. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Every version the replica reports must have the trainer's bits; gives the versions as they come. */
function watch(replica: RemoteReplica, stand: Stand): number[] {
  const seen: number[] = [];
  replica.updates$.subscribe({
    next: ({ version }) => {
      assert.is(replica.version, version);
      assert.is(replica.digest(), stand.digests[version], `at version ${version}`);
      seen.push(version);
    },
    error: () => undefined,
  });
  return seen;
}

test('a replica that joins late has every version from there on, bit for bit', () =>
  withProxy({}, async (stand) => {
    for (let i = 0; i < 5; i++) stand.step();
    const replica = connect(stand.url);
    assert.equal([replica.version, replica.run, replica.epoch, replica.model], [0, undefined, 0, '']);
    const seen = watch(replica, stand);
    await replica.ready;
    assert.equal([replica.version, replica.run, replica.epoch, replica.model], [5, 'run-1', 1, 'default']);
    for (let i = 0; i < 300; i++) stand.step();
    assert.is(replica.version, 5);
    await replica.reached(305);
    assert.equal(
      seen,
      Array.from({ length: 301 }, (_, i) => 5 + i),
    );
    assert.equal([replica.trainerVersion, replica.digest()], [305, stand.digest()]);
    assert.equal(replica.layout.toJSON(), stand.layout.toJSON());
    assert.equal(replica.weights.copy('dense/bias'), stand.published.weights.copy('dense/bias'));
    await replica.close();
  }));

test('updates$ says what was applied: weights first, then each update with its learning rate', () =>
  withProxy({}, async (stand) => {
    stand.step();
    const replica = connect(stand.url);
    const first = await firstValueFrom(replica.updates$);
    assert.equal([first.kind, first.from, first.version, first.learningRate], ['weights', 0, 1, undefined]);
    assert.is(readFrame(first.frame).metadata.kind, 'weights');
    const coming = firstValueFrom(replica.updates$);
    stand.step();
    const second = await coming;
    assert.equal([second.kind, second.from, second.version, second.learningRate], ['update', 1, 2, Math.fround(0.01)]);
    assert.is(readFrame(second.frame).metadata.version, '2');
    await replica.close();
  }));

test('a replica that is earlier than its trainer waits for it', async () => {
  const port = await freePort();
  const replica = connect(`http://127.0.0.1:${port}`, { ...quick, readyTimeoutMs: 30 });
  assert.is(await codeOf(replica.ready), 'E_CONNECTION');
  const live = firstValueFrom(replica.updates$);
  const stand = await Stand.start({ port });
  assert.is((await live).version, 0);
  assert.is(await codeOf(replica.ready), 'E_CONNECTION', 'it was late');
  await replica.close();
  await stand.close();
});

test('control: in time, ready resolves', async () => {
  const port = await freePort();
  const replica = connect(`http://127.0.0.1:${port}`, { ...quick, readyTimeoutMs: 10_000 });
  const stand = await Stand.start({ port });
  await replica.ready;
  await replica.close();
  await stand.close();
});

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

/** A server that says what the test wants; gives the hellos it was told. */
async function scripted(
  answer: (hello: Record<string, unknown>, send: (message: object | Uint8Array) => void, close: (code: number) => void) => void,
) {
  const hellos: Record<string, unknown>[] = [];
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      if (isBinary) return;
      const hello = JSON.parse(String(data));
      hellos.push(hello);
      answer(
        hello,
        (message) => socket.send(message instanceof Uint8Array ? message : JSON.stringify(message)),
        (code) => socket.close(code, 'E_FORBIDDEN: as scripted'),
      );
    });
  });
  const { port } = server.address() as { port: number };
  const stop = async (): Promise<void> => {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, 'close');
  };
  return { url: `ws://127.0.0.1:${port}`, hellos, stop };
}

const welcome = {
  type: 'welcome',
  run: 'run-1',
  epoch: 1,
  version: 3,
  layout: {},
  encoding: 'f32',
  credit: { batches: 8, bytes: 33554432 },
  resumed: false,
  reason: null,
};

/** Updates 1 to 6 of a trainer, and its weights at 0. */
function script(): { stand: Stand; weights: Uint8Array; updates: Uint8Array[] } {
  const stand = new Stand();
  const weights = stand.weights();
  const updates: Uint8Array[] = [];
  stand.published$.subscribe(({ frame }) => updates.push(frame));
  for (let i = 0; i < 6; i++) stand.step();
  return { stand, weights, updates };
}

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

test('a closed replica keeps its weights and tells everybody who waits', () =>
  withProxy({}, async (stand) => {
    const replica = connect(stand.url);
    stand.step();
    await replica.reached(1);
    const waiting = codeOf(replica.reached(99));
    const states: string[] = [];
    replica.status$.subscribe({ next: ({ state }) => states.push(state), complete: () => states.push('complete') });
    replica.updates$.subscribe({ complete: () => states.push('no more updates') });
    await Promise.all([replica.close(), replica.close()]);
    await replica.closed;
    assert.is(await waiting, 'E_CLOSED');
    assert.equal(states, ['live', 'closed', 'complete', 'no more updates']);
    assert.equal([replica.version, replica.digest()], [1, stand.digests[1]]);
    await replica.reached(1);
    assert.is(await codeOf(replica.reached(2)), 'E_CLOSED');
    stand.step();
    assert.is(replica.version, 1);
  }));

test('a replica can be closed at any moment before it is ready', async () => {
  const port = await freePort();
  const nowhere = connect(`http://127.0.0.1:${port}`, quick);
  const atOnce = connect(`http://127.0.0.1:${port}`);
  await atOnce.close();
  await until(() => nowhere.counts.connections === 0);
  await nowhere.close();
  assert.equal([await codeOf(nowhere.ready), await codeOf(atOnce.ready)], ['E_CLOSED', 'E_CLOSED']);
  const stand = await Stand.start();
  const during = connect(stand.url);
  await new Promise((resolve) => setImmediate(resolve));
  await during.close();
  await stand.close();
});

test('a subscriber that throws does not break the replica', () =>
  withProxy({}, async (stand) => {
    const thrown: unknown[] = [];
    config.onUnhandledError = (error) => thrown.push(error);
    try {
      const replica = connect(stand.url);
      replica.updates$.subscribe(() => {
        throw new Error('a mistake of the user');
      });
      const seen = watch(replica, stand);
      for (let i = 0; i < 5; i++) stand.step();
      await replica.reached(5);
      await until(() => thrown.length > 0);
      assert.is(seen.at(-1), 5);
      assert.is(replica.counts.connections, 1);
      await replica.close();
    } finally {
      config.onUnhandledError = null;
    }
  }));

test('a push resolves with the version that it made, which the worker then holds', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', producer: 'w1' });
    const ack = await worker.push({ gradients: bias, base: worker.version, examples: 32, loss: 0.41, time: 5 });
    assert.equal(ack, { version: 1, duplicate: false });
    assert.is(worker.version, 1);
    for (let i = 2; i <= 20; i++) {
      assert.is((await worker.push({ gradients: bias })).version, i);
      assert.equal([worker.version, worker.digest()], [i, stand.digests[i]]);
    }
    assert.equal(stand.producer('w1'), { producerEpoch: 1, sequence: 20 });
    assert.is(worker.unanswered, 0);
    await worker.close();
  }));

test('what is pushed before the weights are there is copied, and sent in order', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    assert.match(worker.producer, /^worker-/);
    const gradients = {
      'dense/bias': Float32Array.of(1, 2, 3),
      'dense/kernel': { rows: Int32Array.of(1), values: Float32Array.of(1, 1, 1) },
    };
    const acks = [worker.push({ gradients }), worker.push({ gradients })];
    gradients['dense/bias'].fill(Number.NaN);
    gradients['dense/kernel'].rows.fill(99);
    assert.equal(
      (await Promise.all(acks)).map(({ version }) => version),
      [1, 2],
    );
    await worker.close();
  }));

test('the frame of a push holds what was said, and its numbers go on where the trainer knows them to be', () =>
  withProxy({ lazy: true }, async (stand) => {
    const options: WorkerOptions = { role: 'worker', producer: 'w1', producerEpoch: 7 };
    const first = connect(stand.url, options);
    await first.ready;
    const pushed = first.push({ gradients: bias, examples: 32, loss: 0.5, time: 12 });
    await until(() => stand.arrived.length === 1);
    assert.equal(readFrame(stand.arrived[0].frame).metadata, {
      gradwire: '1',
      kind: 'gradients',
      producer: 'w1',
      producerEpoch: '7',
      sequence: '1',
      base: '0',
      examples: '32',
      loss: '0.5',
      time: '12',
    });
    stand.work();
    await pushed;
    await first.close();
    const second = connect(stand.url, options);
    const again = second.push({ gradients: bias });
    await until(() => stand.arrived.length === 1);
    assert.is(readFrame(stand.arrived[0].frame).metadata.sequence, '2');
    stand.work();
    await again;
    await second.close();
  }));

test('a batch that does not fit is refused before it is sent, and takes no number', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', producer: 'w1' });
    await worker.ready;
    const refused = async (gradients: object): Promise<string> => codeOf(worker.push({ gradients }));
    assert.is(await refused({ 'dense/bias': Float32Array.of(1, Number.NaN, 3) }), 'E_NONFINITE');
    assert.is(await refused({ 'dense/bias': Float32Array.of(1) }), 'E_SHAPE');
    assert.is(await refused({ nope: Float32Array.of(1) }), 'E_UNKNOWN');
    assert.is(await refused({}), 'E_BATCH_EMPTY');
    assert.is(await refused({ 'dense/bias': [1, 2, 3] }), 'E_DTYPE');
    assert.is(await refused(null as unknown as object), 'E_BATCH');
    assert.is(stand.version(), 0);
    await worker.push({ gradients: bias });
    assert.is(stand.producer('w1')?.sequence, 1);
    await worker.close();
  }));

test('a batch that the trainer refuses rejects with its code, and the next one goes on', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    assert.is(await codeOf(worker.push({ gradients: bias, base: 9 })), 'E_FUTURE');
    assert.is(await codeOf(worker.push({ gradients: { 'dense/bias': Float32Array.of(1e20, 1, 1) } })), 'E_RANGE');
    assert.is((await worker.push({ gradients: bias })).version, 1);
    assert.is(worker.counts.connections, 1);
    await worker.close();
  }));

test('a batch that may come again later does so by itself, with the same bytes', () =>
  withProxy({ lazy: true }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    const busy: Answer = {
      type: 'nack',
      sequence: 1,
      code: 'E_BUSY',
      retryable: true,
      retryAfterMs: 5,
      version: 0,
      text: 'later',
    };
    const pushed = worker.push({ gradients: bias });
    const frames: string[] = [];
    for (let i = 0; i < 3; i++) {
      await until(() => stand.arrived.length === 1);
      const [{ frame, answer }] = stand.arrived.splice(0);
      frames.push(Buffer.from(frame).toString('hex'));
      answer(busy);
    }
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.equal(await pushed, { version: 1, duplicate: false });
    assert.is(new Set(frames).size, 1);
    await worker.close();
  }));

test('what is unanswered when the connection breaks is sent again, the same bytes in the same order', () =>
  withProxy({ lazy: true }, async (stand, proxy) => {
    const worker = connect(proxy.url, { ...quick, role: 'worker', producer: 'w1' });
    await worker.ready;
    const pushed = [1, 2, 3].map((i) => worker.push({ gradients: { 'dense/bias': Float32Array.of(i, i, i) } }));
    await until(() => stand.arrived.length === 3);
    const before = stand.arrived.map(({ frame }) => Buffer.from(frame).toString('hex'));
    proxy.cut('reset');
    await until(() => stand.arrived.length === 6);
    assert.equal(
      stand.arrived.slice(3).map(({ frame }) => Buffer.from(frame).toString('hex')),
      before,
    );
    stand.work();
    assert.equal(
      await Promise.all(pushed),
      [1, 2, 3].map((version) => ({ version, duplicate: true })),
    );
    assert.is(stand.version(), 3);
    const next = worker.push({ gradients: bias });
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.equal(await next, { version: 4, duplicate: false });
    assert.is(stand.producer('w1')?.producerEpoch, 1, 'the epoch stays across connections');
    await worker.close();
  }));

test('no more than the credit is in flight', () =>
  withProxy({ lazy: true, creditBatches: 3 }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    const pushed = Array.from({ length: 10 }, () => worker.push({ gradients: bias }));
    let most = 0;
    while (worker.unanswered > 0) {
      await until(() => stand.arrived.length > 0);
      await fetch(`${stand.url}/healthz`);
      most = Math.max(most, stand.arrived.length);
      stand.work();
      await new Promise((resolve) => setImmediate(resolve));
      await fetch(`${stand.url}/healthz`);
    }
    assert.equal(
      (await Promise.all(pushed)).map(({ version }) => version),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    assert.is(most, 3);
    assert.is(worker.counts.connections, 1);
    await worker.close();
  }));

test('the queue has a limit, and close tells those who wait that nobody knows', () =>
  withProxy({ lazy: true }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', maxQueue: 4 });
    const pushed = Array.from({ length: 5 }, () => codeOf(worker.push({ gradients: bias })));
    assert.is(await pushed[4], 'E_BUSY');
    await worker.ready;
    assert.is(await codeOf(worker.push({ gradients: bias })), 'E_BUSY');
    assert.is(worker.unanswered, 4);
    await worker.close();
    assert.equal(await Promise.all(pushed.slice(0, 4)), Array(4).fill('E_CLOSED'));
    assert.is(await codeOf(worker.push({ gradients: bias })), 'E_CLOSED');
    const narrow = connect(stand.url, { role: 'worker', maxQueueBytes: 1 });
    await narrow.ready;
    const one = codeOf(narrow.push({ gradients: bias }));
    assert.is(await codeOf(narrow.push({ gradients: bias })), 'E_BUSY');
    await narrow.close();
    assert.is(await one, 'E_CLOSED');
  }));

test('what a worker batch does not have is refused', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    assert.is(await codeOf(worker.push({ gradients: bias, producer: 3 } as never)), 'E_CONFIG');
    assert.is(await codeOf(worker.push(null as never)), 'E_CONFIG');
    assert.is(worker.unanswered, 0);
    await worker.close();
  }));

test('pushes before the first weights are limited by their bytes too, and leave their room when they are sent', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const worker = connect(`http://127.0.0.1:${port}`, { role: 'worker', maxQueueBytes: 36 });
  const rows = { rows: Int32Array.of(1), values: new Float32Array(3) };
  const pushed = [
    codeOf(worker.push({ gradients: bias })),
    codeOf(worker.push({ gradients: { 'dense/kernel': rows } as never })),
  ];
  assert.is(worker.unanswered, 2);
  // 12 bytes, then 16, are less than 36; with 12 more they are not
  pushed.push(codeOf(worker.push({ gradients: bias })));
  assert.is(await codeOf(worker.push({ gradients: bias })), 'E_BUSY');
  assert.is(worker.unanswered, 3);
  await worker.close();
  assert.equal(await Promise.all(pushed), Array(3).fill('E_CLOSED'));
  silent.close();
});

test('what was pushed early takes no room once it is answered', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', maxQueueBytes: 12 });
    await worker.push({ gradients: bias });
    await worker.push({ gradients: bias });
    assert.is(worker.version, 2);
    await worker.close();
  }));

test('a worker whose name another process took over is told, and ends', () =>
  withProxy({}, async (stand) => {
    const old = connect(stand.url, { role: 'worker', producer: 'w1' });
    await old.push({ gradients: bias });
    const next = connect(stand.url, { role: 'worker', producer: 'w1' });
    await next.push({ gradients: bias });
    assert.is(await codeOf(old.push({ gradients: bias })), 'E_PRODUCER_FENCED');
    assert.is(await codeOf(old.closed), 'E_PRODUCER_FENCED');
    assert.equal(await next.push({ gradients: bias }), { version: 3, duplicate: false });
    await next.close();
  }));

test('addresses come in every form that people write', () => {
  for (const [address, model, expected] of [
    ['http://127.0.0.1:8080', undefined, 'ws://127.0.0.1:8080/'],
    ['http://127.0.0.1:8080/', undefined, 'ws://127.0.0.1:8080/'],
    ['ws://localhost:1', undefined, 'ws://localhost:1/'],
    ['wss://example.com', 'm', 'wss://example.com/models/m'],
    ['https://example.com/models/m', undefined, 'wss://example.com/models/m'],
    ['http://h/models/m/', 'm', 'ws://h/models/m'],
    ['http://h/models/my%20m', 'my m', 'ws://h/models/my%20m'],
    ['http://[::1]:5', 'a/b', 'ws://[::1]:5/models/a%2Fb'],
  ] as const) {
    assert.is(socketAddress(address, model), expected);
  }
  for (const [address, model] of [
    ['127.0.0.1:8080'],
    ['ftp://h'],
    ['http://user:secret@h'],
    ['http://h/other'],
    ['http://h/models/a/b'],
    ['http://h/models/a', 'b'],
    ['http://h/models/%ZZ', 'b'],
    [''],
  ] as [string, string?][]) {
    assert.throws(
      () => socketAddress(address, model),
      (error: GradwireError) => error.code === 'E_CONFIG' && !error.message.includes('secret'),
      address,
    );
  }
});

test('options that are wrong are refused with a hint', () => {
  for (const [options, says] of [
    [{ rloe: 'worker' }, 'did you mean "role"'],
    [{ role: 'admin' }, 'role must be'],
    [{ mode: 'some' }, 'mode must be'],
    [{ producer: 'w1' }, "add role: 'worker'"],
    [{ role: 'worker', producer: '' }, 'producer must be'],
    [{ role: 'worker', producerEpoch: -1 }, 'producerEpoch must be'],
    [{ role: 'worker', maxQueue: 5000 }, 'maxQueue must be'],
    [{ silenceMs: 0 }, 'silenceMs must be'],
    [{ readyTimeoutMs: Number.NaN }, 'readyTimeoutMs must be'],
  ] as [ReplicaOptions, string][]) {
    assert.throws(
      () => connect('http://127.0.0.1:1', options),
      (error: GradwireError) => error.code === 'E_CONFIG' && error.message.includes(says),
      says,
    );
  }
});

test('waiting times are random, double with each failure up to their limit, and begin anew', () => {
  const backoff = new Backoff({ minMs: 200, maxMs: 30_000, random: () => 0.5 });
  assert.equal(
    Array.from({ length: 10 }, () => backoff.next()),
    [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000],
  );
  backoff.reset();
  assert.is(backoff.next(), 100);
});

test('what ends a connection becomes an error with a code', () => {
  assert.is(errorOfClose(4506, '').code, 'E_NOT_FOUND');
  assert.is(errorOfClose(4502, 'E_PRODUCER_FENCED: taken').message, 'E_PRODUCER_FENCED: taken (close code 4502)');
  assert.is(errorOfClose(4599, 'E_MADE_UP: x').code, 'E_PROTOCOL');
  assert.is(errorOfRefusal('Unexpected server response: 404', 'ws://h')?.code, 'E_NOT_FOUND');
  assert.is(errorOfRefusal('Unexpected server response: 403', 'ws://h')?.code, 'E_FORBIDDEN');
  for (const status of [200, 408, 429, 500, 503])
    assert.is(errorOfRefusal(`Unexpected server response: ${status}`, 'ws://h'), undefined);
  assert.is(errorOfRefusal('connect ECONNREFUSED', 'ws://h'), undefined);
});

test.run();
