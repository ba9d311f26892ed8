// Buffers that say the same of their tensors, one after another: what was read of the last must not show in the next.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../src/errors.ts';
import { deserialize, type SafetensorsLimits, serialize } from '../../src/frames/safetensors.ts';
import { chance, seed, whole } from '../support/random.ts';
import { refused } from '../support/refused.ts';

/** A buffer with these tensors: metadata of its own, the same text after them. */
const told = (label: string, ...values: number[]): Uint8Array<ArrayBuffer> =>
  serialize({ w: Float32Array.from(values), i: Int32Array.of(7) }, { label });

/** The buffer with other bytes after its header. */
function withData(buffer: Uint8Array, byteLength: number): Uint8Array {
  const end = 8 + new DataView(buffer.buffer).getUint32(0, true);
  const changed = new Uint8Array(end + byteLength);
  changed.set(buffer.subarray(0, Math.min(buffer.byteLength, changed.byteLength)));
  return changed;
}

/** Throws unless the buffer is refused so, though one that says the same of its tensors was read just before. */
function refuses(code: ErrorCode, buffer: Uint8Array, limits?: SafetensorsLimits): void {
  deserialize(told('good', 1, 2));
  refused(code, () => deserialize(buffer, limits));
}

test('each buffer has its own metadata and its own values', () => {
  const [first, second] = [told('first', 1, 2), told('the second', 3, 4)].map((buffer) => deserialize(buffer));
  assert.equal([{ ...first.metadata }, { ...second.metadata }], [{ label: 'first' }, { label: 'the second' }]);
  assert.equal([...first.tensors].at(0)?.[1].data, Float32Array.of(1, 2));
  assert.equal([...second.tensors].at(0)?.[1].data, Float32Array.of(3, 4));
  assert.equal([...second.tensors.keys()], ['w', 'i']);
});

test('whoever changes a shape that was read changes no other', () => {
  const shape = deserialize(told('first', 1, 2)).tensors.get('w')?.shape as number[];
  assert.throws(() => shape.push(9), TypeError);
  assert.equal(deserialize(told('second', 3, 4)).tensors.get('w')?.shape, [2]);
});

test('a section that is shorter or longer than the tensors is refused', () => {
  refuses('E_ST_TRUNCATED', withData(told('short', 1, 2), 8));
  refuses('E_ST_TRAILING', withData(told('long', 1, 2), 16));
});

test('a lower limit holds', () => refuses('E_ST_COUNT', told('two', 1, 2), { tensors: 1 }));

test('only spaces may follow on the same text', () => {
  const buffer = told('tail...', 1, 2);
  const end = 8 + new DataView(buffer.buffer).getUint32(0, true);
  assert.is(buffer[end - 1], 0x20, 'this header is filled up with a space');
  buffer[end - 1] = 0x7d;
  refuses('E_ST_JSON', buffer);
});

test('a second object of metadata is refused after as well as before', () => {
  const text = '{"__metadata__":{},"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__":{}}';
  const buffer = new Uint8Array(8 + text.length);
  buffer.set(new TextEncoder().encode(text), 8);
  buffer[0] = text.length;
  for (let i = 0; i < 2; i++) refuses('E_ST_DUPLICATE', buffer);
});

test('in any order of headers and sections each is read, or refused, as on its own', () => {
  const random = chance(seed);
  const renamed = serialize({ v: Float32Array.of(1), i: Int32Array.of(7) }, { label: 'a' });
  const buffers = [
    renamed,
    told('a', 1),
    told('b', 1),
    told('bb', 1, 2),
    told('b', 1, 2),
    serialize({}, { none: '' }),
    serialize({}),
  ];
  const cases = buffers.flatMap((buffer) => [4, 8, 12].map((length) => withData(buffer, length)));
  const said = (buffer: Uint8Array): string => {
    try {
      const { metadata, tensors } = deserialize(buffer);
      return JSON.stringify([metadata, [...tensors].map(([name, { shape, data }]) => [name, shape, [...data]])]);
    } catch (error) {
      return String(error);
    }
  };
  // with something of another kind before it, each is read anew
  const alone = cases.map((buffer) => {
    deserialize(told('another', 1, 2, 3, 4, 5));
    return said(buffer);
  });
  assert.ok(new Set(alone).size > 8);
  for (let i = 0; i < 2000; i++) {
    const which = whole(random, 0, cases.length - 1);
    assert.is(said(cases[which]), alone[which], `seed ${seed}, turn ${i}`);
  }
});

test.run();
