// Packed values: what each number format holds, and what it rounds to.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fromHalves, toBF16, toF16 } from '../../src/encodings/halves.ts';
import { blockLengthOf, blocksOf, fromCodes, toCodes } from '../../src/encodings/int8.ts';
import { sameBits } from '../support/bits.ts';
import { chance, seed } from '../support/random.ts';

const all = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);

for (const [dtype, encode, fractionBits] of [
  ['F16', toF16, 10],
  ['BF16', toBF16, 7],
] as const) {
  const finite = all.filter(
    (bits) => ((bits >>> fractionBits) & ((1 << (15 - fractionBits)) - 1)) !== (1 << (15 - fractionBits)) - 1,
  );
  const values = fromHalves({ dtype, bits: finite });

  test(`every finite ${dtype} comes back as it was, with its sign where it is zero`, () => {
    assert.ok(values.every(Number.isFinite));
    assert.equal(encode(values).bits, finite);
  });

  test(`a float32 becomes the nearest ${dtype}, and of two that are as near the even one`, () => {
    const positive = finite.filter((bits) => bits < 0x8000).slice(0, -1);
    for (const bits of positive) {
      const [low, high] = fromHalves({ dtype, bits: Uint16Array.of(bits, bits + 1) });
      const middle = (low + high) / 2;
      // beyond 2^110 differences are cut, so that no sum overflows
      if (middle >= 2 ** 110 || Math.fround(middle) !== middle) continue;
      const found = encode(Float32Array.of(middle, low + (high - low) * 0.25, low + (high - low) * 0.75, -middle)).bits;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.is(found[0], even);
      assert.is(found[3], even | 0x8000);
      if (Math.fround(low + (high - low) * 0.25) === low + (high - low) * 0.25)
        assert.equal([found[1], found[2]], [bits, bits + 1]);
    }
  });

  test(`the largest floats become a finite ${dtype}`, () => {
    const largest = 3.4028234663852886e38;
    const [high, low] = fromHalves(encode(Float32Array.of(largest, -largest)));
    assert.ok(Number.isFinite(high) && low === -high && high > 65_000);
  });
}

test('int8: a code times its scale is within half a scale of the value, and zeros need no scale', () => {
  const random = chance(seed);
  const values = Float32Array.from({ length: 1000 }, (_, i) => (i < 100 ? 0 : (random() - 0.5) * 10 ** (i / 100)));
  const { codes, scale } = toCodes(values, 100);
  assert.is(scale.length, 10);
  assert.is(scale[0], 0);
  const back = fromCodes({ codes, scale });
  for (let i = 0; i < 1000; i++)
    assert.ok(Math.abs(back[i] - values[i]) <= scale[Math.floor(i / 100)] * 0.5000001, `seed ${seed}, ${i}`);
  sameBits(back.subarray(0, 100), new Float32Array(100));
});

test('int8: a reader finds the length of the blocks from the number of scales alone', () => {
  for (let values = 1; values < 200; values++)
    for (const blockLength of [1, 2, 3, 7, 64, 512]) {
      const blocks = blocksOf(values, blockLength);
      const length = blockLengthOf(values, blocks);
      assert.ok(length <= blockLength && Math.ceil(values / length) === blocks, `${values} ${blockLength}`);
    }
});

test.run();
