// The policies of an admission: staleness, norm, rate and quarantine; each with its clock in the test's hands.
import { asyncScheduler, map, Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { withMetadata } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { AdmissionTally } from '../../streams/operators/admission/tally.ts';
import { type AdmitOptions, admit } from '../../streams/operators/admit.ts';
import type { Admitted, Answer, Arrival } from '../../streams/operators/flow.ts';
import { marbles } from '../support/marbles.ts';
import { refused } from '../support/refused.ts';

const model = layout({ w: [2], table: [3, 1] });
const frameOf = (sequence: number, { base = 0, producer = 'p', values = [1, 2] } = {}) =>
  encodeGradients(
    model,
    { producer, producerEpoch: 0, sequence, base },
    { gradients: { w: Float32Array.from(values) } },
    { maxAbs: 1e30 },
  );

/** An admission with a clock and a version that the test moves. */
function desk(options: Partial<AdmitOptions> = {}) {
  const arrivals = new Subject<Arrival>();
  const admitted: Admitted[] = [];
  const folded = { version: 100 };
  const clock = { nowMs: 5_000 };
  const tally = new AdmissionTally();
  const scheduler = { now: () => clock.nowMs, schedule: () => assert.unreachable('nothing is scheduled') } as never;
  const operator = admit(model, { version: () => folded.version, scheduler, tally, ...options });
  arrivals.pipe(operator).subscribe((each) => admitted.push(each));
  const send = (frame: Uint8Array): Answer | undefined => {
    const answers: Answer[] = [];
    arrivals.next({ frame, answer: (answer) => answers.push(answer) });
    return answers[0];
  };
  const code = (frame: Uint8Array): string => {
    const answer = send(frame);
    return answer === undefined ? 'admitted' : answer.type === 'ack' ? 'ack' : answer.code;
  };
  return { send, code, admitted, folded, clock, tally };
}

test('policies that cannot be meant are refused where the operator is made', () => {
  for (const [wrong, text] of [
    [{ maxStaleness: -1 }, /maxStaleness must be an integer from 0; got -1/],
    [{ staleness: 'damp' }, /staleness must be "refuse" or "scale"; got damp/],
    [{ maxNorm: 0 }, /maxNorm must be a number > 0; got 0/],
    [{ rate: 0 }, /rate.perSecond must be a number > 0/],
    [{ rate: { perSecond: 1, burst: 0.5 } }, /rate.burst must be a number from 1/],
    [{ rate: { perSecnd: 1 } }, /did you mean "perSecond"/],
    [{ quarantine: 0 }, /quarantine.refusals must be an integer from 1/],
    [{ quarantine: { refusals: 1, forMs: 0 } }, /quarantine.forMs must be a number > 0/],
    [{ quarantine: { refusal: 1 } }, /did you mean "refusals"/],
    [{ synchronous: { workers: 0 } }, /synchronous.workers must be an integer from 1 to 1024/],
    [{ synchronous: { workers: 2, deadlineMs: 0 } }, /synchronous.deadlineMs must be an integer from 1/],
    [{ synchronous: { worker: 2 } }, /did you mean "workers"/],
    [{ synchronous: { workers: 2 }, staleness: 'scale' }, /staleness "scale" is for single batches/],
  ] as const)
    refused('E_CONFIG', () => admit(model, { version: () => 0, ...wrong } as never), text);
});

test('with staleness "scale" a batch is folded at 1 / τ of the learning rate, τ being its age, and a fresh one in full', () => {
  const { code, admitted, folded } = desk({ staleness: 'scale' });
  for (const [i, base] of [100, 99, 98, 97].entries()) {
    assert.is(code(frameOf(i, { base })), 'admitted');
    folded.version += 1;
  }
  // each was folded on one version more than the one before
  assert.equal(
    admitted.map(({ factor, checked }) => [factor, checked.rateFactor]),
    [
      [undefined, 1],
      [1 / 2, 1 / 2],
      [1 / 4, 1 / 4],
      [1 / 6, 1 / 6],
    ],
  );
});

test('the age counts to the version that the batch is folded on, those on their way included', () => {
  const { code, admitted } = desk({ staleness: 'scale' });
  for (let i = 0; i < 4; i++) assert.is(code(frameOf(i, { base: 100 })), 'admitted');
  assert.equal(
    admitted.map(({ version, factor }) => [version, factor]),
    [
      [101, undefined],
      [102, undefined],
      [103, 1 / 2],
      [104, 1 / 3],
    ],
  );
});

test('without it the same batches are folded in full', () => {
  const { code, admitted } = desk();
  for (let i = 0; i < 4; i++) assert.is(code(frameOf(i, { base: 10 })), 'admitted');
  assert.ok(admitted.every(({ factor, checked }) => factor === undefined && checked.rateFactor === 1));
});

test('maxStaleness refuses beside "scale"', () => {
  const { code } = desk({ staleness: 'scale', maxStaleness: 4 });
  assert.is(code(frameOf(1, { base: 95 })), 'E_STALE');
  assert.is(code(frameOf(1, { base: 96 })), 'admitted');
});

test('a frame that says how it is to be folded is refused: that is the trainer’s to say', () => {
  const { send, admitted } = desk({ staleness: 'scale' });
  for (const extra of [{ factor: '0.5' }, { factor: '1' }, { parts: '[]' }] as Record<string, string>[]) {
    const answer = send(withMetadata(frameOf(1), extra));
    assert.match(answer?.type === 'nack' ? `${answer.code} ${answer.text}` : '', /^E_FRAME .*which a trainer alone writes/);
  }
  const answer = send(withMetadata(frameOf(1), { gradwire: '2' }));
  assert.is(answer?.type === 'nack' && answer.code, 'E_FORMAT');
  assert.is(admitted.length, 0);
});

test('a batch over maxNorm is refused with its norm and the limit; the norm goes over all tensors, rows as summed', () => {
  const { send, code, admitted } = desk({ maxNorm: 5 });
  const answer = send(frameOf(1, { values: [3, 4.5] }));
  assert.match(
    answer?.type === 'nack' ? answer.text : '',
    /^the norm of the gradient is 5\.408\d+ \(limit 5\); nothing was applied$/,
  );
  assert.is(code(frameOf(1, { values: [3, 4] })), 'admitted');
  const both = (row: number, last: number) =>
    encodeGradients(
      model,
      { producer: 'p', producerEpoch: 0, sequence: 2, base: 0 },
      { gradients: { w: Float32Array.of(3, 0), table: { rows: Int32Array.of(1, row), values: Float32Array.of(2, last) } } },
    );
  assert.is(code(both(1, 2.5)), 'E_NORM');
  assert.is(code(both(1, 2)), 'admitted');
  assert.is(admitted.length, 2);
});

test('values that are not finite or too large are said to be that, whatever the norm', () => {
  const { code } = desk({ maxNorm: 5, maxAbs: 1e6 });
  const nan = frameOf(1);
  new DataView(nan.buffer, nan.byteOffset).setUint32(nan.byteLength - 4, 0x7fc00000, true);
  assert.is(code(nan), 'E_NONFINITE');
  assert.is(code(frameOf(1, { values: [0, 2e6] })), 'E_RANGE');
});

test('a producer may push its burst at once and then as many a second as it may; each refusal says when the next has room', () => {
  const { send, code, clock, tally } = desk({ rate: { perSecond: 10, burst: 3 } });
  for (let i = 0; i < 3; i++) assert.is(code(frameOf(i)), 'admitted');
  const nack = send(frameOf(3));
  assert.is(nack?.type, 'nack');
  if (nack?.type === 'nack') assert.equal([nack.code, nack.retryable, nack.retryAfterMs], ['E_RATE', true, 100]);
  clock.nowMs += 99;
  assert.is(code(frameOf(3)), 'E_RATE');
  clock.nowMs += 1;
  assert.is(code(frameOf(3)), 'admitted');
  assert.is(code(frameOf(4)), 'E_RATE');
  clock.nowMs += 1e9;
  for (let i = 4; i < 7; i++) assert.is(code(frameOf(i)), 'admitted');
  assert.is(code(frameOf(7)), 'E_RATE');
  assert.equal(tally.status().refused, { E_RATE: 4 });
});

test('each producer has a rate of its own, and a number alone gives a burst of a second', () => {
  const { code } = desk({ rate: 2 });
  for (const producer of ['a', 'b'])
    assert.equal(
      [1, 2, 3].map((sequence) => code(frameOf(sequence, { producer }))),
      ['admitted', 'admitted', 'E_RATE'],
    );
});

test('a resend of a batch that was taken is answered as such, whatever the pace and even in quarantine', () => {
  const { code, send, folded } = desk({ rate: { perSecond: 1, burst: 1 }, quarantine: 1 });
  const first = frameOf(1);
  assert.is(code(first), 'admitted');
  folded.version = 101;
  assert.equal(send(first), { type: 'ack', sequence: 1, version: 101, duplicate: true });
  const { code: other, send: resend, folded: version, clock } = desk({ quarantine: 1 });
  assert.is(other(first), 'admitted');
  version.version = 101;
  assert.is(other(frameOf(2, { values: [1e20, 0] })), 'E_RANGE');
  assert.equal(resend(first), { type: 'ack', sequence: 1, version: 101, duplicate: true });
  assert.is(other(frameOf(3)), 'E_QUARANTINED');
  clock.nowMs += 60_000;
  assert.is(other(frameOf(3)), 'admitted');
});

test('a clock that is set back takes nothing away and gives nothing', () => {
  const { code, clock } = desk({ rate: { perSecond: 1, burst: 2 } });
  assert.is(code(frameOf(1)), 'admitted');
  clock.nowMs -= 1e6;
  assert.is(code(frameOf(2)), 'admitted');
  assert.is(code(frameOf(3)), 'E_RATE');
});

test('so many refusals in a row for what is in the batches, and a producer is not heard until its time is over', () => {
  const { send, code, clock, tally } = desk({ quarantine: { refusals: 3, forMs: 1_000 } });
  const bad = (sequence: number) => frameOf(sequence, { values: [1e20, 0] });
  for (let i = 0; i < 2; i++) assert.is(code(bad(1)), 'E_RANGE');
  // one that passes begins the count anew
  assert.is(code(frameOf(1)), 'admitted');
  for (let i = 0; i < 3; i++) assert.is(code(bad(2)), 'E_RANGE');
  clock.nowMs += 400;
  const nack = send(frameOf(2));
  assert.is(nack?.type, 'nack');
  if (nack?.type === 'nack') {
    assert.equal([nack.code, nack.retryable, nack.retryAfterMs], ['E_QUARANTINED', false, 600]);
    assert.match(nack.text, /"p" is in quarantine for another 600 ms/);
  }
  assert.equal(tally.status(), {
    refused: { E_RANGE: 5, E_QUARANTINED: 1 },
    quarantined: [{ producer: 'p', remainingMs: 600 }],
    synchronous: null,
  });
  assert.is(code(frameOf(1, { producer: 'q' })), 'admitted');
  clock.nowMs += 600;
  assert.equal(tally.status().quarantined, []);
  assert.is(code(frameOf(2)), 'admitted');
});

test('what says nothing of a producer’s gradients counts for no quarantine: its age, its model, its pace, its number', () => {
  const { code } = desk({ quarantine: 1, maxStaleness: 1, rate: { perSecond: 1, burst: 5 } });
  assert.is(code(frameOf(1, { base: 0 })), 'E_STALE');
  assert.is(code(frameOf(1, { base: 101 })), 'E_FUTURE');
  assert.is(code(frameOf(1, { base: 100 })), 'admitted');
  assert.is(code(frameOf(1, { base: 100, values: [5, 5] })), 'E_SEQUENCE_REUSED');
  assert.is(code(frameOf(2, { base: 100 })), 'admitted');
  assert.is(code(frameOf(3, { base: 100 })), 'E_RATE');
});

test('the rate is that of the scheduler’s clock', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const arrivals = [...'abcde'].map((name, i): [string, Arrival] => [name, { frame: frameOf(i), answer: () => undefined }]);
    const source = cold('(abc)d 4ms e|', Object.fromEntries(arrivals));
    const rate = { perSecond: 100, burst: 2 };
    const admitted$ = source.pipe(
      admit(model, { version: () => 0, rate, scheduler: asyncScheduler }),
      map(({ header }) => 'abcde'[header.sequence]),
    );
    expectObservable(admitted$).toBe('(ab) 6ms e|');
    expectSubscriptions(source.subscriptions).toBe('^ 10ms !');
  });
});

test.run();
