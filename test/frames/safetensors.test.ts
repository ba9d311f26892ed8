// Reading, writing and stamping safetensors buffers: bytes by hand, then every promise of the doc comments.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';
import { deserialize, serialize, type TensorData, withMetadata } from '../../src/frames/safetensors.ts';

/** Bytes written as hexadecimal digits. */
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'));

// metadata k = v, w = F32 [2,1] of 1.5 and -2, i = I16 scalar -2
const golden = hex(`
  88 00 00 00 00 00 00 00
  7b 22 5f 5f 6d 65 74 61 64 61 74 61 5f 5f 22 3a
  7b 22 6b 22 3a 22 76 22 7d 2c 22 77 22 3a 7b 22
  64 74 79 70 65 22 3a 22 46 33 32 22 2c 22 73 68
  61 70 65 22 3a 5b 32 2c 31 5d 2c 22 64 61 74 61
  5f 6f 66 66 73 65 74 73 22 3a 5b 30 2c 38 5d 7d
  2c 22 69 22 3a 7b 22 64 74 79 70 65 22 3a 22 49
  31 36 22 2c 22 73 68 61 70 65 22 3a 5b 5d 2c 22
  64 61 74 61 5f 6f 66 66 73 65 74 73 22 3a 5b 38
  2c 31 30 5d 7d 7d 20 20
  00 00 c0 3f 00 00 00 c0
  fe ff
`);

/** The bytes of a typed array. */
const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Throws unless `run` throws a GradwireError with that code. */
function refuses(code: ErrorCode, run: () => unknown, says?: string): void {
  assert.throws(run, (error: unknown) => {
    if (!(error instanceof GradwireError)) throw error;
    assert.is(error.code, code, error.message);
    if (says !== undefined) assert.match(error.message, says);
    return true;
  });
}

/** A value of another type than the signature says, as JavaScript programs pass them. */
const wrong = (value: unknown): never => value as never;

test('a buffer is its header length, its header padded with spaces, and its tensors one after the other', () => {
  const tensors = { w: { shape: [2, 1], data: Float32Array.of(1.5, -2) }, i: { shape: [], data: Int16Array.of(-2) } };
  assert.equal(serialize(tensors, { k: 'v' }), golden);
});

test('a buffer written by hand is read as it says', () => {
  const { metadata, tensors, data } = deserialize(golden);
  assert.equal({ ...metadata }, { k: 'v' });
  assert.equal(
    [...tensors],
    [
      ['w', { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1.5, -2) }],
      ['i', { dtype: 'I16', shape: [], data: Int16Array.of(-2) }],
    ],
  );
  assert.equal(data, golden.subarray(144));
});

test('an empty buffer has sixteen bytes, and metadata without keys is not written', () => {
  const empty = hex('08 00 00 00 00 00 00 00 7b 7d 20 20 20 20 20 20');
  assert.equal(serialize({}), empty);
  assert.equal(serialize([], new Map()), empty);
  assert.is(deserialize(empty).tensors.size, 0);
});

test('every truncation is refused with the code of what is missing', () => {
  for (let length = 0; length < golden.byteLength; length++) {
    const code = length < 8 ? 'E_ST_SHORT' : length < 144 ? 'E_ST_HEADER_LENGTH' : 'E_ST_TRUNCATED';
    refuses(code, () => deserialize(golden.slice(0, length)));
    refuses(code, () => withMetadata(golden.slice(0, length), {}));
  }
});

test('every byte after the last tensor is refused', () => {
  for (const rest of [1, 2, 8, 4096]) {
    refuses(
      'E_ST_TRAILING',
      () => deserialize(Buffer.concat([golden, Buffer.alloc(rest)])),
      `${rest} bytes after the last tensor`,
    );
  }
});

test('aligned tensors are views of the buffer', () => {
  const buffer = serialize({ w: Float32Array.of(1, 2), b: Float64Array.of(3) });
  const { tensors, data } = deserialize(buffer);
  for (const { data: elements } of tensors.values()) assert.is(elements.buffer, buffer.buffer);
  assert.is(data.buffer, buffer.buffer);
  data.fill(0);
  assert.equal(tensors.get('w')?.data, Float32Array.of(0, 0));
});

test('unaligned tensors are copied, wherever the buffer lies in memory', () => {
  const buffer = serialize({ a: Uint8Array.of(1), w: Float32Array.of(1.5, 2.5), l: BigInt64Array.of(-1n) });
  for (let offset = 0; offset < 16; offset++) {
    const memory = new Uint8Array(offset + buffer.byteLength);
    memory.set(buffer, offset);
    const { tensors } = deserialize(memory.subarray(offset));
    assert.equal(tensors.get('w')?.data, Float32Array.of(1.5, 2.5));
    assert.equal(tensors.get('l')?.data, BigInt64Array.of(-1n));
    // the single byte in front moves the others off by one
    assert.is(tensors.get('w')?.data.buffer === memory.buffer, (offset + 1) % 4 === 0);
    assert.is(tensors.get('a')?.data.buffer, memory.buffer);
  }
});

test('a copy out of a Node Buffer does not change with it', () => {
  const memory = Buffer.alloc(golden.byteLength + 1);
  memory.set(golden, 1);
  const buffer = memory.subarray(1);
  const { tensors, data } = deserialize(buffer);
  buffer.fill(0);
  assert.equal(tensors.get('w')?.data, Float32Array.of(1.5, -2));
  assert.not(Buffer.isBuffer(data));
});

test('an ArrayBuffer is read like a Uint8Array', () => {
  assert.equal(deserialize(golden.slice().buffer).tensors, deserialize(golden).tensors);
});

test('every element type comes back in its own array class, with the same bits', () => {
  const floats = Float32Array.of(-0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45);
  new Uint32Array(floats.buffer)[1] = 0xffc00001;
  const bytes = new Uint8Array(floats.buffer);
  const classes = { BOOL: Uint8Array, U8: Uint8Array, I8: Int8Array, F8_E5M2: Uint8Array, F8_E4M3: Uint8Array, I16: Int16Array };
  const wider = { U16: Uint16Array, F16: Uint16Array, BF16: Uint16Array, I32: Int32Array, U32: Uint32Array, F32: Float32Array };
  const widest = { F64: Float64Array, I64: BigInt64Array, U64: BigUint64Array };
  for (const [dtype, type] of Object.entries({ ...classes, ...wider, ...widest })) {
    const tensor = deserialize(serialize({ w: { dtype: wrong(dtype), data: new type(bytes.slice().buffer) } })).tensors.get('w');
    assert.is(tensor?.dtype, dtype);
    assert.is(tensor?.data.constructor, type);
    assert.equal(tensor && bytesOf(tensor.data), bytes);
  }
});

test('a bare array is a tensor of its class and of one dimension', () => {
  const arrays = [
    new Uint8Array(3),
    new Int8Array(3),
    new Int16Array(3),
    new Uint16Array(3),
    new Int32Array(3),
    new Uint32Array(3),
  ];
  const more = [new Float32Array(3), new Float64Array(3), new BigInt64Array(3), new BigUint64Array(3), Buffer.alloc(3)];
  const dtypes = [...arrays, ...more].map((w) => deserialize(serialize({ w })).tensors.get('w')?.dtype);
  assert.equal(dtypes, ['U8', 'I8', 'I16', 'U16', 'I32', 'U32', 'F32', 'F64', 'I64', 'U64', 'U8']);
  assert.equal(deserialize(serialize({ w: new Float32Array(3) })).tensors.get('w')?.shape, [3]);
});

test('tensors are written in the order given and read in the order of their bytes', () => {
  const pairs = ['z', '2', 'a', '1'].map((name, i) => [name, Uint8Array.of(i)] as const);
  const buffer = serialize(pairs);
  assert.equal([...deserialize(buffer).tensors.keys()], ['z', '2', 'a', '1']);
  assert.equal(deserialize(buffer).data, Uint8Array.of(0, 1, 2, 3));
});

test('what was read can be written again, to the same bytes', () => {
  const { tensors, metadata } = deserialize(golden);
  assert.equal(serialize(tensors, metadata), golden);
});

test('views are written as far as they reach', () => {
  const floats = Float32Array.of(1, 2, 3, 4);
  assert.equal(deserialize(serialize({ w: floats.subarray(1, 3) })).tensors.get('w')?.data, Float32Array.of(2, 3));
});

test('names that every object has are names like any other', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''];
  const metadata = new Map(names.map((name) => [name, name]));
  const read = deserialize(
    serialize(
      names.map((name) => [name, Float32Array.of(1)]),
      metadata,
    ),
  );
  assert.equal([...read.tensors.keys()], names);
  assert.is(Object.getPrototypeOf(read.metadata), null);
  assert.equal(Object.entries(read.metadata), [...metadata]);
  assert.is(({} as Record<string, unknown>).x, undefined);
  assert.is(Object.hasOwn(read.metadata, '__proto__'), true);
});

test('metadata may be any text: line breaks, quotes, every alphabet', () => {
  const metadata = { json: '{"lr":0.1,"path":"C:\\\\x"}', lines: 'a\r\n\tb\u0000', 'ключ 🔑': '値\u2028' };
  assert.equal({ ...deserialize(serialize({}, metadata)).metadata }, metadata);
});

test('a large header is read like a small one', () => {
  const metadata = { long: 'x'.repeat(100_000), 'short "quoted"': 'é' };
  const { metadata: read, tensors } = deserialize(serialize({ w: Float32Array.of(1) }, metadata));
  assert.equal({ ...read }, metadata);
  assert.ok(tensors.has('w'));
});

test('the writer refuses what the reader would refuse', () => {
  const w = Float32Array.of(1, 2);
  refuses('E_ST_NAME', () => serialize({ 'w\n': w }));
  refuses('E_ST_NAME', () => serialize({ '\ud800': w }));
  refuses('E_ST_NAME', () => serialize({ __metadata__: w }));
  refuses('E_ST_NAME', () => serialize({ ['€'.repeat(86)]: w }), '258 bytes, the limit is 256');
  refuses('E_ST_DUPLICATE', () => serialize([['w', w] as const, ['w', w] as const]), '"w" occurs twice in the tensors');
  refuses('E_ST_DUPLICATE', () => serialize({}, [['k', '1'] as const, ['k', '1'] as const]), '"k" occurs twice in the metadata');
  refuses('E_ST_METADATA', () => serialize({}, wrong({ lr: 0.1 })), '"lr" is of type number, must be a string');
  refuses('E_ST_METADATA', () => serialize({}, wrong({ lr: null })));
  refuses('E_ST_METADATA', () => serialize({}, wrong({ lr: undefined })));
  refuses('E_ST_METADATA', () => serialize({}, { k: '\udc00' }));
  // an object without keys of its own, whatever JSON would make of it
  for (const boxed of [new Number(5), new Boolean(true), new Date(0), Object(1n)])
    assert.equal({ ...deserialize(serialize({}, wrong(boxed))).metadata }, {});
  refuses('E_ST_METADATA', () => serialize({}, { '\ud83d': '\ude00' }));
  refuses('E_ST_SIZE', () => serialize({ w: { shape: [3], data: w } }), 'needs 12 bytes, its data has 8');
  refuses('E_ST_SIZE', () => serialize({ w: { shape: [], data: w } }));
  refuses('E_ST_SHAPE', () => serialize({ w: { shape: [-1, -2], data: w } }), '"w"[0] = -1');
  refuses('E_ST_SHAPE', () => serialize({ w: { shape: [0.5, 4], data: w } }));
  refuses('E_ST_SHAPE', () => serialize({ w: { shape: wrong(new Array(2)), data: w } }));
  refuses('E_ST_SHAPE', () => serialize({ w: { shape: wrong('2'), data: w } }));
  refuses('E_ST_SHAPE', () => serialize({ w: { shape: [1, 1, 1, 1, 1, 1, 1, 1, 2], data: w } }));
  refuses('E_ST_OVERFLOW', () => serialize({ w: { shape: [2 ** 32, 2 ** 32, 0], data: new Float32Array(0) } }));
});

test('the writer refuses data of another class than its dtype', () => {
  const data = Float64Array.of(1);
  refuses('E_ST_DTYPE', () => serialize({ w: { dtype: 'F32', data } }), '"w" is F32 in Float64Array, must be in Float32Array');
  refuses('E_ST_DTYPE', () => serialize({ w: { dtype: 'F32', data: new Uint8Array(4) } }));
  refuses('E_ST_DTYPE', () => serialize({ w: { dtype: wrong('F31'), data } }));
  refuses('E_ST_DTYPE', () => serialize({ w: { dtype: wrong({}), data } }));
  refuses('E_ST_DTYPE', () => serialize({ w: wrong(new Uint8ClampedArray(4)) }));
  refuses('E_ST_DTYPE', () => serialize({ w: wrong(new DataView(new ArrayBuffer(4))) }));
  refuses('E_ST_DTYPE', () => serialize({ w: wrong([1, 2]) }));
  refuses('E_ST_DTYPE', () => serialize({ w: wrong({}) }));
  refuses('E_ST_FIELD', () => serialize({ w: wrong(1) }));
  refuses('E_ST_FIELD', () => serialize({ w: wrong(null) }));
});

test('arguments of another kind are a mistake of the program', () => {
  refuses('E_CONFIG', () => deserialize(wrong('{}')), 'got String');
  refuses('E_CONFIG', () => deserialize(wrong(8)));
  refuses('E_CONFIG', () => deserialize(wrong(undefined)));
  refuses('E_CONFIG', () => deserialize(wrong(new Float32Array(8))), 'got Float32Array');
  refuses('E_CONFIG', () => deserialize(wrong({ byteLength: 8 })));
  refuses('E_CONFIG', () => serialize(wrong(null)));
  refuses('E_CONFIG', () => serialize(wrong('w')));
  refuses('E_CONFIG', () => serialize(wrong(new Float32Array(2))));
  refuses('E_CONFIG', () => serialize(wrong([[1, new Float32Array(2)]])));
  refuses('E_CONFIG', () => serialize({}, wrong('k')));
});

test('limits can be raised and lowered, for the reader and the writer alike', () => {
  const tensors = { a: new Float32Array(1), b: new Float32Array(1) };
  const buffer = serialize(tensors, { k: 'x'.repeat(2 ** 20) }, { headerBytes: 2 ** 21 });
  refuses('E_ST_HEADER_LIMIT', () => deserialize(buffer));
  refuses('E_ST_HEADER_LIMIT', () => serialize(tensors, { k: 'x'.repeat(2 ** 20) }));
  assert.is(deserialize(buffer, { headerBytes: 2 ** 21 }).metadata.k.length, 2 ** 20);
  refuses('E_ST_COUNT', () => deserialize(buffer, { headerBytes: 2 ** 21, tensors: 1 }));
  refuses('E_ST_COUNT', () => serialize(tensors, {}, { tensors: 1 }), '2 tensors, the limit is 1');
  refuses('E_ST_HEADER_LIMIT', () => withMetadata(golden, { k: 'x'.repeat(2 ** 20) }));
  assert.is(withMetadata(buffer, { k: '' }, { headerBytes: 2 ** 21 }).byteLength, serialize(tensors, { k: '' }).byteLength);
  assert.ok(withMetadata(golden, { k: 'x'.repeat(2 ** 20) }, { headerBytes: 2 ** 21 }).byteLength > 2 ** 20);
});

test('a limit that is no limit is refused', () => {
  for (const headerBytes of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, wrong('8'), wrong(null)]) {
    refuses('E_CONFIG', () => deserialize(golden, { headerBytes }));
  }
  refuses('E_CONFIG', () => deserialize(golden, { tensors: 1_000_001 }));
  refuses('E_CONFIG', () => deserialize(golden, wrong({ headerbytes: 8 })), 'did you mean "headerBytes"?');
});

test('stamping adds metadata and keeps every byte of the tensors', () => {
  const stamped = withMetadata(golden, { version: '7', k: 'other' });
  const { metadata, tensors, data } = deserialize(stamped);
  assert.equal({ ...metadata }, { k: 'other', version: '7' });
  assert.equal(tensors, deserialize(golden).tensors);
  assert.equal(data, golden.subarray(144));
  assert.is(data.byteOffset % 8, 0);
});

test('stamping nothing gives the same bytes, in a buffer of its own', () => {
  const stamped = withMetadata(golden, {});
  assert.equal(stamped, golden);
  assert.is.not(stamped.buffer, golden.buffer);
});

test('stamping refuses metadata that is not text', () => {
  refuses('E_ST_METADATA', () => withMetadata(golden, wrong({ version: 7 })));
  refuses('E_ST_METADATA', () => withMetadata(golden, { version: '\ud800' }));
  refuses('E_CONFIG', () => withMetadata(golden, wrong(undefined)));
});

test.run();
