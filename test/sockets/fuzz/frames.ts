// Frames as a grammar: taken apart into metadata, entries and data, mutated, and put together again.
import { pick, type Random, whole } from '../../support/random.ts';
import { mutateBytes, mutateText, oddKeys, oddValue } from './mutate.ts';

/** A frame in parts, where every rule of the format can be broken. */
export interface FrameParts {
  metadata: Record<string, unknown>;
  entries: [name: string, entry: Record<string, unknown>][];
  data: Buffer;
}

/** Takes a whole frame apart. */
export function takeApart(frame: Uint8Array): FrameParts {
  const buffer = Buffer.from(frame);
  const length = Number(buffer.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(buffer.subarray(8, 8 + length).toString());
  return { metadata, entries: Object.entries(entries), data: buffer.subarray(8 + length) };
}

/** The header's text, in which names may stand twice. */
function headerOf({ metadata, entries }: FrameParts): string {
  const pairs = [['__metadata__', metadata] as const, ...entries];
  return `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

function putTogether(header: string, data: Buffer): Buffer {
  const text = Buffer.from(header);
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.byteLength % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.byteLength));
  return Buffer.concat([length, padded, data]);
}

const lengths = [0n, 1n, 2n ** 20n + 1n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** A frame with one to three mutations; `other` is a frame to splice with. Sometimes it is a valid frame still, or again. */
export function mutateFrame(random: Random, frame: Uint8Array, other: Uint8Array): Buffer {
  const parts = takeApart(frame);
  let texts = 0;
  let bytes = 0;
  for (let i = whole(random, 1, 3); i > 0; i--) {
    const level = random();
    if (level < 0.65) mutateParts(random, parts);
    else if (level < 0.8) texts += 1;
    else bytes += 1;
  }
  let header = headerOf(parts);
  for (; texts > 0; texts--) header = mutateText(random, header);
  let mutated = putTogether(header, parts.data);
  for (; bytes > 0; bytes--) {
    if (random() < 0.15 && mutated.byteLength >= 8) mutated = withLength(random, mutated);
    else mutated = mutateBytes(random, mutated, Buffer.from(other));
  }
  return mutated;
}

function withLength(random: Random, frame: Buffer): Buffer {
  const mutated = Buffer.from(frame);
  const length = frame.readBigUInt64LE(0) + BigInt(whole(random, -9, 9));
  mutated.writeBigUInt64LE(BigInt.asUintN(64, random() < 0.5 ? pick(random, lengths) : length), 0);
  return mutated;
}

/** One mutation on the level of the grammar. */
function mutateParts(random: Random, parts: FrameParts): void {
  const { metadata, entries } = parts;
  switch (whole(random, 0, 6)) {
    case 0:
    case 1:
      mutateMetadata(random, metadata);
      break;
    case 2:
      mutateNames(random, entries);
      break;
    case 3:
      if (entries.length > 0) mutateEntry(random, pick(random, entries)[1]);
      break;
    default:
      mutateData(random, parts);
  }
}

const oddMetadata: readonly (readonly [key: string, values: readonly unknown[]])[] = [
  ['producer', ['', 'w\u0007', 'x'.repeat(257), '😀', '__proto__', 'w9', 7]],
  ['sequence', ['0', '1', '-1', '01', '1.0', '1e3', '9007199254740991', '9007199254740992', ' 1', '', 1]],
  ['producerEpoch', ['0', '1', '2', '9007199254740991', '-1', 'x']],
  ['base', ['0', '999999999', '-1', '9007199254740991', '']],
  ['from', ['0', '999999999', '-1', '7']],
  ['version', ['0', '999999999', '-1', '7']],
  ['epoch', ['0', '1', '2', '999999999']],
  ['run', ['', 'other', '\u0000']],
  ['check', ['0'.repeat(16), 'x', '']],
  ['digest', ['0'.repeat(16), 'F'.repeat(16)]],
  ['encoding', ['f64', 'f16', '']],
  ['learningRate', ['NaN', '1e999', '-1', '']],
  ['folded', ['[', '{}', 'null', '[[]]']],
  ['kind', ['gradients', 'update', 'weights', 'snapshot', '', 'Gradients']],
  ['gradwire', ['0', '2', '', 1]],
  ['model', ['default', 'other', '', '\u0000']],
  ['examples', ['0', '-1', '3', '1e9', '9007199254740992']],
  ['loss', ['0', 'NaN', '1e999', '-1.5e-3', '0x1', '']],
];

function mutateMetadata(random: Random, metadata: Record<string, unknown>): void {
  const [key, values] = pick(random, oddMetadata);
  const fate = random();
  if (fate < 0.6 && (key in metadata || random() < 0.2)) metadata[key] = pick(random, values);
  else if (fate < 0.75) delete metadata[pick(random, [key, ...Object.keys(metadata)])];
  else if (fate < 0.9) metadata[pick(random, [key, ...Object.keys(metadata)])] = oddValue(random);
  else
    Object.defineProperty(metadata, pick(random, oddKeys), {
      value: oddValue(random),
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

function mutateNames(random: Random, entries: FrameParts['entries']): void {
  const one = entries.length === 0 ? undefined : pick(random, entries);
  const fate = whole(random, 0, 5);
  if (one === undefined || fate === 0)
    entries.push([
      pick(random, [...oddKeys, 'scale', 'dense/bias#rows', 'a#b#c']),
      { dtype: 'F32', shape: [0], data_offsets: [0, 0] },
    ]);
  else if (fate === 1) entries.splice(entries.indexOf(one), 1);
  else if (fate === 2) entries.push([one[0], { ...one[1] }]);
  else if (fate === 3) entries.reverse();
  else if (fate === 4) {
    const other = pick(random, entries);
    [one[0], other[0]] = [other[0], one[0]];
  } else
    one[0] = pick(random, [...oddKeys, `${one[0]}#rows`, `${one[0]}#values`, one[0].replace(/#.*/, ''), one[0].toUpperCase()]);
}

const oddEntries: Readonly<Record<string, readonly unknown[]>> = {
  dtype: ['F64', 'I32', 'I64', 'F16', 'BF16', 'U8', 'f32', 'F32 ', 'F8_E4M3', 'constructor'],
  shape: [[], [0], [-1], [1, 2, 3], [2 ** 53], [1.5], [[1]], [1, 1, 1, 1, 1, 1, 1, 1, 1], [2 ** 32, 2 ** 32], '3'],
  data_offsets: [[0, 0], [0, 4], [4, 0], [-4, 0], [0, 2 ** 53], [0], [0, 4, 8], ['0', '4'], [2 ** 64, 2 ** 64]],
};

function mutateEntry(random: Random, entry: Record<string, unknown>): void {
  const key = pick(random, Object.keys(oddEntries));
  const value = entry[key];
  const fate = random();
  if (fate < 0.4) entry[key] = pick(random, oddEntries[key]);
  else if (fate < 0.7 && Array.isArray(value)) entry[key] = value.map((each) => Number(each) + whole(random, -2, 2) * 4);
  else if (fate < 0.8) delete entry[key];
  else if (fate < 0.9) entry[pick(random, oddKeys)] = oddValue(random);
  else entry[key] = oddValue(random);
}

const oddBits = [
  0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x00000001, 0x80000000, 0x4e6e6b28, 0x4e6e6b29, 0x60ad78ec,
];

function mutateData(random: Random, parts: FrameParts): void {
  const data = Buffer.from(parts.data);
  const words = Math.floor(data.byteLength / 4);
  parts.data = data;
  if (words === 0) return;
  const at = whole(random, 0, words - 1) * 4;
  const fate = random();
  if (fate < 0.5) data.writeUInt32LE(pick(random, oddBits), at);
  else if (fate < 0.75) data.writeInt32LE(pick(random, [-1, 0, 1, 3, 11, 12, 2 ** 31 - 1]), at);
  else data[whole(random, 0, data.byteLength - 1)] ^= 1 << whole(random, 0, 7);
}
