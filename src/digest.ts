// Digests of bytes: xxHash64 with seed 0, as sixteen lower-case hexadecimal digits.
import { Xxh64, xxh64 } from './digest/xxh64.ts';
import { finish, type Work } from './work.ts';

// a slice of work: a third of a millisecond
const piece = 1 << 20;

/**
 * The xxHash64 (seed 0) of the bytes of `parts`, one after the other, as 16 hexadecimal digits.
 *
 * It finds accidents, not forgery: it is no cryptographic hash.
 */
export function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = parts.length === 1 ? xxh64(parts[0]) : undefined;
  return hash === undefined ? finish(digestInSlices(parts)) : digits(hash);
}

/** {@link digestOf} as work in slices. The parts are borrowed until it is done. */
export function* digestInSlices(parts: readonly Uint8Array[]): Work<string> {
  const state = new Xxh64();
  for (const part of parts) {
    for (let offset = 0; offset < part.byteLength; offset += piece) {
      state.update(part.subarray(offset, offset + piece));
      if (offset + piece < part.byteLength) yield;
    }
  }
  return digits(state.digest());
}

/** The little-endian bytes of a typed array, as a view. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function digits(hash: bigint): string {
  return hash.toString(16).padStart(16, '0');
}
