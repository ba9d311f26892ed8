// CRC32 over parts, of which some may be empty, and of parts whose own CRC32 is known.
import { crc32 } from 'node:zlib';

/** The CRC32 of what `crc` is that of, and `bytes` after it. */
export function crcAfter(crc: number, bytes: Uint8Array): number {
  // an empty array may have no memory at all, and zlib then begins anew with 0
  return bytes.byteLength === 0 ? crc : crc32(bytes, crc);
}

/**
 * The CRC32 of `a` bytes and `b` bytes after them, from the CRC32 of each and the length of the second: a product of polynomials
 * over GF(2) modulo that of the CRC, with its bits reflected (as zlib's `crc32_combine`).
 */
export function combineCrcs(a: number, b: number, byteLengthOfB: number): number {
  return (multiply(powerOf(byteLengthOfB), a) ^ b) >>> 0;
}

const polynomial = 0xedb88320;
const one = 0x8000_0000;

/** a · b modulo the polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ polynomial;
  }
  return product >>> 0;
}

// x^(2^n), each the square of the one before
const squares = [0x4000_0000];
for (let n = 1; n < 64; n++) squares.push(multiply(squares[n - 1], squares[n - 1]));

let known = { byteLength: 0, power: one };

/** x^(8 · bytes); the records of a stream mostly have one length, so the last is kept. */
function powerOf(byteLength: number): number {
  if (known.byteLength === byteLength) return known.power;
  let power = one;
  // eight bits a byte: the first power needed is x^(2^3)
  for (let rest = byteLength, n = 3; rest > 0; rest = Math.floor(rest / 2), n++)
    if (rest % 2 === 1) power = multiply(squares[n], power);
  known = { byteLength, power };
  return power;
}
