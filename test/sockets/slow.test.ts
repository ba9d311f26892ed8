// Peers that read slowly or not at all: what they cost is bounded, and they cost the others nothing.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { layout } from '../../src/layout.ts';
import { connect } from '../../streams/sockets/index.ts';
import { dial, join, type RawClient, readFrame } from './raw.ts';
import { Stand, type StandOptions } from './stand.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// an update of it has 256 KiB, far more in total than what sockets and kernel hold
const wide = layout({ w: [256, 256] });
const frameBytes = 256 << 10;
const gradient = new Float32Array(frameBytes / 4).fill(0.5);
const limits = { layout: wide, backlogBytes: 4 << 20, highWaterBytes: 512 << 10, closeMs: 100 } as const;

async function withStand(options: StandOptions, body: (stand: Stand) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ ...limits, ...options });
  try {
    await body(stand);
  } finally {
    await stand.close();
  }
}

/** Goes on to that version, and gives the sockets a turn after each. */
async function stepTo(stand: Stand, version: number): Promise<void> {
  while (stand.version() < version) {
    stand.step({ w: gradient });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Bytes of array buffers that are still in use. */
async function held(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage().arrayBuffers;
}

/** Reads until that version has come; gives kind and version of every frame, and checks that they fit together. */
async function readTo(client: RawClient, version: number): Promise<string[]> {
  const seen: string[] = [];
  let at = -1;
  while (at < version) {
    const message = await client.next();
    if (message.kind === 'close') throw new Error(`closed with ${message.code} at ${at}`);
    if (message.kind !== 'binary') continue;
    const { metadata } = readFrame(message.bytes);
    if (metadata.kind === 'update') assert.is(Number(metadata.from), at);
    at = Number(metadata.version);
    seen.push(`${metadata.kind} ${at}`);
  }
  return seen;
}

test('ten readers that stand still hold no memory beyond the stated limits', () =>
  withStand({}, async (stand) => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => join(stand.server.port, { role: 'replica' })));
    for (const { client } of clients) {
      await client.nextBinary();
      client.socket.pause();
    }
    await stepTo(stand, 40);
    const before = await held();
    await stepTo(stand, 300);
    const grown = (await held()) - before;
    const backlogGrowth = limits.backlogBytes;
    assert.ok(grown < backlogGrowth, `${grown} bytes more after 260 versions of ${frameBytes} bytes`);
    for (const { bufferedAmount, lag } of stand.server.replicas) {
      assert.ok(bufferedAmount < limits.highWaterBytes + frameBytes + 1000, `${bufferedAmount} bytes wait for one reader`);
      assert.ok(lag > 200);
    }
    for (const { client } of clients) client.end();
  }));

test('who falls off the backlog gets one fresh weights frame, and goes on from there', () =>
  withStand({}, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'replica' });
    await stepTo(stand, 1);
    client.socket.pause();
    await stepTo(stand, 200);
    const reading = readTo(client, 205);
    client.socket.resume();
    while ((stand.server.replicas[0]?.lag ?? 1) > 0) await new Promise((resolve) => setImmediate(resolve));
    await stepTo(stand, 205);
    const seen = await reading;
    assert.equal(
      seen.filter((each) => each.startsWith('weights')),
      ['weights 0', 'weights 200'],
    );
    assert.is(seen.at(-1), 'update 205');
    assert.ok(seen.length < 150, `${seen.length} frames`);
    assert.is(stand.weightsMade, 2);
    client.end();
  }));

test('a replica of ours that reads late has the trainer’s bits all the same', () =>
  withStand({}, async (stand) => {
    const replica = connect(stand.url);
    await replica.ready;
    const wrong: number[] = [];
    replica.updates$.subscribe(({ version }) => replica.digest() === stand.digests[version] || wrong.push(version));
    // nothing is read while this turn lasts
    for (let i = 0; i < 100; i++) stand.step({ w: gradient });
    await replica.reached(100);
    assert.equal([replica.digest(), wrong, replica.counts.connections], [stand.digest(), [], 1]);
    await replica.close();
  }));

test('in mode latest a reader that lags is skipped to the newest state instead of catching up', () =>
  withStand({ backlogBytes: 200 * (frameBytes + 2000) }, async (stand) => {
    const { client: latest } = await join(stand.server.port, { role: 'replica', mode: 'latest' });
    const { client: every } = await join(stand.server.port, { role: 'replica', mode: 'every' });
    await stepTo(stand, 1);
    for (const client of [latest, every]) client.socket.pause();
    await stepTo(stand, 100);
    const reading = [latest, every].map((client) => readTo(client, 100));
    for (const client of [latest, every]) client.socket.resume();
    const [skipped, all] = await Promise.all(reading);
    assert.equal(all, ['weights 0', ...Array.from({ length: 100 }, (_, i) => `update ${i + 1}`)], 'control: mode every');
    assert.is(skipped.at(-1), 'weights 100');
    assert.ok(skipped.length < 90, `${skipped.length} frames`);
    for (const client of [latest, every]) client.end();
  }));

test('a reader that moves no byte is cut off, and the others have had everything meanwhile', () =>
  withStand({ stallMs: 150 }, async (stand) => {
    const { client: stalled } = await join(stand.server.port, { role: 'replica' });
    stalled.socket.pause();
    const replica = connect(stand.url);
    const seen: number[] = [];
    replica.updates$.subscribe(({ version }) => seen.push(version));
    await replica.ready;
    await stepTo(stand, 60);
    await replica.reached(60);
    assert.equal(
      seen,
      Array.from({ length: 61 }, (_, i) => i),
    );
    while (stand.server.replicas.length > 1) await new Promise((resolve) => setImmediate(resolve));
    stand.step({ w: gradient });
    await replica.reached(61);
    stalled.end();
    await replica.close();
  }));

test('control: a reader that is slow but moves is not cut off', () =>
  withStand({ stallMs: 1500 }, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'replica' });
    client.socket.pause();
    await stepTo(stand, 30);
    const start = performance.now();
    const reading = readTo(client, 30);
    const trickle = setInterval(() => client.socket.resume(), 20);
    client.socket.on('data', () => client.socket.pause());
    const [seen] = await Promise.all([reading]);
    clearInterval(trickle);
    assert.ok(performance.now() - start > 1500, 'it took longer than a stall may last');
    assert.is(seen.at(-1), 'update 30');
    assert.is(stand.server.replicas.length, 1);
    client.end();
  }));

test('a worker that sends and never reads is not read for ever', () =>
  withStand({ stallMs: 200 }, async (stand) => {
    const { client } = await dial(stand.server.port);
    client.text({ type: 'hello', role: 'worker', producer: 'w1' });
    await client.next();
    client.socket.pause();
    const bad = Buffer.alloc(100, 0x41);
    let more = true;
    client.socket.on('close', () => (more = false));
    client.socket.on('error', () => (more = false));
    while (more && !client.socket.destroyed) {
      for (let i = 0; i < 200; i++) client.binary(bad);
      for (const { bufferedAmount } of stand.server.replicas)
        assert.ok(bufferedAmount < 2 << 20, `${bufferedAmount} bytes of answers wait`);
      if (client.socket.writableLength > 4 << 20) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (stand.server.replicas.length > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.is(digestOf(new Uint8Array(stand.published.weights.flat.buffer)), stand.digests[0]);
    client.end();
  }));

test('who floods with pings and reads nothing is cut off', () =>
  withStand({ stallMs: 200 }, async (stand) => {
    const { client } = await join(stand.server.port, { role: 'replica' });
    client.socket.pause();
    const ping = Buffer.alloc(125);
    while (stand.server.replicas.length > 0) {
      if (client.socket.writableLength < 1 << 20) for (let i = 0; i < 500; i++) client.send(9, ping);
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.end();
  }));

test.run();
