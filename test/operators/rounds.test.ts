// Synchronous mode: the mean of one batch from each of several producers makes one version.
import { asyncScheduler, map, Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { AdmissionTally } from '../../streams/operators/admission/tally.ts';
import { type AdmitOptions, admit } from '../../streams/operators/admit.ts';
import type { Admitted, Answer, Arrival } from '../../streams/operators/flow.ts';
import { sameBits } from '../support/bits.ts';
import { marbles } from '../support/marbles.ts';

const model = layout({ w: [2] });
const frameOf = (producer: string, sequence: number, { base = 10, values = [1, 2] } = {}) =>
  encodeGradients(
    model,
    { producer, producerEpoch: 0, sequence, base },
    { gradients: { w: Float32Array.from(values) }, examples: 8, loss: values[0] },
  );

/** An admission in rounds whose version the test moves. */
function desk(options: Partial<AdmitOptions> = {}, workers: number = 2) {
  const arrivals = new Subject<Arrival>();
  const admitted: Admitted[] = [];
  const folded = { version: 10 };
  const tally = new AdmissionTally();
  const operator = admit(model, { version: () => folded.version, tally, synchronous: { workers }, ...options });
  arrivals.pipe(operator).subscribe((each) => admitted.push(each));
  const send = (frame: Uint8Array) => {
    const answers: Answer[] = [];
    arrivals.next({ frame, answer: (answer) => answers.push(answer) });
    return answers;
  };
  /** The oldest round that is not folded is durable and folded. */
  const fold = (round: Admitted): void => {
    folded.version = round.version;
    round.answer({ type: 'ack', sequence: round.header.sequence, version: round.version, duplicate: false });
  };
  return { send, admitted, folded, tally, fold, arrivals };
}

const codes = (answers: readonly Answer[]): string[] => answers.map((answer) => (answer.type === 'nack' ? answer.code : 'ack'));

test('a round passes when the last producer’s batch is there, in the order of their names, and all get its version under their own numbers', () => {
  const { send, admitted, fold } = desk({}, 3);
  const answers = [send(frameOf('c', 30, { values: [9, 0], base: 8 })), send(frameOf('a', 10, { values: [3, 3] }))];
  assert.is(admitted.length, 0);
  answers.push(send(frameOf('b', 20, { values: [0, 1] })));
  assert.is(admitted.length, 1);
  const [{ version, parts, header, checked, frame, payload }] = admitted;
  assert.is(version, 11);
  assert.equal(
    parts?.map((each) => [each.producer, each.producerEpoch, each.sequence]),
    [
      ['a', 0, 10],
      ['b', 0, 20],
      ['c', 0, 30],
    ],
  );
  assert.is(parts?.[1].payload, digestOf(frameOf('b', 20, { values: [0, 1] })));
  sameBits(checked.tensors[0].values, Float32Array.of(4, 4 / 3));
  assert.equal([header.base, header.examples, header.loss], [8, 24, 4]);
  assert.is(payload, digestOf(frame));
  assert.equal(answers, [[], [], []]);
  fold(admitted[0]);
  assert.equal(
    answers.flat(),
    [30, 10, 20].map((sequence) => ({ type: 'ack', sequence, version: 11, duplicate: false })),
  );
});

test('the order of arrival does not change the bits', () => {
  const values = { a: [1e8, 1e-8], b: [-1e8, 3], c: [1 / 3, 1e8] };
  const orders = ['abc', 'cba', 'bca'].map((order) => {
    const { send, admitted } = desk({}, 3);
    for (const producer of order as Iterable<keyof typeof values>) send(frameOf(producer, 1, { values: values[producer] }));
    return digestOf(admitted[0].frame);
  });
  assert.equal(new Set(orders).size, 1);
});

test('a producer’s second batch waits for the next round, and its third is told to come again', () => {
  const { send, admitted, fold } = desk();
  const first = send(frameOf('a', 1));
  const second = send(frameOf('a', 2, { values: [5, 5] }));
  const [third] = send(frameOf('a', 3));
  assert.equal([third.type === 'nack' && third.code, third.type === 'nack' && third.retryable], ['E_BUSY', true]);
  send(frameOf('b', 1));
  assert.equal(admitted.length, 1);
  fold(admitted[0]);
  assert.equal([codes(first), codes(second)], [['ack'], []]);
  assert.equal(send(frameOf('a', 3)), []);
  send(frameOf('b', 2, { values: [7, 7] }));
  assert.equal(
    admitted.map(({ version, parts = [] }) => [version, parts.map(({ sequence }) => sequence)]),
    [
      [11, [1, 1]],
      [12, [2, 2]],
    ],
  );
  sameBits(admitted[1].checked.tensors[0].values, Float32Array.of(6, 6));
});

test('a resend of a batch that waits is answered together with it, other bytes under its number are refused', () => {
  const { send, admitted, fold } = desk();
  const first = send(frameOf('a', 1));
  const again = send(frameOf('a', 1));
  assert.equal(codes(send(frameOf('a', 1, { values: [6, 6] }))), ['E_SEQUENCE_REUSED']);
  const other = send(frameOf('b', 5));
  const both = send(frameOf('b', 5));
  assert.is(admitted.length, 1);
  fold(admitted[0]);
  assert.equal([first, again, other, both].flat(), [
    { type: 'ack', sequence: 1, version: 11, duplicate: false },
    { type: 'ack', sequence: 1, version: 11, duplicate: true },
    { type: 'ack', sequence: 5, version: 11, duplicate: false },
    { type: 'ack', sequence: 5, version: 11, duplicate: true },
  ]);
  assert.equal(send(frameOf('a', 1)), [{ type: 'ack', sequence: 1, version: 11, duplicate: true }]);
});

test('windows that are rebuilt from the parts know every batch of a round', () => {
  const { send, admitted } = desk();
  send(frameOf('b', 7));
  send(frameOf('a', 3));
  const rebuilt = new Producers();
  rebuilt.noteFolded(admitted[0], 11);
  const { send: resend, folded, admitted: none } = desk({ producers: rebuilt });
  folded.version = 11;
  assert.equal([resend(frameOf('a', 3)), resend(frameOf('b', 7))].flat(), [
    { type: 'ack', sequence: 3, version: 11, duplicate: true },
    { type: 'ack', sequence: 7, version: 11, duplicate: true },
  ]);
  assert.is(none.length, 0);
  assert.is(rebuilt.position('synchronous'), undefined);
});

test('control: windows that know the mean alone take its batches a second time', () => {
  const { send, admitted } = desk();
  send(frameOf('b', 7));
  send(frameOf('a', 3));
  const wrong = new Producers();
  wrong.note(admitted[0].header, admitted[0].payload, 11);
  const { send: resend, admitted: twice } = desk({ producers: wrong });
  resend(frameOf('a', 3));
  resend(frameOf('b', 7));
  assert.is(twice.length, 1);
});

test('maxStaleness counts to the version that the round is folded on, also for a batch that waits for the next', () => {
  const { send, admitted } = desk({ maxStaleness: 0 });
  assert.equal(send(frameOf('a', 1, { base: 10 })), []);
  assert.equal(codes(send(frameOf('a', 2, { base: 10 }))), ['E_STALE']);
  assert.equal(codes(send(frameOf('b', 1, { base: 9 }))), ['E_STALE']);
  assert.equal(send(frameOf('b', 1, { base: 10 })), []);
  // the round is not folded yet, and what was computed before it is late
  assert.equal(codes(send(frameOf('b', 2, { base: 10 }))), ['E_STALE']);
  assert.is(admitted.length, 1);
});

test('a nack of a round is a nack to each of its batches and to all that wait; sent again they make the same version', () => {
  const { send, admitted, fold } = desk();
  const first = [send(frameOf('a', 1)), send(frameOf('b', 1)), send(frameOf('a', 2)), send(frameOf('a', 2))];
  assert.is(admitted.length, 1);
  const nack = { type: 'nack', code: 'E_DISK', retryable: true, retryAfterMs: 500, version: 10, text: 'full' } as const;
  admitted[0].answer({ ...nack, sequence: 1 });
  assert.equal(first, [
    [{ ...nack, sequence: 1 }],
    [{ ...nack, sequence: 1 }],
    [{ ...nack, sequence: 2 }],
    [{ ...nack, sequence: 2 }],
  ]);
  const again = [send(frameOf('b', 1)), send(frameOf('a', 1))];
  assert.is(admitted.length, 2);
  assert.is(admitted[1].version, 11);
  assert.is(digestOf(admitted[1].frame), digestOf(admitted[0].frame));
  fold(admitted[1]);
  assert.equal(again.map(codes), [['ack'], ['ack']]);
});

test('what the trainer itself makes takes the next version, and the rounds that wait become the ones after it', () => {
  const { send, admitted, fold, arrivals } = desk();
  const waiting = [send(frameOf('a', 1)), send(frameOf('a', 1)), send(frameOf('a', 2)), send(frameOf('a', 2))];
  const own: Answer[] = [];
  const header = { ...decodeGradients(frameOf('gradwire.rollback', 1), model).header, model: undefined };
  const { gradients: checked } = decodeGradients(frameOf('gradwire.rollback', 1), model);
  arrivals.next({
    frame: frameOf('gradwire.rollback', 1),
    known: { header, checked, payload: 'x' },
    answer: (answer) => own.push(answer),
  });
  assert.equal(
    admitted.map(({ version, parts }) => [version, parts]),
    [[11, undefined]],
  );
  fold(admitted[0]);
  assert.equal([codes(own), waiting.flat()], [['ack'], []]);
  const late = [send(frameOf('b', 1)), send(frameOf('b', 2))];
  assert.equal(
    admitted.map(({ version }) => version),
    [11, 12, 13],
  );
  for (const round of admitted.slice(1)) fold(round);
  const ack = (sequence: number, version: number, duplicate = false) => ({ type: 'ack', sequence, version, duplicate });
  assert.equal([...waiting, ...late].flat(), [
    ack(1, 12),
    ack(1, 12, true),
    ack(2, 13),
    ack(2, 13, true),
    ack(1, 12),
    ack(2, 13),
  ]);
  assert.equal(send(frameOf('a', 1)), [ack(1, 12, true)], 'its window has the version that it became');
});

test('when the source ends, what waits is given back with E_CLOSED, retryable', () => {
  const { send, arrivals } = desk();
  const [first, second] = [send(frameOf('a', 1)), send(frameOf('a', 2))];
  arrivals.complete();
  assert.equal([codes(first), codes(second)], [['E_CLOSED'], ['E_CLOSED']]);
  assert.ok(first[0].type === 'nack' && first[0].retryable);
});

test('the status says who waits, how many rounds there were, and how many were short', () => {
  const { send, tally } = desk();
  assert.equal(tally.status().synchronous, { workers: 2, deadlineMs: null, rounds: 0, short: 0, waiting: [], last: null });
  send(frameOf('b', 1));
  assert.equal(tally.status().synchronous?.waiting, ['b']);
  send(frameOf('a', 1));
  assert.equal(tally.status().synchronous, { workers: 2, deadlineMs: null, rounds: 1, short: 0, waiting: [], last: ['a', 'b'] });
});

test('rows of more tables than a header takes go into the mean as dense tensors', () => {
  const tables = Array.from({ length: 6_000 }, (_, i) => `t${i}`);
  const wide = layout(Object.fromEntries(tables.map((name) => [name, [2, 1]])));
  const half = (from: number): GradientRecord =>
    Object.fromEntries(
      tables.slice(from, from + 3_000).map((name) => [name, { rows: Int32Array.of(1), values: Float32Array.of(4) }]),
    );
  const arrivals = new Subject<Arrival>();
  const rounds: Admitted[] = [];
  arrivals.pipe(admit(wide, { version: () => 0, synchronous: { workers: 2 } })).subscribe((round) => rounds.push(round));
  for (const [i, producer] of ['a', 'b'].entries()) {
    const frame = encodeGradients(wide, { producer, producerEpoch: 0, sequence: 1, base: 0 }, { gradients: half(i * 3_000) });
    arrivals.next({ frame, answer: ({ type }) => assert.unreachable(type) });
  }
  assert.is(rounds[0].checked.tensors.length, 6_000);
  assert.ok(rounds[0].checked.tensors.every(({ rows, values }) => rows === undefined && values[1] === 2));
});

const arrivals: Readonly<Record<string, Arrival>> = Object.fromEntries(
  [
    ['a', 'a', 1],
    ['A', 'a', 2],
    ['b', 'b', 1],
    ['B', 'b', 2],
    ['c', 'c', 1],
  ].map(([name, producer, sequence]) => [
    name,
    { frame: frameOf(String(producer), Number(sequence), { base: 0 }), answer: () => {} },
  ]),
);

/** Rounds of three as marbles: the number of parts in each; with a deadline of 5 ms unless told. */
function rounds(
  [given, expected, subscription]: readonly [string, string, string],
  synchronous: AdmitOptions['synchronous'] = { workers: 3, deadlineMs: 5 },
  unsubscription?: string,
): void {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold(given, arrivals);
    const sizes$ = source.pipe(
      admit(model, { version: () => 0, synchronous, scheduler: asyncScheduler }),
      map(({ parts = [] }) => String(parts.length)),
    );
    expectObservable(sizes$, unsubscription).toBe(expected);
    expectSubscriptions(source.subscriptions).toBe(subscription);
  });
}

test('a full round passes at once, one that is not at its deadline, counted from its first batch', () => {
  rounds(['-a-b-c---|', '-----3---|', '^--------!']);
  rounds(['-a-b------|', '------2---|', '^---------!']);
  rounds(['-a--------b--------c|', '------1--------1----|', '^-------------------!']);
  rounds(['--------|', '--------|', '^-------!']);
  rounds(['|', '|', '(^!)']);
  rounds(['-a-------', '------1--', '^-------!'], undefined, '^-------!');
  rounds(['-a-------', '---------', '^---!----'], undefined, '^---!----');
});

test('the next round’s time begins when it is at hand, for the batches that waited for it too', () => {
  rounds(['-aA-----------|', '------1----1--|', '^-------------!']);
  rounds(['-aAbBc--------|', '-----3----2---|', '^-------------!']);
});

test('without a deadline a round waits, and the ends of the source are its ends', () => {
  rounds(['-a-b 1s c|', '---- 1s 3|', '^--- 1s -!'], { workers: 3 });
  rounds(['-a-#', '---#', '^--!']);
});

test.run();
