// The shared backlog and the cursors in it, without a socket.
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as ws from 'ws';
import { digestOf } from '../../src/digest.ts';
import { Backlog } from '../../streams/sockets/server/backlog.ts';
import { Feed } from '../../streams/sockets/server/feed.ts';
import { Liveness } from '../../streams/sockets/server/liveness.ts';
import { messages } from '../../streams/sockets/server/messages.ts';
import { Replies } from '../../streams/sockets/server/replies.ts';

const limits = { frames: 4, bytes: 1000 };

/** Pushes versions up to `to`, each frame of that many bytes. */
function fill(backlog: Backlog, to: number, byteLength = 10): void {
  while (backlog.version < to) {
    const from = backlog.version;
    backlog.push({ from, version: from + 1, frame: new Uint8Array(byteLength) });
  }
}

test('a backlog keeps the newest frames, and no more than its limits', () => {
  const backlog = new Backlog(10, limits);
  assert.equal([backlog.find(10), backlog.find(9), backlog.find(11)], [0, undefined, undefined]);
  fill(backlog, 13);
  assert.equal(
    [9, 10, 11, 12, 13, 14].map((version) => backlog.find(version)),
    [undefined, 0, 1, 2, 3, undefined],
  );
  fill(backlog, 20);
  assert.is(backlog.end - backlog.first, 4);
  assert.is(backlog.find(15), undefined);
  assert.is(backlog.at(backlog.find(16) ?? -1)?.version, 17);
  assert.is(backlog.byteLength, 40);
});

test('a backlog obeys its limit in bytes, and keeps the newest frame whatever its size', () => {
  const backlog = new Backlog(0, { frames: 100, bytes: 1000 });
  fill(backlog, 10, 300);
  assert.is(backlog.byteLength, 900);
  backlog.push({ from: 10, version: 11, frame: new Uint8Array(5000) });
  assert.equal([backlog.byteLength, backlog.end - backlog.first], [5000, 1]);
  fill(backlog, 12, 1);
  assert.is(backlog.byteLength, 1);
});

test('small frames that follow on each other are one run, whose bytes all connections share', () => {
  const backlog = new Backlog(0, { frames: 100, bytes: 1 << 20 });
  fill(backlog, 5);
  const run = backlog.runFrom(1, 1000);
  assert.equal([run?.end, run?.version, run?.bytes.byteLength], [5, 5, 4 * 12]);
  assert.is(backlog.runFrom(1, 1000), run);
  assert.equal([backlog.runFrom(2, 25)?.end, backlog.runFrom(3, 1)?.end], [4, 4]);
  backlog.push({ from: 5, version: 6, frame: new Uint8Array(100_000) });
  fill(backlog, 7);
  assert.equal([backlog.runFrom(3, 1000)?.end, backlog.runFrom(5, 1000), backlog.runFrom(6, 1000)?.end], [5, undefined, 7]);
  assert.is(backlog.runFrom(7, 1000), undefined);
});

test('messages have the bytes that a WebSocket client reads', async () => {
  const sizes = [0, 1, 125, 126, 65_535, 65_536, 100_000];
  const payloads = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
  // not in the types of ws
  const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };
  const receiver = new Receiver({ isServer: false });
  const read: Buffer[] = [];
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    assert.ok(isBinary);
    read.push(Buffer.from(data));
  });
  receiver.end(messages(payloads));
  await once(receiver, 'finish');
  assert.equal(
    read.map((data) => digestOf(data)),
    payloads.map((data) => digestOf(data)),
  );
});

test('a backlog with a hole forgets what was before it', () => {
  const backlog = new Backlog(0, limits);
  fill(backlog, 3);
  backlog.push({ from: 7, version: 8, frame: new Uint8Array(1) });
  assert.equal(
    [3, 7, 8].map((version) => backlog.find(version)),
    [undefined, 3, 4],
  );
});

test('merged updates are followed from their own beginnings only', () => {
  const backlog = new Backlog(0, limits);
  for (const [from, version] of [
    [0, 5],
    [5, 6],
    [6, 20],
  ])
    backlog.push({ from, version, frame: new Uint8Array(1) });
  assert.equal(
    [0, 3, 5, 6, 10, 20].map((version) => backlog.find(version)),
    [0, undefined, 1, 2, undefined, 3],
  );
});

/** How many messages of less than 64 KiB these are. */
function countOf(messages: Buffer): number {
  let count = 0;
  for (let at = 0; at < messages.byteLength; count++)
    at += messages[at + 1] < 126 ? 2 + messages[at + 1] : 4 + messages.readUInt16BE(at + 2);
  return count;
}

/** A feed into a target of which the test says how much it has buffered. */
function feedOf({
  mode = 'every',
  frames = 4,
  resetMs = 1000,
}: {
  mode?: 'every' | 'latest';
  frames?: number;
  resetMs?: number;
} = {}) {
  const backlog = new Backlog(10, { frames, bytes: 1 << 20 });
  const state = { buffered: 0, nowMs: 0, weightsMade: 0, sent: [] as string[] };
  const weights = () => {
    state.weightsMade += 1;
    return { version: backlog.version, frame: new Uint8Array(25) };
  };
  const target = {
    bufferedAmount: () => state.buffered,
    send: (frame: Uint8Array) => {
      state.buffered += frame.byteLength;
      state.sent.push(frame.byteLength === 25 ? `weights ${feed.version}` : `update ${feed.version}`);
    },
    write: (messages: Buffer) => {
      state.buffered += messages.byteLength;
      for (let left = countOf(messages) - 1; left >= 0; left--) state.sent.push(`update ${feed.version - left}`);
    },
  };
  const feed = new Feed({ backlog, weights, nowMs: () => state.nowMs }, target, { mode, highWaterBytes: 30, resetMs });
  return { backlog, feed, state };
}

test('a feed that starts gets the weights and then every update', () => {
  const { backlog, feed, state } = feedOf();
  feed.start();
  fill(backlog, 11);
  feed.pump();
  assert.equal(state.sent, ['weights 10', 'update 11']);
  assert.not(feed.lost);
});

test('a feed that resumes gets exactly what it lacks', () => {
  const { backlog, feed, state } = feedOf();
  fill(backlog, 13);
  feed.resumeFrom(11);
  feed.pump();
  feed.pump();
  assert.equal(state.sent, ['update 12', 'update 13']);
});

test('a feed stops at the high water mark, goes on when it falls, and one frame is always allowed', () => {
  const { backlog, feed, state } = feedOf();
  feed.resumeFrom(10);
  fill(backlog, 11, 1000);
  feed.pump();
  assert.equal(state.sent, ['update 11']);
  fill(backlog, 12);
  feed.pump();
  assert.ok(feed.blocked);
  assert.is(state.sent.length, 1);
  state.buffered = 0;
  feed.pump();
  assert.not(feed.blocked);
  assert.equal(state.sent, ['update 11', 'update 12']);
});

test('a feed that falls off the backlog gets one weights frame, and the next only after a while', () => {
  const { backlog, feed, state } = feedOf();
  feed.resumeFrom(10);
  state.buffered = 30;
  fill(backlog, 20);
  feed.pump();
  assert.equal(state.sent, []);
  state.buffered = 0;
  feed.pump();
  assert.equal(state.sent, ['weights 20']);
  state.buffered = 30;
  fill(backlog, 30);
  feed.pump();
  state.buffered = 0;
  state.nowMs = 999;
  feed.pump();
  assert.is(state.sent.length, 1);
  assert.ok(feed.lost);
  state.nowMs = 1000;
  feed.pump();
  assert.equal(state.sent, ['weights 20', 'weights 30']);
  assert.not(feed.lost);
});

test('in mode latest a feed that lags is skipped to the newest state, where that is less to send', () => {
  const { backlog, feed, state } = feedOf({ mode: 'latest', frames: 100 });
  feed.start();
  state.buffered = 30;
  fill(backlog, 12);
  feed.pump();
  state.buffered = 0;
  feed.pump();
  assert.equal(state.sent, ['weights 10', 'update 11', 'update 12'], 'two updates are less than the weights');
  state.buffered = 30;
  fill(backlog, 15);
  feed.pump();
  state.buffered = 0;
  feed.pump();
  assert.equal(state.sent.slice(3), ['weights 15']);
  fill(backlog, 16);
  feed.pump();
  assert.is(state.sent.at(-1), 'update 16');
});

test('control: in mode every it gets all of them', () => {
  const { backlog, feed, state } = feedOf({ frames: 100 });
  feed.start();
  state.buffered = 30;
  fill(backlog, 15);
  feed.pump();
  for (let i = 0; i < 5; i++) {
    state.buffered = 0;
    feed.pump();
  }
  assert.equal(state.sent, ['weights 10', ...[11, 12, 13, 14, 15].map((version) => `update ${version}`)]);
});

test('a weights frame that is newer than the backlog is not followed by what it holds already', () => {
  const { backlog, feed, state } = feedOf();
  fill(backlog, 12);
  const ahead = new Feed(
    { backlog, weights: () => ({ version: 14, frame: new Uint8Array(25) }), nowMs: () => 0 },
    { bufferedAmount: () => 0, send: () => state.sent.push('x'), write: () => state.sent.push('x') },
    { mode: 'every', highWaterBytes: 30, resetMs: 1 },
  );
  ahead.start();
  fill(backlog, 15);
  ahead.pump();
  assert.is(ahead.version, 15);
  assert.is(state.sent.length, 2);
  assert.is(feed.version, 0);
});

test('an ack waits for the update of its version, a nack and a duplicate do not', () => {
  const { backlog, feed, state } = feedOf();
  const written: string[] = [];
  let given = 0;
  const replies = new Replies({ send: (text) => written.push(text), onClogged: () => undefined }, feed, () => backlog.version);
  feed.resumeFrom(10);
  state.buffered = 30;
  fill(backlog, 11);
  feed.pump();
  replies.send({ type: 'ack', sequence: 1, version: 11, duplicate: false }, () => (given += 1));
  assert.is(given, 0);
  replies.send({ type: 'ack', sequence: 2, version: 9, duplicate: true }, () => (given += 1));
  replies.send(
    { type: 'nack', sequence: 3, code: 'E_X', retryable: false, retryAfterMs: 0, version: 11, text: '' },
    () => (given += 1),
  );
  assert.equal(
    written.map((text) => JSON.parse(text).sequence),
    [2, 3],
  );
  state.buffered = 0;
  feed.pump();
  replies.flush();
  assert.equal(
    written.map((text) => JSON.parse(text).sequence),
    [2, 3, 1],
  );
  assert.is(given, 3);
});

test('a peer that does not read its answers is not read', () => {
  const { backlog, feed } = feedOf();
  const done: (() => void)[] = [];
  const clogged: boolean[] = [];
  const target = { send: (_: string, left: () => void) => done.push(left), onClogged: (on: boolean) => clogged.push(on) };
  const replies = new Replies(target, feed, () => backlog.version);
  const nack = { type: 'nack', sequence: null, code: 'E_X', retryable: false, retryAfterMs: 0, version: 1, text: '' } as const;
  for (let i = 0; i < 70; i++) replies.send(nack, () => undefined);
  assert.equal(clogged, [true]);
  for (const left of done) left();
  assert.equal(clogged, [true, false]);
});

test('pings, pongs and heartbeats come when they are due', () => {
  const liveness = new Liveness({ heartbeatMs: 10, pingMs: 15, pongMs: 10 }, 0);
  assert.is(liveness.due(9, false), 'nothing');
  assert.is(liveness.due(10, false), 'heartbeat');
  liveness.sent(10);
  assert.is(liveness.due(15, false), 'ping');
  liveness.sent(20);
  assert.is(liveness.due(24, false), 'nothing');
  liveness.heard();
  assert.is(liveness.due(26, false), 'nothing');
  liveness.sent(26);
  assert.is(liveness.due(30, false), 'ping');
  assert.is(liveness.due(40, false), 'terminate');
});

test('a peer that is not read is not expected to answer pings', () => {
  const liveness = new Liveness({ heartbeatMs: 1000, pingMs: 15, pongMs: 10 }, 0);
  assert.is(liveness.due(15, false), 'ping');
  assert.is(liveness.due(60, true), 'nothing');
  assert.is(liveness.due(74, false), 'nothing');
  assert.is(liveness.due(75, false), 'ping');
});

test.run();
