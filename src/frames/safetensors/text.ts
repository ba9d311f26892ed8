// The header's text, and the buffer that begins with it.
import { GradwireError, quote } from '../../errors.ts';
import type { Entry } from './entry.ts';
import { completeLimits, type SafetensorsLimits } from './limits.ts';
import { metadataKey } from './name.ts';
import { mapOf, type Pairs } from './pairs.ts';

const encoder = new TextEncoder();

/** A new buffer with its header in place, and zeros in `data`, the view of it where the tensors' bytes go. */
export interface Blank {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Begins a buffer. Throws `E_ST_HEADER_LIMIT` or `E_ST_COUNT` for a header that the reader would refuse under the same limits. */
export function begin(metadata: Pairs<string>, entries: readonly Entry[], byteLength: number, limits?: SafetensorsLimits): Blank {
  const most = completeLimits(limits);
  const count = entries.length;
  if (count > most.tensors) throw new GradwireError('E_ST_COUNT', `${count} tensors, the limit is ${most.tensors}`);
  const text = headerText(metadata, entries);
  const room = { limit: most.headerBytes, byteLength };
  // as many bytes as characters, where all of them are ASCII, as in nearly every header
  return blank(text, text.length, room) ?? (blank(text, encoder.encode(text).byteLength, room) as Blank);
}

/** A buffer whose header, of so many bytes, is padded so that the data begins on a multiple of 8; undefined where the text has more. */
function blank(
  text: string,
  headerBytes: number,
  { limit, byteLength }: { limit: number; byteLength: number },
): Blank | undefined {
  const length = Math.ceil(headerBytes / 8) * 8;
  if (length > limit) throw new GradwireError('E_ST_HEADER_LIMIT', `header length ${length} exceeds ${limit}`);
  const bytes = new Uint8Array(8 + length + byteLength);
  const { read, written } = encoder.encodeInto(text, new Uint8Array(bytes.buffer, 8, length));
  if (read < text.length) return undefined;
  bytes.fill(0x20, 8 + written, 8 + length);
  for (let i = 0, rest = length; rest > 0; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return { bytes, data: new Uint8Array(bytes.buffer, 8 + length) };
}

function headerText(metadata: Pairs<string>, entries: readonly Entry[]): string {
  const labels = textOfObject(metadata) ?? textOfMap(mapOf('metadata', metadata));
  let text = labels === '{}' ? '{' : `{"${metadataKey}":${labels}`;
  let separator = labels === '{}' ? '' : ',';
  for (const { name, dtype, shape, begin, end } of entries) {
    text += `${separator}${quoted(name)}:{"dtype":"${dtype}","shape":[${shape.join()}],"data_offsets":[${begin},${end}]}`;
    separator = ',';
  }
  return `${text}}`;
}

/** JSON of metadata that are an object, in one call of the engine's own; undefined where they take a closer look. */
function textOfObject(metadata: Pairs<string>): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || Symbol.iterator in metadata || 'toJSON' in metadata) return undefined;
  const keys = Object.keys(metadata);
  if (keys.length === 0) return undefined;
  for (const key of keys) demandText(key, metadata[key]);
  const text = JSON.stringify(metadata);
  // only a surrogate without its other half is written as an escape
  return text.startsWith('{') && !text.includes('\\ud') ? text : undefined;
}

function textOfMap(metadata: ReadonlyMap<string, unknown>): string {
  const fields = Array.from(metadata, ([key, value]) => {
    demandText(key, value);
    return `${quoted(key)}:${quoted(value as string)}`;
  });
  return `{${fields.join()}}`;
}

function demandText(key: string, value: unknown): void {
  if (typeof value === 'string') return;
  const found = value === null ? 'null' : `of type ${typeof value}`;
  throw new GradwireError('E_ST_METADATA', `${quote(key)} is ${found}, must be a string`);
}

/** JSON of a string. */
function quoted(text: string): string {
  // names were checked before, so this is metadata
  if (/\p{Surrogate}/u.test(text)) throw new GradwireError('E_ST_METADATA', `${quote(text)} has a lone surrogate`);
  return JSON.stringify(text);
}
