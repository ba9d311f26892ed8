// A safetensors buffer read without explanations: for a replica, whose code should be small and whose trainer writes it well.
import { GradwireError, quote } from '../../errors.ts';
import { arrayClasses, type Dtype, isDtype } from './dtype.ts';
import type { Safetensors, Tensor } from './read.ts';

const headerLimit = 2 ** 20;
const most = { tensors: 10_000, rank: 8 };
const utf8 = new TextDecoder('utf-8', { fatal: true });

type Entry = { dtype: unknown; shape: unknown; data_offsets: unknown };

/**
 * As `deserialize`, with the same limits: whatever could be read in two ways, or leads out of the buffer, is refused. It does not say what
 * is wrong with a header, and takes what a JSON reader does: of metadata that stand twice the last.
 *
 * @throws GradwireError `E_ST_SHORT`, `E_ST_HEADER_LENGTH`, `E_ST_JSON`, `E_ST_FIELD`, `E_ST_COUNT` or `E_ST_OFFSET`.
 */
export function readLean({ buffer, byteOffset, byteLength }: Uint8Array): Safetensors {
  if (byteLength < 8) throw new GradwireError('E_ST_SHORT', `${byteLength} bytes, need at least 8`);
  const head = new DataView(buffer, byteOffset, 8);
  const length = head.getUint32(0, true);
  if (head.getUint32(4, true) > 0 || length > Math.min(byteLength - 8, headerLimit))
    throw new GradwireError('E_ST_HEADER_LENGTH', `no header of that length fits into ${byteLength} bytes`);
  const { __metadata__: metadata, ...entries } = headerIn(new Uint8Array(buffer, byteOffset + 8, length));
  const data = new Uint8Array(buffer, byteOffset + 8 + length, byteLength - 8 - length);
  const tensors = tensorsIn(Object.entries(entries), data);
  const texts: Record<string, string> = Object.assign(Object.create(null), metadata);
  if (Object.values(texts).some((text) => typeof text !== 'string')) throw wrong('metadata');
  return { metadata: texts, tensors, data };
}

function headerIn(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new GradwireError('E_ST_JSON', 'the header is no JSON', { cause });
  }
  if (typeof header !== 'object' || header === null) throw new GradwireError('E_ST_JSON', 'the header is no object');
  return header as Record<string, unknown>;
}

// of two tensors of one name the first leaves a hole in the data
function tensorsIn(entries: readonly [string, unknown][], section: Uint8Array): Map<string, Tensor> {
  if (entries.length > most.tensors) throw new GradwireError('E_ST_COUNT', `more than ${most.tensors} tensors`);
  const places = entries
    .map(([name, entry]) => ({ name, ...placeOf(name, entry) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, Tensor>();
  let position = 0;
  for (const { name, dtype, shape, begin, end } of places) {
    const array = arrayClasses[dtype];
    const length = shape.reduce((product, dimension) => product * dimension, 1);
    if (begin !== position || end > section.byteLength || end - begin !== length * array.BYTES_PER_ELEMENT) throw misplaced(name);
    const at = section.byteOffset + begin;
    const aligned = at % array.BYTES_PER_ELEMENT === 0;
    const data = aligned ? new array(section.buffer, at, length) : new array(section.slice(begin, end).buffer);
    tensors.set(name, { dtype, shape, data });
    position = end;
  }
  if (position !== section.byteLength) throw misplaced('the end');
  return tensors;
}

function placeOf(name: string, entry: unknown): { dtype: Dtype; shape: readonly number[]; begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Entry;
  if (!isDtype(dtype) || !areCounts(shape, most.rank) || !areCounts(offsets, 2)) throw wrong(name);
  return { dtype, shape, begin: offsets[0], end: offsets[1] };
}

function areCounts(list: unknown, longest: number): list is number[] {
  return Array.isArray(list) && list.length <= longest && list.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function wrong(name: string): GradwireError {
  return new GradwireError('E_ST_FIELD', `the header's entry for ${quote(name)} is not as it must be`);
}

function misplaced(name: string): GradwireError {
  return new GradwireError('E_ST_OFFSET', `${quote(name)} is not where it must be, or not of its size`);
}
