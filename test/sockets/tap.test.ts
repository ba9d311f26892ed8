// tap: a trainer's gradients as an Observable, across cuts, gaps and restarts; what it gives folds to the trainer's bits.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { BehaviorSubject, firstValueFrom, lastValueFrom, type Observable, take, takeWhile, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { digestOf } from '../../src/digest.ts';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { stampGradients } from '../../src/frames/record.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Tapped } from '../../streams/operators/index.ts';
import { connect, type TapOptions, tap } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { chance, seed } from '../support/random.ts';
import { Stand, type StandOptions } from './stand.ts';

const quick = { backoffMinMs: 1, backoffMaxMs: 4 } as const;

interface Scene {
  readonly stand: Stand;
  readonly proxy: ChaosProxy;
}

async function scene(options: StandOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 100, ...options });
  const proxy = await ChaosProxy.start(stand.server.port);
  try {
    await body({ stand, proxy });
  } finally {
    await stand.close();
    await proxy.close();
  }
}

/** Everything up to a version. */
function upTo(tapped$: Observable<Tapped>, version: number): Promise<Tapped[]> {
  return lastValueFrom(
    tapped$.pipe(
      takeWhile((each) => each.kind === 'start' || each.version < version, true),
      toArray(),
    ),
  );
}

/** Folds what a tap gave; throws where a version is missing. */
function fold(tapped: readonly Tapped[], stand: Stand): RMSprop {
  const optimizer = new RMSprop(stand.layout, { lr: 0.01 });
  for (const each of tapped) {
    if (each.kind === 'start') optimizer.restore(each.snapshot.state);
    else {
      assert.is(each.version, optimizer.version + 1);
      optimizer.step(each);
    }
    assert.is(optimizer.digest(), stand.digests[optimizer.version]);
  }
  return optimizer;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function connected(stand: Stand, count: number): Promise<void> {
  while (stand.server.replicas.length !== count) await turns(1);
}

async function refusal(code: ErrorCode, doing: Promise<unknown>, text: RegExp): Promise<void> {
  const error = await doing.then(
    () => assert.unreachable(`expected ${code}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GradwireError)) throw error;
  assert.is(error.code, code, error.message);
  assert.match(error.text, text);
}

test('a tap gives the trainer’s state first, and then every batch; folding them gives its bits', () =>
  scene({}, async ({ stand }) => {
    for (let i = 0; i < 7; i++) stand.step();
    const reading = upTo(tap(stand.url), 30);
    await connected(stand, 1);
    while (stand.version() < 30) stand.step();
    const [start, first, ...rest] = await reading;
    assert.equal([start.kind, start.kind === 'start' && start.snapshot.version], ['start', 7]);
    assert.ok(first.kind === 'batch');
    assert.equal([first.version, first.epoch, first.run, first.header.producer], [8, 1, stand.run, 'stand']);
    assert.is(fold([start, first, ...rest], stand).version, 30);
    await connected(stand, 0);
  }));

test('it is cold: each subscription has its own connection, and none before it', () =>
  scene({}, async ({ stand, proxy }) => {
    const tapped$ = tap(proxy.url);
    await turns(20);
    assert.is(proxy.accepted, 0);
    const both = [firstValueFrom(tapped$), firstValueFrom(tapped$)];
    await Promise.all(both);
    assert.is(proxy.accepted, 2);
    await connected(stand, 0);
  }));

test(`through random cuts, also in mid-frame, no batch is missing or comes twice (seed ${seed})`, () =>
  scene({}, async ({ stand, proxy }) => {
    const random = chance(seed);
    let lost = 0;
    const reading = upTo(tap(proxy.url, { ...quick, random, onLost: () => (lost += 1) }), 600);
    await connected(stand, 1);
    while (stand.version() < 600) {
      stand.step();
      const how = random() < 0.5 ? 'end' : 'reset';
      const fate = random();
      if (fate < 0.03) proxy.cut(how);
      else if (fate < 0.06) proxy.cutAfter(Math.floor(random() * 3000), how);
      await turns(1);
    }
    const tapped = await reading;
    assert.is(fold(tapped, stand).version, 600);
    assert.is(tapped.filter(({ kind }) => kind === 'start').length, 1);
    assert.ok(lost > 5, `${lost} cuts, seed ${seed}`);
  }));

/** Cuts a tap off that has had five versions, until the trainer has dropped what it would need. */
async function loseSome({ stand, proxy }: Scene, seen: readonly Tapped[]): Promise<void> {
  while (seen.length < 1) await turns(1);
  while (stand.version() < 5) stand.step();
  while (seen.length < 6) await turns(1);
  proxy.refusing = true;
  proxy.cut('reset');
  await connected(stand, 0);
  // either the backlog is full, or nothing goes into it any more
  for (let made = -1; made !== stand.recordsMade && stand.version() < 5 + 35; await turns(1)) {
    made = stand.recordsMade;
    stand.step();
  }
  proxy.refusing = false;
}

for (const [what, options] of [
  ['for its limit of frames', { backlogFrames: 8 }],
  ['since nobody was recording', { recordsMs: 1, heartbeatMs: 4, backlogFrames: 34 }],
] as const)
  test(`what has left the backlog ${what} is a gap: E_RECORDING_GAP says between which versions`, () =>
    scene(options, async (both) => {
      const seen: Tapped[] = [];
      const ended = new Promise((_, error) => tap(both.proxy.url, quick).subscribe({ next: (each) => seen.push(each), error }));
      const refused = refusal('E_RECORDING_GAP', ended, /version 5 was the last to arrive, .* go on after version \d+/);
      await loseSome(both, seen);
      await refused;
      await connected(both.stand, 0);
    }));

test('with restart a gap is another start, and the tap goes on', () =>
  scene({ backlogFrames: 8 }, async (both) => {
    const seen: Tapped[] = [];
    const watching = tap(both.proxy.url, { ...quick, restart: true }).subscribe((each) => seen.push(each));
    await loseSome(both, seen);
    await connected(both.stand, 1);
    while (both.stand.version() < 50) both.stand.step();
    while (seen.length < 2 + 5 + 10) await turns(1);
    const starts = seen.flatMap((each) => (each.kind === 'start' ? [each.snapshot.version] : []));
    assert.equal(starts, [0, 40]);
    watching.unsubscribe();
    await connected(both.stand, 0);
  }));

test('a trainer that was started again in between goes on in its new epoch, without a start', () =>
  scene({}, async ({ stand }) => {
    const { port } = stand.server;
    const seen: Tapped[] = [];
    const reading = upTo(tap(stand.url, quick).pipe(take(100)), 10);
    const watching = tap(stand.url, quick).subscribe((each) => seen.push(each));
    while (seen.length < 1) await turns(1);
    while (stand.version() < 4) stand.step();
    while (seen.length < 5) await turns(1);
    await stand.close();
    const next = await Stand.start(
      {
        closeMs: 100,
        port,
        epoch: 2,
        epochs: [
          [1, 1],
          [2, 5],
        ],
      },
      stand,
    );
    await connected(next, 2);
    while (next.version() < 10) next.step();
    const tapped = await reading;
    assert.equal(
      tapped.map((each) => (each.kind === 'start' ? 'start' : `${each.epoch}:${each.version}`)),
      ['start', '1:1', '1:2', '1:3', '1:4', '2:5', '2:6', '2:7', '2:8', '2:9', '2:10'],
    );
    watching.unsubscribe();
    await connected(next, 0);
    await next.close();
  }));

test('control: an older trainer of the same run is left, and the newer one waited for', () =>
  scene({ epoch: 3 }, async ({ stand }) => {
    const { port } = stand.server;
    const lost: string[] = [];
    const seen: Tapped[] = [];
    const watching = tap(stand.url, { ...quick, onLost: (reason) => lost.push(reason) }).subscribe((each) => seen.push(each));
    while (seen.length < 1) await turns(1);
    await stand.close();
    const old = await Stand.start({ closeMs: 100, port, epoch: 2 });
    while (!lost.some((reason) => /replaced by a newer one/.test(reason))) await turns(1);
    assert.is(seen.length, 1);
    watching.unsubscribe();
    await connected(old, 0);
    await old.close();
  }));

test('a recorder that does not read gets the gap, and nobody else waits for it', () => {
  const wide = layout({ w: [256, 256] });
  const gradient = new Float32Array(256 * 256).fill(0.5);
  return scene({ layout: wide, backlogBytes: 4 << 20, highWaterBytes: 512 << 10 }, async ({ stand }) => {
    const hold$ = new BehaviorSubject(false);
    const slow = lastValueFrom(tap(stand.url, { hold$ }));
    const refused = refusal('E_RECORDING_GAP', slow, /was the last to arrive/);
    const replica = connect(stand.url);
    await replica.ready;
    const other: number[] = [];
    const watching = tap(stand.url).subscribe((each) => each.kind === 'batch' && other.push(each.version));
    await connected(stand, 3);
    hold$.next(true);
    while (stand.version() < 200) {
      stand.step({ w: gradient });
      await turns(1);
      await replica.reached(stand.version());
    }
    while (other.length < 200) await turns(1);
    assert.ok(stand.server.replicas.some(({ role, lag }) => role === 'recorder' && lag > 100));
    hold$.next(false);
    await refused;
    assert.equal(
      other,
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    watching.unsubscribe();
    await replica.close();
  });
});

/** A server that says the same to everybody: a welcome, and these frames. */
async function actor(
  frames: readonly Uint8Array[],
  stand: Stand,
  closing?: number,
): Promise<{ url: string; server: WebSocketServer }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => {
    socket.once('message', () => {
      const { run, epoch } = stand;
      const place = { run, epoch, version: stand.version(), resumed: false, reason: null };
      const credit = { batches: 1, bytes: 1 };
      socket.send(JSON.stringify({ type: 'welcome', ...place, layout: stand.layout.toJSON(), encoding: 'f32', credit }));
      for (const frame of frames) socket.send(frame);
      if (closing !== undefined) socket.close(closing);
    });
  });
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** The record of the batch that becomes a version. */
function recordOf(stand: Stand, version: number, { run = stand.run, epoch = stand.epoch } = {}): Uint8Array {
  const identity = { producer: 'p', producerEpoch: 0, sequence: version, base: 0 };
  const frame = encodeGradients(stand.layout, identity, { gradients: stand.made() });
  return stampGradients(frame, { run, epoch, version, durableUpTo: version - 1, payload: digestOf(frame) });
}

const damaged = (frame: Uint8Array): Uint8Array => frame.map((byte, i) => (i === frame.byteLength - 2 ? byte ^ 1 : byte));

for (const [what, make, code, text] of [
  ['that leaves a version out', (stand: Stand) => recordOf(stand, 3), 'E_FRAME', /version 3, .* does not follow on 1/],
  ['that comes twice', (stand: Stand) => recordOf(stand, 1), 'E_FRAME', /version 1, .* does not follow on 1/],
  ['of another run', (stand: Stand) => recordOf(stand, 2, { run: 'x' }), 'E_FRAME', /of the run x does not follow/],
  ['of another epoch', (stand: Stand) => recordOf(stand, 2, { epoch: 2 }), 'E_FRAME', /epoch 2 .* does not follow/],
  ['that is damaged', (stand: Stand) => damaged(recordOf(stand, 2)), 'E_CHECK', /the record says/],
  [
    'that is a snapshot with a damaged byte',
    (stand: Stand) => damaged(stand.snapshotFrame()),
    'E_CHECK',
    /not those that were written/,
  ],
] as const)
  test(`a frame ${what} is never handed on: it is asked for again, and the third time it is the error`, () =>
    scene({}, async ({ stand }) => {
      const { url, server } = await actor([stand.snapshotFrame(), recordOf(stand, 1), make(stand)], stand);
      let connections = 0;
      server.on('connection', () => (connections += 1));
      const seen: string[] = [];
      const tapped$ = tap(url, { ...quick, restart: true });
      const ended = new Promise((_, error) =>
        tapped$.subscribe({ next: (each) => seen.push(each.kind === 'start' ? 'start' : String(each.version)), error }),
      );
      await refusal(code, ended, text);
      assert.ok(seen.every((each) => each === 'start' || each === '1'));
      assert.ok(connections >= 3);
      server.close();
    }));

test('a message that is larger than a WebSocket takes is an error, and not tried for ever', () =>
  scene({}, async ({ stand }) => {
    const { url, server } = await actor([], stand, 1009);
    await refusal('E_TOO_LARGE', lastValueFrom(tap(url, quick)), /larger than/);
    server.close();
  }));

for (const [options, text] of [
  [{ restart: 1 }, /restart must be true or false/],
  [{ role: 'worker' }, /unknown tap option "role"/],
  [{ silenceMs: 0 }, /silenceMs must be/],
] as const)
  test(`the options ${JSON.stringify(options)} are refused before anything is subscribed`, () => {
    try {
      tap('http://127.0.0.1:9', options as TapOptions);
    } catch (error) {
      assert.ok(error instanceof GradwireError && error.code === 'E_CONFIG');
      assert.match((error as GradwireError).text, text);
      return;
    }
    assert.unreachable();
  });

test('a trainer that is not there in time is E_CONNECTION, another model E_NOT_FOUND', () =>
  scene({}, async ({ stand }) => {
    await refusal('E_CONNECTION', lastValueFrom(tap('http://127.0.0.1:9', { readyTimeoutMs: 50, ...quick })), /no start from/);
    await refusal('E_NOT_FOUND', lastValueFrom(tap(stand.url, { model: 'other' })), /no model is at/);
  }));

test.run();
