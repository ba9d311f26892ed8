// Mutations of bytes, of JSON text and of values, seeded; what is mutated stays close to what is valid.
import { pick, type Random, whole } from '../../support/random.ts';

const oddValues: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 31,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  '',
  '0',
  '-1',
  '00',
  '1e400',
  '9007199254740992',
  'NaN',
  '\u0000',
  '\ud800',
  'ß\u202e😀',
  'x'.repeat(300),
  [],
  [0],
  {},
  { a: 1 },
];

/** A value that stands where something else was meant; one of its own, for it may be mutated in turn. */
export function oddValue(random: Random): unknown {
  return structuredClone(pick(random, oddValues));
}

/** Keys that mean something elsewhere. */
export const oddKeys: readonly string[] = ['__proto__', 'constructor', 'toString', '', 'length', '\u0000', '😀', 'x'.repeat(300)];

const oddText = [
  '\u0000',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  'e9',
  '9'.repeat(400),
  '\ufeff',
  '\u2028',
  '\\ud800',
  '😀',
  ' ',
  '\n',
];

/** One mutation of a text: something put in, left out, doubled, or a number made huge. */
export function mutateText(random: Random, text: string): string {
  const at = whole(random, 0, text.length);
  const length = whole(random, 1, 12);
  switch (whole(random, 0, 5)) {
    case 0:
      return text.slice(0, at) + pick(random, oddText) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + length);
    case 2:
      return text.slice(0, at + length) + text.slice(at);
    case 3:
      return replaceOne(random, text, /\d+/g, ['99999999999999999999', '1e999', '-1', '0', '1.5', '18446744073709551616']);
    case 4:
      return replaceOne(random, text, /"[^"]*"/g, [
        '""',
        'null',
        '0',
        '[]',
        '{}',
        '"__proto__"',
        '"\\u0000"',
        '"\\ud800"',
        '"😀"',
      ]);
    default:
      return text.slice(0, at) + String.fromCharCode(whole(random, 0, 0xffff)) + text.slice(at + 1);
  }
}

function replaceOne(random: Random, text: string, pattern: RegExp, by: readonly string[]): string {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const { index, 0: word } = pick(random, found);
  return text.slice(0, index) + pick(random, by) + text.slice(index + word.length);
}

/** One mutation of bytes: bits turned, a part cut off, left out, doubled or zeroed, bytes put in, or the end of another buffer. */
export function mutateBytes(random: Random, bytes: Buffer, other: Buffer): Buffer {
  const at = whole(random, 0, bytes.byteLength);
  const end = Math.min(bytes.byteLength, at + whole(random, 1, 16));
  const [head, part, tail] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)];
  switch (whole(random, 0, 7)) {
    case 0:
    case 1:
      return turnBits(random, bytes);
    case 2:
      return Buffer.from(head);
    case 3:
      return Buffer.concat([head, tail]);
    case 4:
      return Buffer.concat([head, part, part, tail]);
    case 5:
      return Buffer.concat([head, Buffer.alloc(part.byteLength, pick(random, [0, 0xff])), tail]);
    case 6:
      return Buffer.concat([bytes, Buffer.from(Uint8Array.from({ length: whole(random, 1, 64) }, () => whole(random, 0, 255)))]);
    default:
      return Buffer.concat([head, other.subarray(whole(random, 0, other.byteLength))]);
  }
}

function turnBits(random: Random, bytes: Buffer): Buffer {
  const turned = Buffer.from(bytes);
  for (let i = whole(random, 1, 3); i > 0 && turned.byteLength > 0; i--)
    turned[whole(random, 0, turned.byteLength - 1)] ^= 1 << whole(random, 0, 7);
  return turned;
}

/** One mutation of the fields of an object, at any depth. */
export function mutateFields(random: Random, fields: Record<string, unknown>): void {
  const keys = Object.keys(fields);
  const key = keys.length === 0 ? 'a' : pick(random, keys);
  const value = fields[key];
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && random() < 0.6) {
    mutateFields(random, value as Record<string, unknown>);
    return;
  }
  switch (whole(random, 0, 4)) {
    case 0:
      delete fields[key];
      break;
    case 1:
      Object.defineProperty(fields, pick(random, oddKeys), {
        value: oddValue(random),
        enumerable: true,
        writable: true,
        configurable: true,
      });
      break;
    case 2:
      fields[key] = structuredClone(fields[pick(random, keys.length === 0 ? ['a'] : keys)]);
      break;
    default:
      fields[key] = oddValue(random);
  }
}
