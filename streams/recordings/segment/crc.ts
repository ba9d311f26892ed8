// CRC32 over parts, of which some may be empty.
import { crc32 } from 'node:zlib';

/** The CRC32 of what `crc` is that of, and `bytes` after it. */
export function crcAfter(crc: number, bytes: Uint8Array): number {
  // an empty array may have no memory at all, and zlib then begins anew with 0
  return bytes.byteLength === 0 ? crc : crc32(bytes, crc);
}
