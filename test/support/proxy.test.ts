// The chaos proxy itself: every kind of weather is measured by what arrives, how often and in which order, with the test as its clock.
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from './proxy/lane.ts';
import { ChaosProxy, type ProxyOptions } from './proxy.ts';
import { chance } from './random.ts';

/** A clock that goes on when it is told to, and remembers what it was asked for. */
class TestClock implements Clock {
  readonly asked: number[] = [];
  #nowMs = 0;
  #waiting: { readonly atMs: number; readonly resolve: () => void }[] = [];
  #whenAsked: (() => void) | undefined;

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number): Promise<void> {
    this.asked.push(ms);
    this.#whenAsked?.();
    return new Promise((resolve) => this.#waiting.push({ atMs: this.#nowMs + ms, resolve }));
  }

  /** Resolves when somebody waits. */
  async wanted(): Promise<void> {
    if (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#whenAsked = resolve));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#waiting.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#waiting = this.#waiting.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { resolve } of due) resolve();
  }
}

interface Ends {
  readonly proxy: ChaosProxy;
  readonly server: Server;
  /** Dials through the proxy; gives both ends of the connection. */
  pair(): Promise<{ near: Socket; far: Socket }>;
  dial(): Socket;
}

async function withProxy(options: ProxyOptions, body: (ends: Ends) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await ChaosProxy.start((server.address() as AddressInfo).port, options);
  const open = (): Socket => dial(proxy.port, '127.0.0.1').on('error', () => undefined);
  try {
    await body({
      proxy,
      server,
      dial: open,
      pair: async () => {
        const accepted = once(server, 'connection');
        const near = open();
        const [far] = (await accepted) as [Socket];
        return { near, far };
      },
    });
  } finally {
    await proxy.close();
    server.close();
  }
}

/** Collects what arrives at a socket. */
class Inbox {
  readonly chunks: number[] = [];
  bytes: Buffer = Buffer.alloc(0);
  readonly closed: Promise<string>;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    let error = 'FIN';
    socket.on('error', ({ code }: NodeJS.ErrnoException) => (error = code ?? 'none'));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(error)));
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk.byteLength);
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
  }

  /** Resolves when so many bytes are there. */
  async has(byteLength: number): Promise<void> {
    while (this.bytes.byteLength < byteLength) await once(this.#socket, 'data');
  }
}

const thousand = Buffer.from(Uint8Array.from({ length: 1000 }, (_, i) => i * 7));

/** Lets every event that is due happen: a round trip on another connection of this machine. */
async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('in fair weather bytes go both ways, whole and in order', () =>
  withProxy({}, async ({ proxy, pair }) => {
    const { near, far } = await pair();
    const [down, up] = [new Inbox(near), new Inbox(far)];
    near.write(thousand);
    far.write(thousand);
    await Promise.all([down.has(1000), up.has(1000)]);
    assert.ok(down.bytes.equals(thousand) && up.bytes.equals(thousand));
    assert.equal([proxy.accepted, proxy.open, proxy.passed.down.bytes, proxy.passed.up.bytes], [1, 1, 1000, 1000]);
  }));

test('with latency nothing arrives before its time, and what was sent together travels together', () => {
  const clock = new TestClock();
  return withProxy({ clock }, async ({ proxy, pair }) => {
    const { near, far } = await pair();
    const inbox = new Inbox(near);
    proxy.weather = { down: { latencyMs: 400 } };
    far.write(thousand);
    await clock.wanted();
    clock.advance(399);
    await turns();
    assert.equal([inbox.bytes.byteLength, clock.asked], [0, [400]]);
    clock.advance(1);
    await inbox.has(1000);
    assert.ok(inbox.bytes.equals(thousand));
  });
});

test('with jitter each piece has a delay of its own and the order stays; the same seed gives the same delays', async () => {
  const delays: number[][] = [];
  for (const seed of [5, 5, 6]) {
    const clock = new TestClock();
    await withProxy({ clock, random: chance(seed) }, async ({ proxy, pair }) => {
      const { near, far } = await pair();
      const inbox = new Inbox(near);
      proxy.weather = { down: { latencyMs: 10, jitterMs: 100 } };
      for (let i = 0; i < 5; i++) {
        far.write(thousand.subarray(i * 200, (i + 1) * 200));
        await clock.wanted();
        clock.advance(110);
        await inbox.has((i + 1) * 200);
      }
      assert.ok(inbox.bytes.equals(thousand));
      assert.ok(clock.asked.every((ms) => ms >= 10 && ms < 110));
      delays.push(clock.asked);
    });
  }
  assert.equal(delays[0], delays[1]);
  assert.not.equal(delays[0], delays[2], 'control: another seed');
});

test('a narrow wire takes its time for every byte', () => {
  const clock = new TestClock();
  return withProxy({ clock }, async ({ proxy, pair }) => {
    const { near, far } = await pair();
    const inbox = new Inbox(near);
    proxy.weather = { down: { bytesPerSecond: 2000 } };
    far.write(thousand);
    await clock.wanted();
    assert.equal(clock.asked, [500]);
    clock.advance(500);
    await inbox.has(1000);
    clock.advance(10_000);
    far.write(thousand);
    await clock.wanted();
    assert.equal(clock.asked, [500, 500], 'an idle wire saves nothing up');
    clock.advance(500);
    await inbox.has(2000);
  });
});

test('bytes are written in small pieces, all of them and in order; the same seed cuts them alike', async () => {
  const pieces: number[] = [];
  for (const seed of [5, 5, 6]) {
    await withProxy({ random: chance(seed) }, async ({ proxy, pair }) => {
      const { near, far } = await pair();
      const inbox = new Inbox(near);
      proxy.weather = { down: { pieceBytes: 16 } };
      far.write(thousand);
      await inbox.has(1000);
      assert.ok(inbox.bytes.equals(thousand));
      assert.ok(proxy.passed.down.pieces > 1000 / 16);
      pieces.push(proxy.passed.down.pieces);
    });
  }
  assert.is(pieces[0], pieces[1]);
  assert.is.not(pieces[0], pieces[2], 'control: another seed');
});

for (const how of ['end', 'reset'] as const) {
  test(`a cut after N bytes (${how}) lets exactly those through, down or up, and both ends see it`, () =>
    withProxy({}, async ({ proxy, pair }) => {
      for (const direction of ['down', 'up'] as const) {
        const { near, far } = await pair();
        const [from, to] = direction === 'down' ? [far, near] : [near, far];
        const [sender, receiver] = [new Inbox(from), new Inbox(to)];
        const before = proxy.passed[direction].bytes;
        proxy.cutAfter(321, how, direction);
        from.write(thousand);
        const ends = await Promise.all([sender.closed, receiver.closed]);
        assert.is(proxy.passed[direction].bytes - before, 321);
        if (how === 'end') assert.ok(receiver.bytes.equals(thousand.subarray(0, 321)));
        // libuv tells a reader that got bytes just before of the end alone, so the sender is the one who knows
        assert.is(ends[0], how === 'end' ? 'FIN' : 'ECONNRESET');
      }
      assert.equal(proxy.cuts, { end: how === 'end' ? 2 : 0, reset: how === 'reset' ? 2 : 0 });
      assert.is(proxy.open, 0);
    }));
}

test('a budget counts over several connections, and the one after the cut is whole again', () =>
  withProxy({}, async ({ proxy, pair }) => {
    proxy.cutAfter(1500, 'end');
    const first = await pair();
    first.far.write(thousand);
    const inbox = new Inbox(first.near);
    await inbox.has(1000);
    const second = await pair();
    const cut = new Inbox(second.near);
    second.far.write(thousand);
    await cut.closed;
    assert.is(cut.bytes.byteLength, 500);
    const third = await pair();
    const whole = new Inbox(third.near);
    third.far.write(thousand);
    await whole.has(1000);
    assert.is(proxy.open, 2, 'only the connection that spent the last byte was cut');
  }));

test('a direction that stalls keeps its bytes while the other one goes on, and lets them go later', () =>
  withProxy({}, async ({ proxy, pair }) => {
    for (const stalled of ['down', 'up'] as const) {
      const { near, far } = await pair();
      const inboxes = { down: new Inbox(near), up: new Inbox(far) };
      proxy.stall(stalled, true);
      near.write(thousand);
      far.write(thousand);
      await inboxes[stalled === 'down' ? 'up' : 'down'].has(1000);
      await turns();
      assert.is(inboxes[stalled].bytes.byteLength, 0);
      proxy.stall(stalled, false);
      await inboxes[stalled].has(1000);
    }
  }));

test('while it is silent nothing moves and nothing ends, for connections old and new', () =>
  withProxy({}, async ({ proxy, pair }) => {
    const old = await pair();
    proxy.silent = true;
    const fresh = await pair();
    const inboxes = [old.near, old.far, fresh.near, fresh.far].map((socket) => new Inbox(socket));
    for (const { near, far } of [old, fresh]) {
      near.write(thousand);
      far.write(thousand);
    }
    await turns();
    assert.equal(
      inboxes.map(({ bytes }) => bytes.byteLength),
      [0, 0, 0, 0],
    );
    proxy.silent = false;
    await Promise.all(inboxes.map((inbox) => inbox.has(1000)));
    assert.is(proxy.open, 2);
  }));

test('a black hole takes connections and bytes, and the server never hears of them', () =>
  withProxy({}, async ({ proxy, server, dial: open, pair }) => {
    proxy.swallowing = true;
    let heard = 0;
    server.on('connection', () => (heard += 1));
    const near = open();
    await once(near, 'connect');
    await new Promise((resolve) => near.write(thousand, resolve));
    await turns();
    assert.equal([heard, proxy.open], [0, 1]);
    proxy.calm();
    await pair();
    assert.equal([heard, proxy.open], [1, 2], 'the next one gets through, the swallowed one stays lost');
    near.destroy();
  }));

test('connections that are refused are reset, and later ones get through to another port', () =>
  withProxy({}, async ({ proxy, dial: open }) => {
    proxy.refusing = true;
    assert.is(await new Inbox(open()).closed, 'ECONNRESET');
    proxy.calm();
    const other = createServer((socket) => socket.end('other'));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    proxy.target = (other.address() as AddressInfo).port;
    const inbox = new Inbox(open());
    await inbox.closed;
    assert.is(inbox.bytes.toString(), 'other');
    other.close();
  }));

test('everything at once: late, narrow, in pieces, and every byte arrives in order', () =>
  withProxy({ random: chance(1) }, async ({ proxy, pair }) => {
    const weather = { latencyMs: 3, jitterMs: 2, bytesPerSecond: 200_000, pieceBytes: 50 };
    proxy.weather = { down: weather, up: weather };
    const { near, far } = await pair();
    const [down, up] = [new Inbox(near), new Inbox(far)];
    const much = Buffer.concat(Array.from({ length: 20 }, () => thousand));
    near.write(much);
    far.write(much);
    await Promise.all([down.has(20_000), up.has(20_000)]);
    assert.ok(down.bytes.equals(much) && up.bytes.equals(much));
  }));

test.run();
