// A record ready to be written: what takes time is done when it comes, while the disk is busy with those before it.
import { crcAfter } from './crc.ts';

/** A journal record for a segment; its bytes are borrowed until it is written. */
export interface PreparedRecord {
  readonly version: number;
  /** When the batch was made, in milliseconds since 1970, if it says. */
  readonly time: number | undefined;
  /** The stamped frame, in parts one behind the other. */
  readonly parts: readonly Uint8Array[];
  /** Of all parts together. */
  readonly byteLength: number;
  /** The CRC32 of all parts together; undefined for a small record, whose CRC is computed at once with those beside it. */
  readonly crc: number | undefined;
}

// below it a call takes longer than the bytes do
const smallBytes = 4 << 10;

/** Prepares a stamped frame. */
export function prepareRecord({ version, time, parts }: Pick<PreparedRecord, 'version' | 'time' | 'parts'>): PreparedRecord {
  const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return { version, time, parts, byteLength, crc: byteLength < smallBytes ? undefined : parts.reduce(crcAfter, 0) };
}
