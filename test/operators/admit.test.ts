// admit: what fits passes with its version, what does not is answered and changes nothing.
import { map, Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { serialize } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { type AdmitOptions, admit } from '../../streams/operators/admit.ts';
import type { Admitted, Answer, Arrival } from '../../streams/operators/flow.ts';
import { marbles } from '../support/marbles.ts';

const model = layout({ w: [2] });
const frameOf = (sequence: number, { base = 0, producer = 'p', producerEpoch = 0, name = 'default', values = [1, 2] } = {}) =>
  encodeGradients(
    model,
    { model: name, producer, producerEpoch, sequence, base },
    { gradients: { w: Float32Array.from(values) } },
  );

/** An admission with a version that the test moves, its answers and what it let through. */
function desk(options: Partial<AdmitOptions> = {}) {
  const arrivals = new Subject<Arrival>();
  const admitted: Admitted[] = [];
  const folded = { version: 10 };
  arrivals.pipe(admit(model, { version: () => folded.version, ...options })).subscribe((each) => admitted.push(each));
  const send = (frame: Uint8Array) => {
    const answers: Answer[] = [];
    arrivals.next({ frame, answer: (answer) => answers.push(answer) });
    return answers;
  };
  return { send, admitted, folded };
}

test('arrivals pass with the versions that they will become, and the ends of the source are its ends', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const arrival = (frame: Uint8Array): Arrival => ({ frame, answer: () => undefined });
    const values = { a: arrival(frameOf(1)), b: arrival(frameOf(2)), x: arrival(Uint8Array.of(1)) };
    for (const [given, expected, subscription] of [
      ['|', '|', '(^!)'],
      ['-', '-', '^'],
      ['-a-x-(bx)-|', '-1---2----|', '^---------!'],
      ['-a-#', '-1-#', '^--!'],
    ]) {
      const source = cold(given, values);
      const versions$ = source.pipe(
        admit(model, { version: () => 0 }),
        map(({ version }) => String(version)),
      );
      expectObservable(versions$).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    }
    const source = cold('-a-b-', values);
    expectObservable(
      source.pipe(
        admit(model, { version: () => 0 }),
        map(({ version }) => String(version)),
      ),
      '^--!',
    ).toBe('-1-');
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('a batch is refused by its code, its sequence is not used up, and the stream lives on', () => {
  const { send, admitted } = desk({ maxStaleness: 4, maxAbs: 100 });
  const code = (answers: Answer[]) => answers.map((answer) => (answer.type === 'nack' ? answer.code : answer.type));
  assert.equal(code(send(frameOf(1, { base: 11 }))), ['E_FUTURE']);
  assert.equal(code(send(frameOf(1, { base: 5 }))), ['E_STALE']);
  assert.equal(code(send(frameOf(1, { base: 8, values: [1, 101] }))), ['E_RANGE']);
  assert.equal(code(send(frameOf(1, { base: 8, name: 'other' }))), ['E_MODEL']);
  assert.equal(code(send(Uint8Array.of(1, 2, 3))), ['E_ST_SHORT']);
  assert.is(admitted.length, 0);
  assert.equal(send(frameOf(1, { base: 8 })), []);
  assert.is(admitted[0].version, 11);
});

test('a nack says sequence, version and why; the sequence is null where the frame did not say', () => {
  const { send } = desk();
  const [answer] = send(frameOf(7, { base: 99 }));
  const { text, ...rest } = answer as Extract<Answer, { type: 'nack' }>;
  assert.equal(rest, { type: 'nack', sequence: 7, code: 'E_FUTURE', retryable: false, retryAfterMs: 0, version: 10 });
  assert.match(text, /base 99 is ahead of 10/);
  const [unknown] = send(serialize({ w: new Float32Array(2) }));
  assert.is(unknown.type === 'nack' && unknown.sequence, null);
});

test('a resend of a folded batch is answered with its first ack, one that is still on its way together with it', () => {
  const { send, admitted, folded } = desk();
  const first = send(frameOf(1));
  const second = send(frameOf(1));
  assert.is(admitted.length, 1);
  assert.equal([first, second], [[], []]);
  folded.version = 11;
  admitted[0].answer({ type: 'ack', sequence: 1, version: 11, duplicate: false });
  assert.equal(first, [{ type: 'ack', sequence: 1, version: 11, duplicate: false }]);
  assert.equal(second, [{ type: 'ack', sequence: 1, version: 11, duplicate: true }]);
  assert.equal(send(frameOf(1)), [{ type: 'ack', sequence: 1, version: 11, duplicate: true }]);
  const [reused] = send(frameOf(1, { values: [5, 5] }));
  assert.is(reused.type === 'nack' && reused.code, 'E_SEQUENCE_REUSED');
});

test('windows from before are honoured, and the caller’s own are not changed', () => {
  const before = new Producers();
  const frame = frameOf(3);
  before.note({ producer: 'p', producerEpoch: 0, sequence: 3 }, digestOf(frame), 9);
  const { send, admitted } = desk({ producers: before });
  assert.equal(send(frame), [{ type: 'ack', sequence: 3, version: 9, duplicate: true }]);
  send(frameOf(4));
  assert.is(admitted.length, 1);
  assert.equal(before.position('p'), { producerEpoch: 0, sequence: 3 });
});

test.run();
