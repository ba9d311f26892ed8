// Halves: float32 as F16 or BF16, rounded to the nearest, ties to even; what would become infinite stays finite.
import { bitsOf } from '../floats.ts';

/** 16-bit floats as a frame carries them. */
export interface Halves {
  readonly dtype: 'F16' | 'BF16';
  readonly bits: Uint16Array;
}

/** From this exponent on BF16 rounds towards zero, so that nothing that the result is added to can overflow: 2^110. */
const hugeBits = (110 + 127) << 23;

/** Finite values as BF16. */
export function toBF16(values: Float32Array): Halves {
  const from = bitsOf(values);
  const bits = new Uint16Array(from.length);
  for (let i = 0; i < from.length; i++) {
    const value = from[i];
    const isHuge = (value & 0x7fff_ffff) >= hugeBits;
    bits[i] = isHuge ? value >>> 16 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return { dtype: 'BF16', bits };
}

// the largest F16, and from where on float32 would be rounded to infinity
const largestF16 = 0x7bff;
const overflowF16 = 0x477f_f000;
const leastNormalF16 = 0x3880_0000;
const exponentOffset = 112 << 23;

/** Finite values as F16; those beyond ±65,504 become ±65,504. */
export function toF16(values: Float32Array): Halves {
  const from = bitsOf(values);
  const bits = new Uint16Array(from.length);
  for (let i = 0; i < from.length; i++) {
    const sign = (from[i] >>> 16) & 0x8000;
    const magnitude = from[i] & 0x7fff_ffff;
    if (magnitude < leastNormalF16) bits[i] = sign | subnormalF16(values[i]);
    else if (magnitude >= overflowF16) bits[i] = sign | largestF16;
    else bits[i] = sign | ((magnitude - exponentOffset + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  return { dtype: 'F16', bits };
}

// adding and taking away 1.5 · 2^52 rounds a double to an integer, ties to even
const toInteger = 6755399441055744;

function subnormalF16(value: number): number {
  return Math.abs(value) * 2 ** 24 + toInteger - toInteger;
}

/** Halves as the float32 values that they stand for. */
export function fromHalves({ dtype, bits }: Halves): Float32Array {
  const values = new Float32Array(bits.length);
  const to = bitsOf(values);
  if (dtype === 'BF16') for (let i = 0; i < bits.length; i++) to[i] = bits[i] << 16;
  else {
    const table = (tableF16 ??= makeTableF16());
    for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  }
  return values;
}

let tableF16: Float32Array | undefined;

function makeTableF16(): Float32Array {
  return Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
}
