// Bytes of a file against the bytes that should stand there.
import { BadPlace } from '../../segment/bad-place.ts';
import type { Pieces } from '../../segment/pieces.ts';

/** The file ends within what should stand there; all before its end is right. */
export class CutOff extends BadPlace {}

/** Passes over bytes that must be those of `expected`. Throws {@link BadPlace} at the first that is not, {@link CutOff} at the file's end. */
export async function expectBytes(pieces: Pieces, expected: Uint8Array, what: string): Promise<void> {
  const { offset } = pieces;
  const byteLength = Math.min(pieces.left, expected.byteLength);
  await pieces.need(byteLength);
  demandEqual(pieces.take(byteLength), expected.subarray(0, byteLength), { offset, what });
  if (byteLength < expected.byteLength) throw new CutOff(`the file ends within ${what}`, pieces.offset);
}

/** Throws {@link BadPlace} where the bytes found at `offset` are not those expected. */
export function demandEqual(
  found: Uint8Array,
  expected: Uint8Array,
  { offset, what }: { readonly offset: number; readonly what: string },
): void {
  if (Buffer.compare(found, expected) === 0) return;
  const different = expected.findIndex((byte, i) => byte !== found[i]);
  const at = different < 0 ? expected.byteLength : different;
  throw new BadPlace(`${what} is not the one that its data have`, offset + at);
}
