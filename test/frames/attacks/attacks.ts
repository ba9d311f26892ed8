// The attacks on the safetensors reader: one buffer for each way to be wrong, and the code that must be its answer.
import type { ErrorCode } from '../../../src/errors.ts';
import { buffer, bytesAt, empties, entry, metadata } from './build.ts';

/** A buffer and its verdict. */
export interface Attack {
  /** The name of its file here, without `.safetensors`. */
  readonly file: string;
  /** The code it is refused with, or `accepted` where it is odd but right. */
  readonly verdict: ErrorCode | 'accepted';
  /** What is wrong with it, or odd. */
  readonly what: string;
  readonly bytes: Uint8Array;
}

const lfsPointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 62\n`;
const web = '<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n';
const right = entry();
const zip = Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 8, 8, 0, 0);

/** A buffer whose header has these bytes inside the name of its tensor. */
function named(...bytes: readonly number[]): Uint8Array {
  const [before, after] = entry({ name: '"|"' }).split('|');
  return buffer(Uint8Array.of(...Buffer.from(before), ...bytes, ...Buffer.from(after)), 4);
}

// biome-ignore format: one attack a line
const table: readonly (readonly [file: string, verdict: Attack['verdict'], what: string, bytes: Uint8Array])[] = [
  // lengths
  ['short-nothing', 'E_ST_SHORT', 'no byte at all', new Uint8Array(0)],
  ['short-seven-bytes', 'E_ST_SHORT', 'seven of the eight bytes of the length', new Uint8Array(7)],
  ['limit-2-64-less-1', 'E_ST_HEADER_LIMIT', 'a header of 2^64-1 bytes', buffer(right, 4, 2n ** 64n - 1n)],
  ['limit-2-63', 'E_ST_HEADER_LIMIT', 'a header of 2^63 bytes, negative where the length is read as signed', buffer(right, 4, 2n ** 63n)],
  ['limit-2-53', 'E_ST_HEADER_LIMIT', 'a header of 2^53 bytes', buffer(right, 4, 2n ** 53n)],
  ['limit-2-32', 'E_ST_HEADER_LIMIT', 'a header 2^32 bytes longer than it is, right where only 32 bits are read', buffer(right, 4, 2n ** 32n + BigInt(right.length))],
  ['limit-one-more', 'E_ST_HEADER_LIMIT', 'a header one byte longer than 1 MiB', buffer(right, 4, 2n ** 20n + 1n)],
  ['limit-10001-tensors', 'E_ST_COUNT', 'one tensor more than 10,000, none with a byte', buffer(empties(10_001))],
  ['length-past-the-end', 'E_ST_HEADER_LENGTH', 'a header one byte longer than the buffer', buffer(right, 0, BigInt(right.length) + 1n)],
  ['length-alone', 'E_ST_HEADER_LENGTH', 'a length and nothing after it', buffer('', 0, 60n)],
  ['length-git-lfs', 'E_ST_HEADER_LENGTH', 'a Git LFS pointer in place of the file', new Uint8Array(Buffer.from(lfsPointer))],
  ['length-html', 'E_ST_HEADER_LENGTH', 'a web page in place of the file', new Uint8Array(Buffer.from(web))],
  ['length-zip', 'E_ST_HEADER_LENGTH', 'a ZIP archive, which is what older checkpoints are', zip],
  ['length-json', 'E_ST_HEADER_LENGTH', 'the header without its length', new Uint8Array(Buffer.from(right))],

  // text
  ['utf8-bad-byte', 'E_ST_UTF8', 'a byte that UTF-8 never has', named(0xff)],
  ['utf8-overlong', 'E_ST_UTF8', 'a slash in two bytes', named(0xc0, 0xaf)],
  ['utf8-surrogate', 'E_ST_UTF8', 'half a surrogate pair in three bytes', named(0xed, 0xa0, 0x80)],
  ['utf8-cut', 'E_ST_UTF8', 'a header that ends inside a character', buffer(Uint8Array.of(0x7b, 0x22, 0xe2, 0x82))],
  ['utf8-cut-mark', 'E_ST_UTF8', 'a header that ends inside the character that stands for bad ones', buffer(Uint8Array.of(0x7b, 0x22, 0xef, 0xbf))],
  ['utf8-mark', 'E_ST_UTF8', 'a byte order mark', buffer(`\ufeff${right}`, 4)],
  ['json-empty', 'E_ST_JSON', 'a header of no bytes', buffer('')],
  ['json-spaces', 'E_ST_JSON', 'a header of spaces', buffer('        ')],
  ['json-array', 'E_ST_JSON', 'an array for a header', buffer('[]      ')],
  ['json-null', 'E_ST_JSON', 'null for a header', buffer('null    ')],
  ['json-string', 'E_ST_JSON', 'a string for a header', buffer('"x"     ')],
  ['json-deep', 'E_ST_JSON', '20,000 arrays, one in the other', buffer('['.repeat(20_000))],
  ['json-unclosed', 'E_ST_JSON', 'an object that does not end', buffer(right.slice(0, -1), 4)],
  ['json-open-string', 'E_ST_JSON', 'a name that does not end', buffer('{"w')],
  ['json-trailing-nul', 'E_ST_JSON', 'padding with zeros, not spaces', buffer(`${right}\0\0\0`, 4)],
  ['json-trailing-comma', 'E_ST_JSON', 'a comma after the last entry', buffer(`${right.slice(0, -1)},}`, 4)],
  ['json-two-objects', 'E_ST_JSON', 'a second object after the first', buffer(`${right}{}`, 4)],
  ['json-comment', 'E_ST_JSON', 'a comment', buffer(`${right}// w`, 4)],
  ['json-bare-name', 'E_ST_JSON', 'a name without quotes', buffer(entry({ name: 'w' }), 4)],
  ['json-no-colon', 'E_ST_JSON', 'a name without a value', buffer('{"w"}')],
  ['json-raw-newline', 'E_ST_JSON', 'a line break inside a name', buffer(entry({ name: '"w\n"' }), 4)],
  ['json-bad-escape', 'E_ST_JSON', 'an escape that JSON does not have', buffer(entry({ name: '"\\x41"' }), 4)],
  ['json-cut-escape', 'E_ST_JSON', 'an escape cut short', buffer(entry({ name: '"\\u00"' }), 4)],
  ['json-nan', 'E_ST_JSON', 'NaN in a shape', buffer(entry({ shape: '[NaN]' }), 4)],
  ['json-space-in-shape', 'E_ST_JSON', 'two dimensions without a comma', buffer(entry({ shape: '[1 1]' }), 4)],

  // names, fields and metadata
  ['duplicate-name', 'E_ST_DUPLICATE', 'two tensors of one name', buffer(bytesAt([0, 2], [2, 4]).replace('"b"', '"a"'), 4)],
  ['duplicate-escaped', 'E_ST_DUPLICATE', 'one name spelled in two ways', buffer(bytesAt([0, 2], [2, 4]).replace('"b"', '"\\u0061"'), 4)],
  ['duplicate-empty', 'E_ST_DUPLICATE', 'two tensors of one name and no bytes', buffer(bytesAt([0, 0], [0, 0]).replace('"b"', '"a"'))],
  ['duplicate-dtype', 'E_ST_DUPLICATE', 'two dtypes in one entry', buffer(entry({ dtype: '"F32","dtype":"F32"' }), 4)],
  ['duplicate-shape', 'E_ST_DUPLICATE', 'two shapes in one entry', buffer(entry({ shape: '[1],"shape":[1]' }), 4)],
  ['duplicate-offsets', 'E_ST_DUPLICATE', 'two places of one tensor', buffer(entry({ offsets: '[0,4],"data_offsets":[0,4]' }), 4)],
  ['duplicate-metadata', 'E_ST_DUPLICATE', 'metadata twice', buffer(metadata(`{},"__metadata__":{}`), 4)],
  ['duplicate-metadata-key', 'E_ST_DUPLICATE', 'two values of one metadata key', buffer(metadata('{"lr":"1","lr":"2"}'), 4)],
  ['name-control', 'E_ST_NAME', 'a terminal escape sequence in a name', buffer(entry({ name: '"\\u001b[2J"' }), 4)],
  ['name-nul', 'E_ST_NAME', 'a zero byte in a name', buffer(entry({ name: '"w\\u0000"' }), 4)],
  ['name-lone-surrogate', 'E_ST_NAME', 'half a surrogate pair as an escape', buffer(entry({ name: '"\\ud800"' }), 4)],
  ['name-257-bytes', 'E_ST_NAME', 'a name of 257 bytes', buffer(entry({ name: `"${'n'.repeat(257)}"` }), 4)],
  ['name-258-bytes-of-86', 'E_ST_NAME', 'a name of 86 characters in 258 bytes', buffer(entry({ name: `"${'€'.repeat(86)}"` }), 4)],
  ['metadata-number', 'E_ST_METADATA', 'a number in the metadata', buffer(metadata('{"lr":0.1}'), 4)],
  ['metadata-null-value', 'E_ST_METADATA', 'null in the metadata', buffer(metadata('{"lr":null}'), 4)],
  ['metadata-object', 'E_ST_METADATA', 'an object in the metadata', buffer(metadata('{"lr":{}}'), 4)],
  ['metadata-array', 'E_ST_METADATA', 'an array for the metadata', buffer(metadata('["lr"]'), 4)],
  ['metadata-null', 'E_ST_METADATA', 'null for the metadata, which the reference takes', buffer(metadata('null'), 4)],
  ['metadata-tensor', 'E_ST_METADATA', 'a tensor called __metadata__', buffer(entry({ name: '"__metadata__"' }), 4)],
  ['metadata-lone-surrogate', 'E_ST_METADATA', 'half a surrogate pair in a value', buffer(metadata('{"k":"\\udc00"}'), 4)],
  ['metadata-split-pair', 'E_ST_METADATA', 'a surrogate pair, half in the key and half in the value', buffer(metadata('{"\\ud83d":"\\ude00"}'), 4)],
  ['field-no-dtype', 'E_ST_FIELD', 'an entry without dtype', buffer('{"w":{"shape":[1],"data_offsets":[0,4]}}', 4)],
  ['field-no-shape', 'E_ST_FIELD', 'an entry without shape', buffer('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4)],
  ['field-no-offsets', 'E_ST_FIELD', 'an entry without offsets', buffer('{"w":{"dtype":"F32","shape":[1]}}', 4)],
  ['field-none', 'E_ST_FIELD', 'an empty entry', buffer('{"w":{}}')],
  ['field-extra', 'E_ST_FIELD', 'a fourth field, which the reference skips', buffer(entry({ shape: '[1],"strides":[4]' }), 4)],
  ['field-deep', 'E_ST_FIELD', 'a fourth field of 20,000 arrays', buffer(entry({ shape: `[1],"x":${'['.repeat(20_000)}` }), 4)],
  ['field-entry-array', 'E_ST_FIELD', 'an entry as an array, which the reference takes', buffer('{"w":["F32",[1],[0,4]]}', 4)],
  ['field-entry-number', 'E_ST_FIELD', 'a number for an entry', buffer('{"w":1}')],

  // types and shapes
  ['dtype-unknown', 'E_ST_DTYPE', 'an unknown dtype', buffer(entry({ dtype: '"F31"' }), 4)],
  ['dtype-lower-case', 'E_ST_DTYPE', 'f32', buffer(entry({ dtype: '"f32"' }), 4)],
  ['dtype-space', 'E_ST_DTYPE', 'F32 and a space', buffer(entry({ dtype: '"F32 "' }), 4)],
  ['dtype-half-byte', 'E_ST_DTYPE', 'F4, of which two share a byte', buffer(entry({ dtype: '"F4"', shape: '[8]' }), 4)],
  ['dtype-constructor', 'E_ST_DTYPE', 'a name that every object has', buffer(entry({ dtype: '"constructor"' }), 4)],
  ['dtype-number', 'E_ST_DTYPE', 'a number for a dtype', buffer(entry({ dtype: '32' }), 4)],
  ['dtype-object', 'E_ST_DTYPE', 'an object for a dtype, which the reference takes', buffer(entry({ dtype: '{"F32":null}' }), 4)],
  ['shape-negative', 'E_ST_SHAPE', 'a dimension of -1', buffer(entry({ shape: '[-1,-1]' }), 4)],
  ['shape-minus-zero', 'E_ST_SHAPE', 'a dimension of -0', buffer(entry({ shape: '[-0]', offsets: '[0,0]' }))],
  ['shape-fraction', 'E_ST_SHAPE', 'a dimension of 1.5', buffer(entry({ shape: '[1.5]' }), 4)],
  ['shape-point-zero', 'E_ST_SHAPE', 'a dimension of 1.0', buffer(entry({ shape: '[1.0]' }), 4)],
  ['shape-exponent', 'E_ST_SHAPE', 'a dimension of 1e0', buffer(entry({ shape: '[1e0]' }), 4)],
  ['shape-leading-zero', 'E_ST_SHAPE', 'a dimension of 01', buffer(entry({ shape: '[01]' }), 4)],
  ['shape-string', 'E_ST_SHAPE', 'a dimension of "1"', buffer(entry({ shape: '["1"]' }), 4)],
  ['shape-2-53', 'E_ST_SHAPE', 'a dimension that a Number rounds', buffer(entry({ shape: '[9007199254740993,0]', offsets: '[0,0]' }))],
  ['shape-2-64', 'E_ST_SHAPE', 'a dimension of 2^64+1, which is 1 in 64 bits', buffer(entry({ shape: '[18446744073709551617]' }), 4)],
  ['shape-long-number', 'E_ST_SHAPE', 'a dimension of 20,000 digits', buffer(entry({ shape: `[${'9'.repeat(20_000)}]` }), 4)],
  ['shape-object', 'E_ST_SHAPE', 'an object for a shape', buffer(entry({ shape: '{}' }), 4)],
  ['shape-nested', 'E_ST_SHAPE', 'an array for a dimension', buffer(entry({ shape: '[[1]]' }), 4)],
  ['shape-rank-9', 'E_ST_SHAPE', 'nine dimensions', buffer(entry({ shape: '[1,1,1,1,1,1,1,1,1]' }), 4)],
  ['overflow-elements', 'E_ST_OVERFLOW', '2^64 elements, which are none in 64 bits', buffer(entry({ shape: '[4294967296,4294967296]', offsets: '[0,0]' }))],
  ['overflow-bytes', 'E_ST_OVERFLOW', '2^53-1 elements of four bytes', buffer(entry({ shape: '[9007199254740991]' }), 4)],
  ['overflow-then-zero', 'E_ST_OVERFLOW', 'a product that overflows before it is 0', buffer(entry({ shape: '[4294967296,4294967296,0]', offsets: '[0,0]' }))],
  ['size-too-few', 'E_ST_SIZE', 'four elements in four bytes', buffer(entry({ shape: '[2,2]' }), 4)],
  ['size-too-many', 'E_ST_SIZE', 'one element in eight bytes', buffer(entry({ offsets: '[0,8]' }), 8)],
  ['size-not-whole', 'E_ST_SIZE', 'an element and a half', buffer(entry({ offsets: '[0,6]' }), 6)],

  // places
  ['offset-reversed', 'E_ST_OFFSET', 'an end before its begin', buffer(entry({ offsets: '[4,0]' }), 4)],
  ['offset-negative', 'E_ST_OFFSET', 'a begin before the data', buffer(entry({ offsets: '[-4,0]' }), 4)],
  ['offset-fraction', 'E_ST_OFFSET', 'an offset of 0.5', buffer(entry({ offsets: '[0.5,4.5]' }), 4)],
  ['offset-string', 'E_ST_OFFSET', 'offsets as strings', buffer(entry({ offsets: '["0","4"]' }), 4)],
  ['offset-2-64', 'E_ST_OFFSET', 'offsets that are [0,4] in 64 bits', buffer(entry({ offsets: '[18446744073709551616,18446744073709551620]' }), 4)],
  ['offset-none', 'E_ST_OFFSET', 'no offsets', buffer(entry({ offsets: '[]' }), 4)],
  ['offset-one', 'E_ST_OFFSET', 'one offset', buffer(entry({ offsets: '[0]' }), 4)],
  ['offset-three', 'E_ST_OFFSET', 'three offsets', buffer(entry({ offsets: '[0,4,8]' }), 4)],
  ['offset-object', 'E_ST_OFFSET', 'offsets as an object', buffer(entry({ offsets: '{"0":0,"1":4}' }), 4)],
  ['offset-outside', 'E_ST_OFFSET', 'a tensor behind the end', buffer(entry({ offsets: '[4,8]' }), 4)],
  ['offset-gap-first', 'E_ST_OFFSET', 'a byte before the first tensor', buffer(bytesAt([1, 4]), 4)],
  ['offset-gap', 'E_ST_OFFSET', 'a byte between two tensors', buffer(bytesAt([0, 1], [2, 4]), 4)],
  ['offset-overlap', 'E_ST_OFFSET', 'two tensors that share a byte', buffer(bytesAt([0, 3], [2, 4]), 4)],
  ['offset-same-bytes', 'E_ST_OFFSET', 'three tensors on the same bytes', buffer(bytesAt([0, 4], [0, 4], [0, 4]), 4)],
  ['offset-empty-inside', 'E_ST_OFFSET', 'a tensor of no bytes inside another', buffer(bytesAt([0, 4], [2, 2]), 4)],
  ['trailing-bytes', 'E_ST_TRAILING', 'a second file hidden after the tensors', buffer(right, '\x01\x02\x03\x04PK\x03\x04hidden')],
  ['trailing-no-tensors', 'E_ST_TRAILING', 'data and no tensors', buffer('{}      ', 8)],
  ['truncated-one-byte', 'E_ST_TRUNCATED', 'one byte missing at the end', buffer(right, 3)],
  ['truncated-all', 'E_ST_TRUNCATED', 'no data', buffer(right)],
  ['truncated-claim', 'E_ST_TRUNCATED', 'a tensor of 8 TB in a buffer of 80 bytes', buffer(entry({ shape: '[2199023255552]', offsets: '[0,8796093022208]' }), 4)],

  // odd, and right
  ['right-nothing', 'accepted', 'no tensors and no metadata', buffer('{}')],
  ['right-empty-metadata', 'accepted', 'metadata without keys', buffer(metadata('{}'), 4)],
  ['right-leading-space', 'accepted', 'spaces before the header, which the format forbids and the reference takes', buffer(` \n${right}`, 4)],
  ['right-white-space', 'accepted', 'white space of every kind between everything', buffer(right.replaceAll(/[{}[\]:,]/g, '\t$&\r\n '), 4)],
  ['right-order', 'accepted', 'entries in another order than their bytes', buffer(bytesAt([2, 4], [0, 2]), 4)],
  ['right-field-order', 'accepted', 'fields in another order', buffer('{"w":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}}', 4)],
  ['right-scalar', 'accepted', 'a tensor without dimensions', buffer(entry({ shape: '[]' }), 4)],
  ['right-no-elements', 'accepted', 'a tensor without elements', buffer(entry({ shape: '[0,4]', offsets: '[0,0]' }))],
  ['right-no-elements-between', 'accepted', 'tensors without elements before, between and after others', buffer(bytesAt([4, 4], [0, 2], [2, 2], [0, 0], [2, 4]), 4)],
  ['right-rank-8', 'accepted', 'eight dimensions', buffer(entry({ shape: '[1,1,1,1,1,1,1,1]' }), 4)],
  ['right-name-256-bytes', 'accepted', 'a name of 256 bytes', buffer(entry({ name: `"${'n'.repeat(256)}"` }), 4)],
  ['right-name-empty', 'accepted', 'a tensor without a name, which no layout has', buffer(entry({ name: '""' }), 4)],
  ['right-name-proto', 'accepted', 'a tensor called __proto__', buffer(entry({ name: '"__proto__"' }), 4)],
  ['right-name-constructor', 'accepted', 'a tensor called constructor', buffer(entry({ name: '"constructor"' }), 4)],
  ['right-metadata-proto', 'accepted', 'a metadata key __proto__', buffer(metadata('{"__proto__":"x","toString":"y"}'), 4)],
  ['right-name-escaped', 'accepted', 'a name with escapes, among them a surrogate pair', buffer(entry({ name: '"\\u0077\\/\\ud83d\\ude00"' }), 4)],
  ['right-unaligned-header', 'accepted', 'a header without padding, so floats on odd bytes', buffer(`${right} `, 4)],
  ['right-unaligned-tensor', 'accepted', 'floats after a single byte', buffer('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}', 5)],
];

/** Every attack; the files beside this one hold the same bytes. */
export const attacks: readonly Attack[] = table.map(([file, verdict, what, bytes]) => ({ file, verdict, what, bytes }));
