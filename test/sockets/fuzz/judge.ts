// A second opinion on gradients frames, from docs/FORMAT.md alone: what is valid, by JSON.parse and a page of rules. No code of gradwire.
import { createHash } from 'node:crypto';

/** The model's shapes by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** What a valid frame says, and holds. */
export interface Judged {
  readonly producer: string;
  readonly producerEpoch: number;
  readonly sequence: number;
  readonly base: number;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly bytes: Buffer;
}

const sizes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

class No extends Error {}

function demand(holds: boolean, why: string): asserts holds {
  if (!holds) throw new No(why);
}

/** What a frame says where its content is valid for the model; otherwise why it is not. */
export function judge(frame: Buffer, model: Shapes, name: string): Judged | string {
  try {
    const { metadata, tensors } = read(frame);
    const judged = labels(metadata, name);
    demand(tensors.size > 0, 'no gradients');
    for (const [key, entry] of tensors) form(key, entry, tensors, model);
    return judged;
  } catch (error) {
    if (error instanceof No) return error.message;
    throw error;
  }
}

/** Safetensors: length, JSON, bytes without holes or overlap. */
function read(frame: Buffer): { metadata: Map<string, string>; tensors: Map<string, Entry> } {
  demand(frame.byteLength >= 8, 'short');
  const length = frame.readBigUInt64LE(0);
  demand(length <= 2n ** 20n && 8n + length <= BigInt(frame.byteLength), 'length');
  const header = frame.subarray(8, 8 + Number(length));
  const data = frame.subarray(8 + Number(length));
  const { __metadata__ = {}, ...entries } = parse(header);
  demand(isObject(__metadata__), 'metadata');
  const metadata = new Map(Object.entries(__metadata__ as Record<string, string>));
  for (const [key, value] of metadata) demand(typeof value === 'string' && isWhole(key) && isWhole(value), 'metadata value');
  const tensors = new Map<string, Entry>();
  const names = Object.keys(entries);
  demand(names.length <= 10_000, 'count');
  const places: [number, number][] = [];
  for (const each of names) {
    demand(isPrintable(each) && Buffer.byteLength(each) <= 256, 'name');
    const { dtype, shape, data_offsets: offsets, ...more } = demandFields(entries[each]);
    demand(Object.keys(more).length === 0 && typeof dtype === 'string' && Object.hasOwn(sizes, dtype), 'fields');
    demand(isCounts(shape) && shape.length <= 8 && isCounts(offsets) && offsets.length === 2, 'numbers');
    const [begin, end] = offsets;
    const elements = shape.reduce((product, dimension) => product * BigInt(dimension), 1n);
    demand(elements * BigInt(sizes[dtype]) === BigInt(end) - BigInt(begin) && end <= data.byteLength, 'size');
    places.push([begin, end]);
    tensors.set(each, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  let at = 0;
  for (const [begin, end] of places.sort(([a, b], [c, d]) => a - c || b - d)) {
    demand(begin === at, 'hole');
    at = end;
  }
  demand(at === data.byteLength, 'trailing');
  return { metadata, tensors };
}

function parse(header: Buffer): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    value = JSON.parse(text);
  } catch (error) {
    throw error instanceof TypeError || error instanceof SyntaxError ? new No('json') : error;
  }
  demand(isObject(value), 'object');
  const words = [...text.matchAll(/"(?:[^"\\]|\\.)*"/gs)];
  const keys = words.filter(({ index, 0: word }) => /^\s*:/.test(text.slice(index + word.length)));
  demand(keys.length === countKeys(value), 'a key stands twice');
  demand(!/-|\d[.eE]/.test(text.replace(/"(?:[^"\\]|\\.)*"/gs, '')), 'a number that is no plain integer');
  return value as Record<string, unknown>;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, each) => sum + countKeys(each), own);
}

function demandFields(value: unknown): Record<string, unknown> & { dtype?: unknown; shape?: unknown; data_offsets?: unknown } {
  demand(isObject(value), 'entry');
  return value as Record<string, unknown>;
}

function labels(metadata: Map<string, string>, model: string): Judged {
  demand(metadata.get('gradwire') === '1' && metadata.get('kind') === 'gradients', 'kind');
  const producer = metadata.get('producer') ?? '';
  demand(producer !== '' && producer.length <= 256 && isPrintable(producer), 'producer');
  demand((metadata.get('model') ?? model) === model, 'model');
  count(metadata.get('examples') ?? '0');
  for (const key of ['loss', 'time']) {
    const text = metadata.get(key) ?? '0';
    demand(/^-?\d{1,40}(\.\d{1,40})?(e[+-]?\d{1,3})?$/i.test(text) && Number.isFinite(Number(text)), key);
  }
  const [sequence, base] = ['sequence', 'base'].map((key) => count(metadata.get(key) ?? ''));
  return { producer, producerEpoch: count(metadata.get('producerEpoch') ?? '0'), sequence, base };
}

function count(text: string): number {
  demand(/^(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)), 'count');
  return Number(text);
}

/** One tensor: dense, or rows. */
function form(key: string, { dtype, shape, bytes }: Entry, tensors: Map<string, Entry>, model: Shapes): void {
  const [, name, part] = /^([^#]*)(?:#(.*))?$/s.exec(key) ?? [];
  const expected = model.get(name);
  demand(expected !== undefined, 'unknown');
  const sibling = (other: string): Entry | undefined => tensors.get(`${name}#${other}`);
  if (part === undefined) {
    demand(dtype === 'F32' && String(shape) === String(expected) && shape.length === expected.length, 'shape');
    demand(sibling('values') === undefined, 'dense and rows');
    for (const value of floats(bytes)) demand(Math.abs(value) <= 1e9, 'value');
  } else if (part === 'rows') {
    demand(sibling('values') !== undefined && expected.length > 0 && shape.length === 1, 'rows');
    demand(dtype === 'I32' || dtype === 'I64', 'rows dtype');
  } else {
    const rows = sibling('rows');
    demand(part === 'values' && rows !== undefined && rows.shape.length === 1 && dtype === 'F32', 'values');
    demand(String(shape) === String([rows.shape[0], ...expected.slice(1)]), 'values shape');
    demand(expected.length > 0, 'a scalar has no rows');
    sums(indices(rows), floats(bytes), expected);
  }
}

/** Rows in range, and no value nor sum of a row that stands twice out of bounds. */
function sums(rows: number[], values: number[], [most, ...rest]: readonly number[]): void {
  const rowLength = rest.reduce((product, each) => product * each, 1);
  const sum = new Map<number, number>();
  for (const [i, row] of rows.entries()) {
    demand(row >= 0 && row < most, 'row');
    for (let j = 0; j < rowLength; j++) {
      const value = values[i * rowLength + j];
      const total = Math.fround((sum.get(row * rowLength + j) ?? 0) + value);
      demand(Math.abs(value) <= 1e9 && Math.abs(total) <= 1e9, 'value');
      sum.set(row * rowLength + j, total);
    }
  }
}

function floats(bytes: Buffer): number[] {
  return Array.from({ length: bytes.byteLength / 4 }, (_, i) => bytes.readFloatLE(i * 4));
}

function indices({ dtype, bytes }: Entry): number[] {
  if (dtype === 'I32') return Array.from({ length: bytes.byteLength / 4 }, (_, i) => bytes.readInt32LE(i * 4));
  return Array.from({ length: bytes.byteLength / 8 }, (_, i) => Number(bytes.readBigInt64LE(i * 8)));
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every((each) => Number.isSafeInteger(each));
const isWhole = (text: string): boolean => !/\p{Surrogate}/u.test(text);
const isPrintable = (text: string): boolean => isWhole(text) && !/[\u0000-\u001f\u007f-\u009f]/.test(text);

interface Known {
  epoch: number;
  highest: number;
  readonly taken: Map<number, { readonly hash: string; readonly version: number }>;
}

/** The windows of sequence numbers, by the rule of FORMAT.md. */
export class Windows {
  readonly #known = new Map<string, Known>();

  /** `new`, the version that the very same bytes became, or why a valid batch does not fit into the stream. */
  place(frame: Buffer, { producer, producerEpoch, sequence, base }: Judged, version: number): 'new' | number | string {
    const known = this.#known.get(producer);
    if (known !== undefined && producerEpoch < known.epoch) return 'fenced';
    if (known !== undefined && producerEpoch === known.epoch) {
      const taken = known.taken.get(sequence);
      if (taken !== undefined) return taken.hash === hashOf(frame) ? taken.version : 'reused';
      if (sequence + 1024 <= known.highest) return 'too old';
    }
    return base > version ? 'future' : 'new';
  }

  /** A batch became a version. */
  note(frame: Buffer, { producer, producerEpoch, sequence }: Judged, version: number): void {
    let known = this.#known.get(producer);
    if (known === undefined || producerEpoch > known.epoch) known = { epoch: producerEpoch, highest: sequence, taken: new Map() };
    this.#known.set(producer, known);
    known.highest = Math.max(known.highest, sequence);
    known.taken.set(sequence, { hash: hashOf(frame), version });
    for (const each of known.taken.keys()) if (each + 1024 <= known.highest) known.taken.delete(each);
  }
}

function hashOf(frame: Buffer): string {
  return createHash('md5').update(frame).digest('hex');
}
