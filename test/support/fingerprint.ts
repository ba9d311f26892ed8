// Many float64 numbers as one short text, to be written down in a test: any bit that changes changes it.
import { createHash } from 'node:crypto';

/** The first 16 hex digits of the SHA-256 of the numbers' bytes, lowest byte first; NaN is NaN whatever its bits. */
export function fingerprint(values: Iterable<number>): string {
  const list = [...values];
  const bytes = new DataView(new ArrayBuffer(list.length * 8));
  for (const [i, value] of list.entries()) bytes.setFloat64(i * 8, value, true);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
