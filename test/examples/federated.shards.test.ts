// Shards of the digits: nobody has another's, together they are everything, and skew is as large as it was asked for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Batches, only, roundsOfPass, shardsOf } from '../../examples/federated/shards.ts';
import { readDigits } from '../../examples/mnist/digits.ts';

const training = readDigits('training');

/** Why these are not all numbers below `count`, each once; undefined where they are. */
function flaw(parts: readonly ArrayLike<number>[], count: number): string | undefined {
  const seen = new Set<number>();
  for (const part of parts)
    for (const at of Array.from(part)) {
      if (seen.has(at)) return `${at} is there twice`;
      if (at >= count) return `there is no ${at}`;
      seen.add(at);
    }
  return seen.size === count ? undefined : `${count - seen.size} are missing`;
}

test('no digit is in two shards, and together the shards are all digits', () => {
  for (const [count, workers, skew] of [
    [60_000, 4, 0],
    [60_000, 4, 0.5],
    [60_000, 7, 1],
    [10, 7, 0.9],
    [5, 5, 0.3],
    [1, 1, 1],
  ] as const) {
    const shards = shardsOf(training.labels.subarray(0, count), { workers, skew, seed: 3 });
    assert.is(flaw(shards, count), undefined, `${count} digits, ${workers} workers, skew ${skew}`);
    const sizes = shards.map(({ length }) => length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `sizes ${sizes}`);
  }
});

test('control: a digit that two have, and one that nobody has, are found', () => {
  const [first, second, ...rest] = shardsOf(training.labels, { workers: 4, skew: 0, seed: 1 });
  const twice = second.slice();
  twice[5] = first[9];
  assert.is(flaw([first, twice, ...rest], training.count), `${first[9]} is there twice`);
  assert.is(flaw([first, second.subarray(1), ...rest], training.count), '1 are missing');
});

test('without skew every shard has all labels alike, and a skew of 1 leaves it a few', () => {
  const shares = (skew: number): number[] =>
    shardsOf(training.labels, { workers: 5, skew, seed: 1 }).map((shard) => {
      const counts = new Array<number>(10).fill(0);
      for (const at of shard) counts[training.labels[at]] += 1 / shard.length;
      const [most, second, third] = counts.sort((a, b) => b - a);
      return most + second + third;
    });
  assert.ok(Math.max(...shares(0)) < 0.35, `${shares(0)}`);
  assert.ok(Math.min(...shares(1)) > 0.99, `${shares(1)}`);
  for (const share of shares(0.5)) assert.ok(share > 0.5 && share < 0.75, `${share}`);
});

test('a worker keeps the pixels and labels of its own digits alone', () => {
  const own = only(training, Uint32Array.of(7, 59_999));
  assert.equal([own.count, [...own.labels]], [2, [training.labels[7], training.labels[59_999]]]);
  assert.is(Buffer.compare(own.pixels.subarray(0, 784), training.pixels.subarray(7 * 784, 8 * 784)), 0);
  assert.is(own.pixels.length, 2 * 784);
});

test('a pass takes each digit of a shard once, in batches that are never empty or larger than asked for', () => {
  for (const [digits, workers, batch] of [
    [60_000, 4, 32],
    [289, 3, 32],
    [100, 3, 64],
    [64, 4, 16],
  ]) {
    const rounds = roundsOfPass({ digits, workers, batch });
    for (const count of [Math.floor(digits / workers), Math.ceil(digits / workers)]) {
      const batches = new Batches({ count, rounds, seed: 5 });
      const pass = (first: number): Uint32Array[] => Array.from({ length: rounds }, (_, i) => batches.at(first + i));
      assert.is(flaw(pass(0), count), undefined);
      assert.is(flaw(pass(3 * rounds), count), undefined);
      for (const { length } of pass(0)) assert.ok(length >= 1 && length <= batch, `${length} digits`);
      if (count > 50)
        assert.not.equal(
          pass(rounds).flatMap((each) => [...each]),
          pass(0).flatMap((each) => [...each]),
        );
    }
  }
});

test.run();
