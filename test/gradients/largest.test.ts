// The largest magnitude of a gradient's values: found at every place, in every length, whatever its sign.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bitsOf } from '../../src/floats.ts';
import { largestBits } from '../../src/gradients/largest.ts';
import { chance } from '../support/random.ts';

const bitsOfOne = (value: number): number => bitsOf(Float32Array.of(value))[0] & 0x7fff_ffff;

test('the largest is found at each place of each length, and nothing of the values before them', () => {
  largestBits(new Float32Array(20_000).fill(Number.NaN));
  for (const length of [0, 1, 15, 16, 17, 33, 16_383, 16_384, 16_385, 32_768, 40_001]) {
    const values = Float32Array.from({ length }, (_, i) => ((i % 7) - 3) * 0.25);
    const most = values.reduce((sum, value) => Math.max(sum, Math.abs(value)), 0);
    assert.is(largestBits(values), bitsOfOne(most), `${length} values`);
    const places = length < 100 ? [...values.keys()] : [0, 1, length >> 1, length - 17, length - 1, 16_383, 16_384];
    for (const place of places.filter((each) => each < length)) {
      for (const special of [9, -9, 3e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
        const before = values[place];
        values[place] = special;
        assert.is(largestBits(values), bitsOfOne(special), `${special} at ${place} of ${length}`);
        values[place] = before;
      }
    }
  }
});

test('the order of the bits is that of the magnitudes: zeros, subnormals, infinity, and NaN above it, of either sign', () => {
  const ascending = [0, 1e-45, 1e-40, 1e-38, 1, 1e9, 3.4e38, Number.POSITIVE_INFINITY];
  for (const [i, value] of ascending.entries()) {
    for (const below of ascending.slice(0, i + 1))
      assert.is(largestBits(Float32Array.of(-below, value, below, -0)), bitsOfOne(value), `${value} and ${below}`);
  }
  const nans = new Float32Array(Int32Array.of(0x7fc0_0000, -1).buffer);
  assert.is(largestBits(nans), 0x7fff_ffff);
});

test('random views, aligned to a value and no more, as a plain loop has it', () => {
  const random = chance(11);
  const all = Float32Array.from({ length: 50_000 }, () => (random() - 0.5) * 2 ** Math.floor(random() * 60 - 30));
  for (let i = 0; i < 300; i++) {
    const from = Math.floor(random() * all.length);
    const values = all.subarray(from, from + Math.floor(random() * 20_000));
    let most = 0;
    for (const value of values) most = Math.max(most, Math.abs(value));
    assert.is(largestBits(values), bitsOfOne(most));
  }
});

test.run();
