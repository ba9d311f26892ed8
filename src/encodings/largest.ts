// largest: the values of largest magnitude, found by counting their bits, without sorting.
import { bitsOf } from '../floats.ts';

// the 31 bits of a magnitude, from the top: digits of 11, 10 and 10 bits
const digits = [
  { shift: 20, size: 2048 },
  { shift: 10, size: 1024 },
  { shift: 0, size: 1024 },
] as const;

/**
 * The positions of the `count` values of largest magnitude, ascending; fewer where fewer are not zero. Of equal magnitudes
 * those that come first are taken.
 */
export function largest(values: Float32Array, count: number): Int32Array {
  const bits = bitsOf(values);
  let some = 0;
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7fff_ffff) !== 0) some += 1;
  if (some <= count) return collect(bits, { threshold: 0, ties: 0, count: some });
  let prefix = 0;
  let ties = count;
  for (const { shift, size } of digits) {
    const counts = countDigits(bits, { prefix, shift, size });
    let digit = size - 1;
    for (; counts[digit] < ties; digit--) ties -= counts[digit];
    prefix = prefix * size + digit;
  }
  return collect(bits, { threshold: prefix, ties, count });
}

/** How often each digit stands at a place, among the magnitudes that begin with `prefix`. */
function countDigits(bits: Int32Array, { prefix, shift, size }: { prefix: number; shift: number; size: number }): Uint32Array {
  const counts = new Uint32Array(size);
  const above = shift + (size === 2048 ? 11 : 10);
  for (const each of bits) {
    const magnitude = each & 0x7fff_ffff;
    if (above === 31 || magnitude >>> above === prefix) counts[(magnitude >>> shift) & (size - 1)] += 1;
  }
  return counts;
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
