// The protocol's pure parts: what a hello may be, who may resume, and what the two sides read of each other.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { closeCodes, closeReason, isFinal } from '../../streams/sockets/protocol/close-codes.ts';
import { InFlight } from '../../streams/sockets/protocol/credit.ts';
import { readServerMessage } from '../../streams/sockets/protocol/from-server.ts';
import { readHello, writeHello } from '../../streams/sockets/protocol/hello.ts';
import { type Known, refuseResume } from '../../streams/sockets/protocol/resume.ts';
import type { Resume } from '../../streams/sockets/protocol/words.ts';

/** The code of what is thrown. */
function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof GradwireError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

const resume: Resume = { run: 'r', epoch: 2, version: 50, digest: '0123456789abcdef' };

test('a hello comes back as it was written', () => {
  const hello = { role: 'worker', mode: 'latest', producer: 'w1', producerEpoch: 3, resume, tensors: ['a', 'b/c'] } as const;
  assert.equal(readHello(writeHello(hello)), hello);
});

test('a hello needs a type and a role; the rest may be missing or null', () => {
  const identity = { producer: undefined, producerEpoch: undefined };
  const least = { role: 'replica', mode: 'every', ...identity, resume: undefined, tensors: undefined };
  assert.equal(readHello('{"type":"hello","role":"replica"}'), least);
  const nulls =
    '{"type":"hello","role":"replica","token":null,"producer":null,"producerEpoch":null,"resume":null,"mode":null,"tensors":null,"new":1}';
  assert.equal(readHello(nulls), least);
  assert.equal(
    readHello('{"type":"hello","role":"replica","token":"secret","resume":{"run":"r","epoch":0,"version":0}}').resume,
    {
      run: 'r',
      epoch: 0,
      version: 0,
      digest: undefined,
    },
  );
});

for (const [what, text] of [
  ['is no JSON', '{"type":"hello"'],
  ['is an array', '[]'],
  ['is null', 'null'],
  ['is a number', '1'],
  ['has another type', '{"type":"gradients","role":"replica"}'],
  ['has no type', '{"role":"replica"}'],
  ['has no role', '{"type":"hello"}'],
  ['has another role', '{"type":"hello","role":"admin"}'],
  ['has another mode', '{"type":"hello","role":"replica","mode":"some"}'],
  ['has a producer that is a number', '{"type":"hello","role":"worker","producer":7}'],
  ['has a producer with control characters', '{"type":"hello","role":"worker","producer":"a\\u0000b"}'],
  ['has an empty producer', '{"type":"hello","role":"worker","producer":""}'],
  ['has a producer epoch that is text', '{"type":"hello","role":"worker","producer":"w","producerEpoch":"1"}'],
  ['has a producer epoch below 0', '{"type":"hello","role":"worker","producer":"w","producerEpoch":-1}'],
  ['has a producer epoch beyond 2^53', '{"type":"hello","role":"worker","producer":"w","producerEpoch":9007199254740993}'],
  ['has a token that is an object', '{"type":"hello","role":"replica","token":{}}'],
  ['follows a tensor that is no list', '{"type":"hello","role":"replica","tensors":"w"}'],
  ['follows no tensor', '{"type":"hello","role":"replica","tensors":[]}'],
  ['follows a tensor that is a number', '{"type":"hello","role":"replica","tensors":["w",1]}'],
  ['follows a tensor that is null', '{"type":"hello","role":"replica","tensors":[null]}'],
  ['resumes from a list', '{"type":"hello","role":"replica","resume":[]}'],
  ['resumes without a run', '{"type":"hello","role":"replica","resume":{"epoch":1,"version":1,"digest":"00"}}'],
  ['resumes without an epoch', '{"type":"hello","role":"replica","resume":{"run":"r","version":1,"digest":"00"}}'],
  ['resumes from half a version', '{"type":"hello","role":"replica","resume":{"run":"r","epoch":1,"version":1.5,"digest":"00"}}'],
] as const) {
  test(`a hello that ${what} is refused`, () =>
    assert.is(
      codeOf(() => readHello(text)),
      'E_PROTOCOL',
    ));
}

test('keys of Object itself mean nothing in a hello', () => {
  const hello = readHello('{"type":"hello","role":"replica","__proto__":{"producer":"x"},"constructor":1,"toString":2}');
  assert.is(hello.producer, undefined);
  assert.is(({} as Record<string, unknown>).producer, undefined);
  assert.is(
    codeOf(() => readHello('{"__proto__":{"type":"hello","role":"replica"}}')),
    'E_PROTOCOL',
  );
});

/** A history of three epochs: 1 made 1 to 40, 2 made 41 to 60, 4 made the rest; at version 100, with updates from 81 on. */
function known(over: Partial<Known> = {}): Known {
  return {
    run: 'r',
    epochs: [
      [1, 1],
      [2, 41],
      [4, 61],
    ],
    version: 100,
    digestAt: () => undefined,
    covers: (version) => version >= 80,
    ...over,
  };
}

const covers = () => true;
const digestAt = () => resume.digest;

for (const [what, place, over, reason] of [
  ['from the newest version', { epoch: 4, version: 100 }, {}, null],
  ['from the oldest that the backlog covers', { epoch: 4, version: 80 }, {}, null],
  ['from one before it', { epoch: 4, version: 79 }, {}, 'backlog'],
  ['from another run', { run: 'other', epoch: 4, version: 100 }, {}, 'other-run'],
  ['from an epoch that there never was', { epoch: 3, version: 90 }, {}, 'other-run'],
  ['from an epoch yet to come', { epoch: 5, version: 90 }, {}, 'other-run'],
  ['from a version yet to come', { epoch: 4, version: 101 }, {}, 'ahead'],
  ['from where an earlier epoch ended, with the weights of its end', { epoch: 2, version: 60 }, { covers, digestAt }, null],
  ['from there, with weights that nothing proves', { epoch: 2, version: 60 }, { covers }, 'diverged'],
  ['from there, without a digest', { epoch: 2, version: 60, digest: undefined }, { covers, digestAt }, 'diverged'],
  ['from there, as a recorder', { epoch: 2, version: 60, digest: undefined }, { covers, holds: 'batches' }, null],
  ['from beyond the end of an earlier epoch', { epoch: 2, version: 61 }, { covers: () => true }, 'ahead'],
  ['from a version with other weights', { epoch: 4, version: 90 }, { digestAt: () => 'ffffffffffffffff' }, 'diverged'],
  ['from a version with these weights', { epoch: 4, version: 90 }, { digestAt: () => resume.digest }, null],
  ['without a digest', { epoch: 4, version: 90, digest: undefined }, { digestAt: () => resume.digest }, null],
] as const) {
  test(`to resume ${what}: ${reason ?? 'yes'}`, () => assert.is(refuseResume({ ...resume, ...place }, known(over)), reason));
}

test('messages of the server are read field by field', () => {
  const welcome = {
    type: 'welcome',
    run: 'r',
    epoch: 1,
    version: 5,
    layout: { w: [2] },
    encoding: 'f32',
    credit: { batches: 8, bytes: 33554432 },
    resumed: false,
    reason: 'backlog',
    producerEpoch: 4,
    sequence: null,
  };
  const read = readServerMessage(JSON.stringify(welcome));
  assert.equal({ ...read, layout: { ...(read as typeof welcome).layout } }, welcome);
  const history = {
    epochs: [
      [1, 1],
      [2, 501],
    ],
    relays: ['a'],
  };
  const told = readServerMessage(JSON.stringify({ ...welcome, ...history }));
  assert.equal({ ...told, layout: welcome.layout }, { ...welcome, ...history });
  for (const wrong of [{ epochs: [[1]] }, { epochs: [[1, -1]] }, { epochs: 'x' }, { relays: [1] }, { relays: {} }])
    assert.is(
      codeOf(() => readServerMessage(JSON.stringify({ ...welcome, ...wrong }))),
      'E_PROTOCOL',
    );
  const heartbeat = { type: 'heartbeat', epoch: 1, version: 2, digest: '0123456789abcdef' };
  assert.equal(readServerMessage(JSON.stringify(heartbeat)), heartbeat);
  const ack = { type: 'ack', sequence: 3, version: 9, duplicate: true };
  assert.equal(readServerMessage(JSON.stringify(ack)), ack);
  const nack = { type: 'nack', sequence: null, code: 'E_X', retryable: true, retryAfterMs: 5, version: 9, text: 'why' };
  assert.equal(readServerMessage(JSON.stringify(nack)), nack);
});

test('a kind of message that is new is none of our business, a broken one is an error', () => {
  assert.is(readServerMessage('{"type":"news"}'), undefined);
  for (const text of [
    '',
    'x',
    '[]',
    '{"type":"ack"}',
    '{"type":"welcome"}',
    '{"type":"heartbeat","epoch":"1"}',
    `"${'x'.repeat(9 << 20)}"`,
  ]) {
    assert.is(
      codeOf(() => readServerMessage(text)),
      'E_PROTOCOL',
      text.slice(0, 40),
    );
  }
  const other =
    '{"type":"welcome","run":"r","epoch":1,"version":1,"layout":{},"encoding":"zip","credit":{"batches":1,"bytes":1},"resumed":false}';
  assert.is(
    codeOf(() => readServerMessage(other)),
    'E_PROTOCOL',
  );
});

test('codes below 4500 ask to come back, those from there on do not', () => {
  for (const code of Object.values(closeCodes)) assert.is(isFinal(code), code >= 4500);
  assert.not(isFinal(1006));
  assert.not(isFinal(1000));
});

test('a close reason is cut at a character and fits into its frame', () => {
  assert.is(closeReason('short'), 'short');
  for (const text of ['x'.repeat(124), 'é'.repeat(100), '😀'.repeat(60), `x${'😀'.repeat(60)}`, '€'.repeat(41), '€'.repeat(42)]) {
    const reason = closeReason(text);
    assert.ok(Buffer.byteLength(reason) <= 123, reason);
    assert.ok(Buffer.byteLength(reason) > 115);
    assert.not.match(reason, '\ufffd');
  }
});

test('a credit always allows one batch, and no more than its numbers', () => {
  const inFlight = new InFlight({ batches: 2, bytes: 100 });
  assert.ok(inFlight.allows(1000));
  inFlight.take(60);
  assert.ok(inFlight.allows(40));
  assert.not(inFlight.allows(41));
  inFlight.take(40);
  assert.not(inFlight.allows(0));
  inFlight.give(60);
  assert.ok(inFlight.allows(60));
});

test.run();
