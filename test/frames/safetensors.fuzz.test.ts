// Safetensors buffers at random, with printed seeds: round trips, and mutations held against JSON.parse as a second opinion.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import {
  type Dtype,
  deserialize,
  type Safetensors,
  serialize,
  type TensorData,
  withMetadata,
} from '../../src/frames/safetensors.ts';

const types: readonly (readonly [Dtype, bytes: number, new (buffer: ArrayBuffer) => TensorData])[] = [
  ['BOOL', 1, Uint8Array],
  ['U8', 1, Uint8Array],
  ['I8', 1, Int8Array],
  ['F8_E5M2', 1, Uint8Array],
  ['F8_E4M3', 1, Uint8Array],
  ['I16', 2, Int16Array],
  ['U16', 2, Uint16Array],
  ['F16', 2, Uint16Array],
  ['BF16', 2, Uint16Array],
  ['I32', 4, Int32Array],
  ['U32', 4, Uint32Array],
  ['F32', 4, Float32Array],
  ['F64', 8, Float64Array],
  ['I64', 8, BigInt64Array],
  ['U64', 8, BigUint64Array],
];

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData): Buffer => Buffer.from(buffer, byteOffset, byteLength);

/** A tensor of any type and shape, with any bits. */
const tensor = fc
  .tuple(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 8 }))
  .filter(([, shape]) => shape.reduce((product, dimension) => product * dimension, 1) <= 64)
  .chain(([[dtype, bytes, type], shape]) => {
    const byteLength = shape.reduce((product, dimension) => product * dimension, bytes);
    return fc
      .uint8Array({ minLength: byteLength, maxLength: byteLength })
      .map((content) => ({ dtype, shape, data: new type(content.slice().buffer) }));
  });

// any UTF-16 at all, so most names are odd and some are no text
const anyText = fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 12 });
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '\\u0041', '"'));
const someName = text.filter((name) => name !== '__metadata__' && !/[\u0000-\u001f\u007f-\u009f]/.test(name));
const tensors = fc.uniqueArray(fc.tuple(someName, tensor), { maxLength: 6, selector: ([name]) => name });
const metadata = fc.uniqueArray(fc.tuple(text, text), { maxLength: 6, selector: ([key]) => key });

const options = { numRuns: 500, seed: Number(process.env.GRADWIRE_SEED ?? 20240) };

/** What a buffer holds, or undefined where it is refused with a code of safetensors. Anything else thrown is thrown on. */
function attempt(bytes: Uint8Array): { read?: Safetensors; code?: string } {
  try {
    return { read: deserialize(bytes) };
  } catch (error) {
    if (error instanceof GradwireError && error.code.startsWith('E_ST_')) return { code: error.code };
    throw error;
  }
}

/** Throws unless the verdict on `bytes` is one that a second reading of the header with JSON.parse allows. */
function hold(bytes: Uint8Array): void {
  const { read, code } = attempt(bytes);
  if (read === undefined && code !== 'E_ST_JSON') return;
  const length = Number(Buffer.from(bytes).readBigUInt64LE());
  const header = Buffer.from(bytes.subarray(8, 8 + length)).toString();
  let parsed: unknown;
  try {
    parsed = JSON.parse(header);
  } catch (error) {
    assert.ok(error instanceof SyntaxError && code === 'E_ST_JSON', `accepted, but no JSON: ${header}`);
    return;
  }
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  if (read === undefined) assert.not(isObject, `refused as no JSON, but it is: ${header}`);
  else agree(read, parsed as Record<string, never>);
}

function agree({ metadata, tensors, data }: Safetensors, parsed: Record<string, never>): void {
  const { __metadata__ = {}, ...entries } = parsed;
  assert.equal({ ...metadata }, { ...(__metadata__ as object) });
  assert.equal([...tensors.keys()].sort(), Object.keys(entries).sort());
  let byteLength = 0;
  for (const [name, { dtype, shape, data: elements }] of tensors) {
    const { dtype: type, shape: dimensions, data_offsets: offsets } = entries[name] as Record<string, never>;
    assert.equal([dtype, shape, [byteLength, byteLength + elements.byteLength]], [type, dimensions, offsets]);
    assert.ok(bytesOf(elements).equals(data.subarray(byteLength, (byteLength += elements.byteLength))));
  }
  assert.is(byteLength, data.byteLength);
}

test('what is written is read back: names, order, types, shapes, bits and metadata', () => {
  fc.assert(
    fc.property(tensors, metadata, fc.nat(8), (tensors, metadata, shift) => {
      const bytes = serialize(tensors, metadata);
      const moved = new Uint8Array(shift + bytes.byteLength).fill(0xff);
      moved.set(bytes, shift);
      const read = deserialize(moved.subarray(shift));
      hold(bytes);
      assert.equal(new Map(Object.entries(read.metadata)), new Map(metadata));
      assert.equal(
        [...read.tensors].map(([name, { dtype, shape, data }]) => [name, dtype, shape, data.constructor, bytesOf(data)]),
        tensors.map(([name, { dtype, shape, data }]) => [name, dtype, shape, data.constructor, bytesOf(data)]),
      );
      assert.equal(serialize(read.tensors, metadata), bytes);
    }),
    options,
  );
});

test('whatever the name and the metadata, the writer refuses them or the reader gives them back', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (name, key, value) => {
      let bytes: Uint8Array;
      try {
        bytes = serialize([[name, Uint8Array.of(1)]], [[key, value]]);
      } catch (error) {
        assert.ok(error instanceof GradwireError && ['E_ST_NAME', 'E_ST_METADATA'].includes(error.code));
        return;
      }
      const read = deserialize(bytes);
      assert.ok(read.tensors.has(name));
      assert.is(read.metadata[key], value);
    }),
    { ...options, numRuns: 2000 },
  );
});

test('a stamped buffer is the buffer with more metadata', () => {
  fc.assert(
    fc.property(tensors, metadata, metadata, (tensors, metadata, extra) => {
      const stamped = withMetadata(serialize(tensors, metadata), extra);
      assert.equal(stamped, serialize(tensors, new Map([...metadata, ...extra])));
    }),
    { ...options, numRuns: 200 },
  );
});

const small = serialize(
  {
    'w#rows': Int32Array.of(3),
    'w#values': { shape: [1, 2], data: Float32Array.of(1, 2) },
    b: { shape: [], data: new Uint8Array(1) },
  },
  { gradwire: '1', 'é\n': '"' },
);

test('every header byte set to every value is accepted rightly or refused with a code', () => {
  const header = 8 + Number(Buffer.from(small).readBigUInt64LE());
  for (let i = 0; i < header; i++) {
    const bytes = small.slice();
    for (let value = 0; value < 256; value++) {
      bytes[i] = value;
      hold(bytes);
    }
  }
});

test('every pair of bytes exchanged, and every byte left out or doubled, is accepted rightly or refused with a code', () => {
  for (let i = 0; i < small.byteLength; i++) {
    hold(new Uint8Array([...small.subarray(0, i), ...small.subarray(i + 1)]));
    hold(new Uint8Array([...small.subarray(0, i), small[i], ...small.subarray(i)]));
    for (let j = 0; j < i; j += 3) {
      const bytes = small.slice();
      [bytes[i], bytes[j]] = [small[j], small[i]];
      hold(bytes);
    }
  }
});

test('a header with any tokens of JSON in any order is accepted rightly or refused with a code', () => {
  const entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
  const words = ['{', '}', '[', ']', ':', ',', '"a"', '"dtype"', '"U8"', '"shape"', '"data_offsets"', '"__metadata__"', entry];
  const values = [
    '0',
    '1',
    '-0',
    '1e3',
    '1.5',
    '01',
    '9007199254740992',
    'null',
    'true',
    ' ',
    '\n',
    '\\',
    '"',
    '\u0000',
    '"\\ud800"',
    'é',
  ];
  const piece = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...words) }, fc.constantFrom(...words, ...values));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), fc.boolean(), (pieces, wrapped) => {
      const header = Buffer.from(wrapped ? `{"a":${pieces.join('')}}` : pieces.join(''));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.byteLength));
      hold(new Uint8Array(Buffer.concat([length, header])));
    }),
    { ...options, numRuns: 10_000 },
  );
});

test('one part of an entry replaced by another kind of value is accepted rightly or refused with a code', () => {
  const value = fc.oneof(fc.json({ maxDepth: 2 }), fc.constantFrom('0', '[0]', '[0,0]', '"U8"', '"F32"', '[1]', '[0,4]', '{}'));
  fc.assert(
    fc.property(value, value, value, value, fc.nat(8), (meta, dtype, shape, offsets, rest) => {
      const text = `{"__metadata__":${meta},"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
      const header = Buffer.from(text);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.byteLength));
      hold(new Uint8Array(Buffer.concat([length, header, Buffer.alloc(rest)])));
    }),
    { ...options, numRuns: 5_000 },
  );
});

test.run();
