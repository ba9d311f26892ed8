// Digests of bytes: xxHash64 with seed 0, as sixteen lower-case hexadecimal digits.
import xxhash from 'xxhash-wasm';

const { create64, h64Raw } = await xxhash();

// the hash copies its input into its own memory, so larger inputs go through it in pieces of this many bytes
const piece = 1 << 20;

/**
 * The xxHash64 (seed 0) of the bytes of `parts`, one after the other, as 16 hexadecimal digits.
 *
 * It finds accidents, not forgery: it is no cryptographic hash.
 */
export function digestOf(...parts: readonly Uint8Array[]): string {
  return hash(parts).toString(16).padStart(16, '0');
}

/** The little-endian bytes of a typed array, as a view. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function hash(parts: readonly Uint8Array[]): bigint {
  if (parts.length === 1 && parts[0].byteLength <= piece) return h64Raw(parts[0]);
  const state = create64();
  for (const part of parts) {
    for (let offset = 0; offset < part.byteLength; offset += piece) state.update(part.subarray(offset, offset + piece));
  }
  return state.digest();
}
