// largest: the values of largest magnitude, found by counting their bits, without sorting.
import { bitsOf } from '../floats.ts';

// the 31 bits of a magnitude: a first digit of 11 bits, then two of 10 bits
const low = { shift: [10, 0], mask: 1023 } as const;

/**
 * The positions of the `count` values of largest magnitude, ascending; fewer where fewer are not zero. Of equal magnitudes
 * those that come first are taken.
 */
export function largest(values: Float32Array, count: number): Int32Array {
  const bits = bitsOf(values);
  const counts = new Uint32Array(2048);
  let zeros = 0;
  // by index, for an iterator takes three times as long
  for (let i = bits.length - 1; i >= 0; i--) {
    const magnitude = bits[i] & 0x7fff_ffff;
    if (magnitude === 0) zeros = zeros + 1;
    counts[magnitude >>> 20] += 1;
  }
  const some = bits.length - zeros;
  if (some <= count) return collect(bits, { threshold: 0, ties: 0, count: some });
  let [digit, ties] = digitOf(counts, count);
  let threshold = digit;
  let candidates = within(bits, digit, counts[digit]);
  for (const shift of low.shift) {
    const next = new Uint32Array(1024);
    for (const magnitude of candidates) next[(magnitude >>> shift) & low.mask] += 1;
    [digit, ties] = digitOf(next, ties);
    threshold = threshold * 1024 + digit;
    const found = digit;
    candidates = candidates.filter((magnitude) => ((magnitude >>> shift) & low.mask) === found);
  }
  return collect(bits, { threshold, ties, count });
}

/** The digit in which the `wanted`th value from the top is, and how many of that digit are still wanted. */
function digitOf(counts: Uint32Array, wanted: number): [digit: number, wanted: number] {
  let left = wanted;
  let digit = counts.length - 1;
  for (; counts[digit] < left; digit--) left -= counts[digit];
  return [digit, left];
}

/** The magnitudes that begin with a first digit. */
function within(bits: Int32Array, digit: number, count: number): Int32Array {
  const found = new Int32Array(count);
  let at = 0;
  for (let i = 0; i < bits.length && at < count; i++) {
    const magnitude = bits[i] & 0x7fff_ffff;
    if (magnitude >>> 20 === digit) found[at++] = magnitude;
  }
  return found;
}

/** The positions of all magnitudes above the threshold, and of the first `ties` that are equal to it. */
function collect(bits: Int32Array, { threshold, ties, count }: { threshold: number; ties: number; count: number }): Int32Array {
  const positions = new Int32Array(count);
  let left = ties;
  let at = 0;
  for (let i = 0; i < bits.length && at < count; i++) {
    const magnitude = bits[i] & 0x7fff_ffff;
    if (magnitude > threshold) positions[at++] = i;
    else if (magnitude === threshold && left > 0) {
      left -= 1;
      positions[at++] = i;
    }
  }
  return positions;
}
