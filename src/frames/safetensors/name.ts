// What a tensor may be called: the one rule of the reader and the writer.
import { GradwireError, quote } from '../../errors.ts';
import { isPrintable } from '../../layout.ts';
import { safetensorsLimits } from './limits.ts';

/** The header key that holds the metadata, so no tensor can have it. */
export const metadataKey = '__metadata__';

const longest = safetensorsLimits.nameBytes;
const encoder = new TextEncoder();

/** Throws `E_ST_NAME` for a name with control characters or lone surrogates, a name too long, or the key of the metadata. */
export function checkName(name: string): void {
  if (name === metadataKey) throw new GradwireError('E_ST_NAME', `"${metadataKey}" is the key of the metadata, not of a tensor`);
  // printable ASCII: every name that is common
  if (name.length <= longest && /^[ -~]*$/.test(name)) return;
  if (!isPrintable(name)) throw new GradwireError('E_ST_NAME', `${quote(name)} has control characters or lone surrogates`);
  const { byteLength } = encoder.encode(name);
  if (byteLength > longest)
    throw new GradwireError('E_ST_NAME', `${quote(name)} has ${byteLength} bytes, the limit is ${longest}`);
}
