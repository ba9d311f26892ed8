// The dedupe windows: every batch once, however often it is sent.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mostProducers, Producers, windowLength } from '../src/producers.ts';
import { refused } from './support/refused.ts';

const id = (sequence: number, producer = 'w', producerEpoch = 0) => ({ producer, producerEpoch, sequence });
const hash = (n: number) => n.toString(16).padStart(16, '0');

test('a resend is found with its first version, gaps and other orders are taken', () => {
  const producers = new Producers();
  for (const [i, sequence] of [5, 1, 9, 3].entries()) {
    assert.is(producers.find(id(sequence), hash(sequence)), undefined);
    producers.note(id(sequence), hash(sequence), i + 1);
  }
  assert.is(producers.find(id(9), hash(9)), 3);
  assert.is(producers.find(id(5), hash(5)), 1);
  assert.is(producers.find(id(4), hash(4)), undefined);
  assert.equal(producers.position('w'), { producerEpoch: 0, sequence: 9 });
  assert.is(producers.position('x'), undefined);
});

test('the same number with other bytes, and a number below the window, are refused', () => {
  const producers = new Producers();
  producers.note(id(1), hash(1), 1);
  refused('E_SEQUENCE_REUSED', () => producers.find(id(1), hash(2)), /sequence 1 of "w" was already used/);
  producers.note(id(1 + windowLength), hash(7), 2);
  refused('E_SEQUENCE_TOO_OLD', () => producers.find(id(0), hash(1)), /more than 1024 behind 1025/);
  assert.is(producers.find(id(2), hash(2)), undefined);
});

test('a higher producer epoch starts a new window and fences the lower ones', () => {
  const producers = new Producers();
  producers.note(id(100), hash(1), 1);
  assert.is(producers.find(id(1, 'w', 1), hash(9)), undefined);
  producers.note(id(1, 'w', 1), hash(9), 2);
  refused('E_PRODUCER_FENCED', () => producers.find(id(101), hash(3)), /newer epoch 1/);
  assert.is(producers.find(id(1, 'w', 1), hash(9)), 2);
});

test('a window remembers no more than its length, and a snapshot of it brings everything back', () => {
  const producers = new Producers();
  for (let i = 0; i < 3 * windowLength; i++) producers.note(id(i), hash(i), i + 1);
  producers.note(id(4, 'other', 3), hash(4), 9999);
  const { list, windows } = producers.toList();
  assert.equal(list, [
    ['w', 0, 3 * windowLength - 1, windowLength],
    ['other', 3, 4, 1],
  ]);
  assert.is(windows.length, 3 * (windowLength + 1));
  const again = Producers.fromList({ list: JSON.parse(JSON.stringify(list)) as typeof list, windows });
  assert.is(again.find(id(3 * windowLength - 5), hash(3 * windowLength - 5)), 3 * windowLength - 4);
  refused('E_SEQUENCE_TOO_OLD', () => again.find(id(2 * windowLength - 1), hash(1)));
  refused('E_FRAME', () => Producers.fromList({ list, windows: windows.slice(3) }));
});

test('the producer that has been silent longest is forgotten beyond the limit', () => {
  const producers = new Producers();
  for (let i = 0; i < mostProducers; i++) producers.note(id(1, `p${i}`), hash(1), i + 1);
  producers.note(id(2, 'p0'), hash(2), mostProducers + 1);
  producers.note(id(1, 'new'), hash(1), mostProducers + 2);
  assert.is(producers.size, mostProducers);
  assert.is(producers.position('p1'), undefined);
  assert.ok(producers.position('p0'));
});

test('a copy stays as it is and goes its own way, though it shares its windows until one of the two is changed', () => {
  const producers = new Producers();
  for (let i = 1; i <= 3; i++) producers.note(id(i), hash(i), i);
  producers.note(id(1, 'quiet'), hash(9), 4);
  const copy = producers.copy();
  const before = copy.toList();
  assert.equal(before, producers.toList());
  producers.note(id(4), hash(4), 5);
  assert.equal(copy.toList(), before);
  copy.note(id(4), hash(7), 5);
  copy.note(id(5), hash(8), 6);
  assert.is(producers.find(id(4), hash(4)), 5);
  assert.is(producers.find(id(5), hash(8)), undefined);
  assert.is(copy.find(id(4), hash(7)), 5);
  refused('E_SEQUENCE_REUSED', () => copy.find(id(4), hash(4)));
});

test.run();
