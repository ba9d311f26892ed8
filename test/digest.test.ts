// xxHash64: our own agrees with the package xxhash-wasm, whole and in parts.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import xxhash from 'xxhash-wasm';
import { digestOf } from '../src/digest.ts';
import { chance } from './support/random.ts';

const { h64Raw } = await xxhash();
const random = chance(64);
const bytes = Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256));
const expected = (part: Uint8Array): string => h64Raw(part, 0n).toString(16).padStart(16, '0');

test('digests are xxHash64 with seed 0, of every length and alignment', () => {
  for (let length = 0; length < 200; length++) {
    const part = bytes.subarray(length % 7, (length % 7) + length);
    assert.is(digestOf(part), expected(part), `${length} bytes`);
  }
  for (const length of [1023, 65_535, 65_536, 65_537, 299_999])
    assert.is(digestOf(bytes.subarray(1, 1 + length)), expected(bytes.subarray(1, 1 + length)));
});

test('parts hash as what they make together', () => {
  for (let i = 0; i < 100; i++) {
    const cuts = [0, ...[random(), random(), random()].map((share) => Math.floor(share * 70_000)).sort((a, b) => a - b), 70_000];
    const parts = cuts.slice(1).map((end, j) => bytes.subarray(cuts[j], end));
    assert.is(digestOf(...parts), expected(bytes.subarray(0, 70_000)));
  }
});

test('the digest of nothing is that of the definition', () => {
  assert.is(digestOf(new Uint8Array()), 'ef46db3751d8e999');
});

test.run();
