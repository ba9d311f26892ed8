// The check of a frame's own header: the xxHash64 of its bytes, which stands first in its metadata.
import { digestOf } from '../digest.ts';
import { GradwireError } from '../errors.ts';
import type { Metadata } from './metadata.ts';
import { metadataKey } from './safetensors/name.ts';

/** What stands in the place of the digits while they are computed. A writer gives it as `header`, the first key of the metadata, then calls {@link sign}. */
export const unsigned: string = '0'.repeat(16);

const digitsAt = 8 + `{"${metadataKey}":{"header":"`.length;
const digitsEnd = digitsAt + unsigned.length;

/** Writes the digits into a frame that was made with {@link unsigned}, and returns it. */
export function sign(frame: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const digits = digestOf(headerOf(frame));
  for (let i = 0; i < digits.length; i++) frame[digitsAt + i] = digits.charCodeAt(i);
  return frame;
}

/** Throws `E_CHECK` where a frame's header is not what its `header` says. A frame may have none: then nothing vouches for its header. */
export function checkHeader(frame: Uint8Array, { header }: Metadata): void {
  if (header === undefined) return;
  const bytes = headerOf(frame).slice();
  bytes.fill(0x30, digitsAt, digitsEnd);
  const found = digestOf(bytes);
  if (found !== header)
    throw new GradwireError('E_CHECK', `the header has the check ${found}, it says ${header}; nothing was applied`);
}

/** The header's bytes, their length before them included. */
function headerOf({ buffer, byteOffset }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, 8 + new DataView(buffer, byteOffset, 8).getUint32(0, true));
}
