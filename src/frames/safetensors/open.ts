// From bytes to a checked header and the data section: lengths first, then text, then the grammar, then the places.
import { GradwireError } from '../../errors.ts';
import { className } from './dtype.ts';
import { type Header, parseHeader } from './header.ts';
import { completeLimits, type SafetensorsLimits } from './limits.ts';

/** A buffer that has passed every check; `data` is a view of it. */
export interface Opened extends Header {
  readonly data: Uint8Array;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// what people really pass by mistake; the bytes themselves are never printed
const otherFiles: readonly (readonly [start: RegExp, what: string])[] = [
  [/^version /, 'a Git LFS pointer'],
  [/^PK\W\W/, 'a ZIP archive'],
  [/^\s*<[\s -~]+$/, 'HTML or XML'],
  [/^\s*\{[\s -~]+$/, 'JSON without the length before it'],
  [/^[\s!-~]+$/, 'text'],
];

/** Opens a safetensors buffer without building anything the size of its data. Throws an `E_ST_*` error. */
export function open(buffer: ArrayBuffer | Uint8Array, limits?: SafetensorsLimits): Opened {
  const { headerBytes, tensors } = completeLimits(limits);
  const bytes = viewOf(buffer);
  const length = headerLength(bytes, headerBytes);
  const data = bytes.subarray(8 + length);
  const { byteLength } = data;
  const { metadata, entries } = parseHeader(decode(bytes.subarray(8, 8 + length)), { tensors, byteLength });
  return { metadata, entries, data };
}

/** A plain `Uint8Array`, since a Node `Buffer` has another `slice`. */
function viewOf(buffer: ArrayBuffer | Uint8Array): Uint8Array {
  if (className(buffer) === 'Uint8Array') {
    const { buffer: whole, byteOffset, byteLength } = buffer as Uint8Array;
    return new Uint8Array(whole, byteOffset, byteLength);
  }
  const kind = Object.prototype.toString.call(buffer).slice('[object '.length, -1);
  if (kind === 'ArrayBuffer') return new Uint8Array(buffer as ArrayBuffer);
  throw new GradwireError('E_CONFIG', `a safetensors buffer is an ArrayBuffer or a Uint8Array, got ${kind}`);
}

function headerLength(bytes: Uint8Array, limit: number): number {
  const { byteLength } = bytes;
  if (byteLength < 8) throw new GradwireError('E_ST_SHORT', `${byteLength} bytes, need at least 8 for the header length`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const low = view.getUint32(0, true);
  if (view.getUint32(4, true) === 0 && low <= byteLength - 8 && low <= limit) return low;
  // all 64 bits before anything is a Number, which would round them
  const length = view.getBigUint64(0, true);
  const fits = length <= BigInt(byteLength - 8);
  const allowed = length <= BigInt(limit);
  const hint = fits || allowed ? '' : otherFile(String.fromCharCode(...bytes.subarray(0, 8)));
  if (!allowed && hint === '') throw new GradwireError('E_ST_HEADER_LIMIT', `header length ${length} exceeds ${limit}`);
  throw new GradwireError('E_ST_HEADER_LENGTH', `header says ${length} bytes, buffer has ${byteLength - 8} for it${hint}`);
}

/** A hint where the eight bytes that should be a length are the start of a file of another kind. */
function otherFile(start: string): string {
  const what = otherFiles.find(([pattern]) => pattern.test(start))?.[1];
  return what === undefined ? '' : `; it looks like ${what}`;
}

function decode(header: Uint8Array): string {
  let text: string;
  try {
    text = utf8.decode(header);
  } catch (cause) {
    throw new GradwireError('E_ST_UTF8', `the header is not UTF-8 at byte ${firstBadByte(header)}`, { cause });
  }
  if (text.startsWith('\ufeff')) throw new GradwireError('E_ST_UTF8', 'the header starts with a byte order mark at byte 0');
  return text;
}

/** The first byte that comes out different once bad ones are replaced; the length where only the last character is cut. */
function firstBadByte(header: Uint8Array): number {
  const replaced = new TextEncoder().encode(new TextDecoder('utf-8', { ignoreBOM: true }).decode(header));
  const first = header.findIndex((byte, i) => byte !== replaced[i]);
  return first < 0 ? header.byteLength : first;
}
