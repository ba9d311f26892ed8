// The grammar of a safetensors header, read in one pass that stops at the first character that does not fit it.
import { GradwireError, quote } from '../../errors.ts';
import { type Dtype, isDtype } from './dtype.ts';
import { checkEntry, type Entry, inByteOrder } from './entry.ts';
import { safetensorsLimits } from './limits.ts';
import { checkName, metadataKey } from './name.ts';
import { Scanner } from './scanner.ts';

/** What a header says. */
export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their bytes, which fill the data. Shared by the headers that say the same of their tensors. */
  readonly entries: readonly Entry[];
}

/** What a header has to fit. */
export interface HeaderRoom {
  readonly tensors: number;
  /** Bytes of the data section. */
  readonly byteLength: number;
}

/** The entries read last, and their text: the frames of a stream differ in their metadata alone. */
let last: { readonly text: string; readonly byteLength: number; readonly entries: readonly Entry[] } | undefined;

// what is kept of a header keeps all of its text alive
const keptText = 2 ** 18;

/** The header in `text`. Throws `E_ST_JSON` and the codes of its parts. */
export function parseHeader(text: string, room: HeaderRoom): Header {
  const scan = new Scanner(text);
  if (!scan.take('{')) throw new GradwireError('E_ST_JSON', 'header must be an object');
  const entries = new Map<string, Entry>();
  let metadata: ReadonlyMap<string, string> | undefined;
  let rest: string | undefined;
  if (!scan.take('}')) {
    do {
      const name = scan.key();
      if (name === metadataKey ? metadata !== undefined : entries.has(name)) repeated(quote(name));
      if (name === metadataKey) metadata = readMetadata(scan);
      else if (entries.size < room.tensors) entries.set(name, readEntry(scan, name));
      else throw new GradwireError('E_ST_COUNT', `more than ${room.tensors} tensors`);
      if (metadata !== undefined && entries.size === 0) {
        rest = scan.rest();
        if (last?.text === rest && last.byteLength === room.byteLength && last.entries.length <= room.tensors)
          return { metadata, entries: last.entries };
      }
    } while (scan.more('}'));
  }
  scan.end();
  const ordered = inByteOrder(entries.values(), room.byteLength);
  if (rest !== undefined && text.length <= keptText) last = { text: rest, byteLength: room.byteLength, entries: ordered };
  return { metadata: metadata ?? new Map(), entries: ordered };
}

function readMetadata(scan: Scanner): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  if (!scan.take('{')) throw new GradwireError('E_ST_METADATA', `"${metadataKey}" is ${scan.kind()}, must be an object`);
  if (scan.take('}')) return metadata;
  do {
    const key = scan.key();
    const value = scan.string();
    if (value === undefined) throw new GradwireError('E_ST_METADATA', `${quote(key)} is ${scan.kind()}, must be a string`);
    if (metadata.has(key)) repeated(`${quote(key)} in the metadata`);
    if (scan.hasEscapes && /\p{Surrogate}/u.test(`${key} ${value}`)) {
      throw new GradwireError('E_ST_METADATA', `${quote(key)} has a lone surrogate in its key or value`);
    }
    metadata.set(key, value);
  } while (scan.more('}'));
  return metadata;
}

function readEntry(scan: Scanner, name: string): Entry {
  checkName(name);
  if (!scan.take('{')) throw new GradwireError('E_ST_FIELD', `${quote(name)} is ${scan.kind()}, must be an object`);
  let dtype: Dtype | undefined;
  let shape: number[] | undefined;
  let offsets: readonly [number, number] | undefined;
  if (!scan.take('}')) {
    do {
      const field = scan.key();
      if (field === 'dtype' && dtype === undefined) dtype = readDtype(scan, name);
      else if (field === 'shape' && shape === undefined) shape = readShape(scan, name);
      else if (field === 'data_offsets' && offsets === undefined) offsets = readOffsets(scan, name);
      else refuseField(name, field);
    } while (scan.more('}'));
  }
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    const missing = dtype === undefined ? 'dtype' : shape === undefined ? 'shape' : 'data_offsets';
    throw new GradwireError('E_ST_FIELD', `${quote(name)} has no "${missing}"`);
  }
  const entry = { name, dtype, shape: Object.freeze(shape), begin: offsets[0], end: offsets[1] };
  checkEntry(entry);
  return entry;
}

function readDtype(scan: Scanner, name: string): Dtype {
  const dtype = scan.string();
  if (isDtype(dtype)) return dtype;
  const found = dtype === undefined ? scan.kind() : quote(dtype);
  throw new GradwireError('E_ST_DTYPE', `${quote(name)} is ${found}, which is no known dtype`);
}

function readShape(scan: Scanner, name: string): number[] {
  if (!scan.take('[')) throw new GradwireError('E_ST_SHAPE', `the shape of ${quote(name)} is ${scan.kind()}, must be an array`);
  const shape: number[] = [];
  if (scan.take(']')) return shape;
  do {
    const dimension = scan.integer();
    if (dimension === undefined) {
      throw new GradwireError('E_ST_SHAPE', `${quote(name)}[${shape.length}] = ${scan.literal()} is not an integer 0..2^53-1`);
    }
    if (shape.length === safetensorsLimits.rank) {
      throw new GradwireError('E_ST_SHAPE', `${quote(name)} has more than ${safetensorsLimits.rank} dimensions`);
    }
    shape.push(dimension);
  } while (scan.more(']'));
  return shape;
}

function readOffsets(scan: Scanner, name: string): readonly [number, number] {
  const offsets: number[] = [];
  if (scan.take('[') && !scan.take(']')) {
    do {
      const offset = scan.integer();
      if (offset === undefined) {
        throw new GradwireError('E_ST_OFFSET', `an offset of ${quote(name)} is ${scan.literal()}, must be an integer 0..2^53-1`);
      }
      offsets.push(offset);
    } while (offsets.length <= 2 && scan.more(']'));
  }
  const [begin, end] = offsets;
  if (offsets.length === 2) return [begin, end];
  throw new GradwireError('E_ST_OFFSET', `the data_offsets of ${quote(name)} must be [begin, end]`);
}

function refuseField(name: string, field: string): never {
  if (field === 'dtype' || field === 'shape' || field === 'data_offsets') repeated(`"${field}" of ${quote(name)}`);
  throw new GradwireError('E_ST_FIELD', `${quote(name)} has a field ${quote(field)}; there are dtype, shape and data_offsets`);
}

function repeated(what: string): never {
  throw new GradwireError('E_ST_DUPLICATE', `${what} occurs twice`);
}
