// The header's text, and the buffer that begins with it.
import { GradwireError, quote } from '../../errors.ts';
import type { Entry } from './entry.ts';
import { completeLimits, type SafetensorsLimits } from './limits.ts';
import { metadataKey } from './name.ts';

const encoder = new TextEncoder();

/** A new buffer with its header in place, and zeros in `data`, the view of it where the tensors' bytes go. */
export interface Blank {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Begins a buffer. Throws `E_ST_HEADER_LIMIT` or `E_ST_COUNT` for a header that the reader would refuse under the same limits. */
export function begin(
  metadata: ReadonlyMap<string, string>,
  entries: readonly Entry[],
  byteLength: number,
  limits?: SafetensorsLimits,
): Blank {
  const most = completeLimits(limits);
  const count = entries.length;
  if (count > most.tensors) throw new GradwireError('E_ST_COUNT', `${count} tensors, the limit is ${most.tensors}`);
  const header = encoder.encode(headerText(metadata, entries));
  // padded, so that the data begins on a multiple of 8
  const length = Math.ceil(header.byteLength / 8) * 8;
  const limit = most.headerBytes;
  if (length > limit) throw new GradwireError('E_ST_HEADER_LIMIT', `header length ${length} exceeds ${limit}`);
  const bytes = new Uint8Array(8 + length + byteLength);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.set(header, 8);
  bytes.fill(0x20, 8 + header.byteLength, 8 + length);
  return { bytes, data: bytes.subarray(8 + length) };
}

function headerText(metadata: ReadonlyMap<string, string>, entries: readonly Entry[]): string {
  let text = metadata.size === 0 ? '{' : `{"${metadataKey}":{${textOf(metadata)}}`;
  let separator = metadata.size === 0 ? '' : ',';
  for (const { name, dtype, shape, begin, end } of entries) {
    text += `${separator}${quoted(name)}:{"dtype":"${dtype}","shape":[${shape.join()}],"data_offsets":[${begin},${end}]}`;
    separator = ',';
  }
  return `${text}}`;
}

function textOf(metadata: ReadonlyMap<string, unknown>): string {
  let text = '';
  for (const [key, value] of metadata) {
    if (typeof value !== 'string') {
      const found = value === null ? 'null' : `of type ${typeof value}`;
      throw new GradwireError('E_ST_METADATA', `${quote(key)} is ${found}, must be a string`);
    }
    text += `${text === '' ? '' : ','}${quoted(key)}:${quoted(value)}`;
  }
  return text;
}

/** JSON of a string. Printable ASCII, which is most of it, is ready as it is. */
function quoted(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`;
  // names were checked before, so this is metadata
  if (/\p{Surrogate}/u.test(text)) throw new GradwireError('E_ST_METADATA', `${quote(text)} has a lone surrogate`);
  return JSON.stringify(text);
}
