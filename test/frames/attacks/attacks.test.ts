// Every attack file against the safetensors reader, and the attacks too large to keep as files.
import { readdirSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../../src/errors.ts';
import { deserialize, withMetadata } from '../../../src/frames/safetensors.ts';
import { attacks } from './attacks.ts';
import { buffer, bytesAt, empties } from './build.ts';

const folder = new URL('.', import.meta.url);
const fileOf = (name: string): Buffer => readFileSync(new URL(`${name}.safetensors`, folder));

/** The code a buffer is refused with, or `accepted`. Anything but a GradwireError is thrown on. */
function verdict(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (error instanceof GradwireError) return error.code;
    throw error;
  }
}

/** The message a buffer is refused with. */
function message(bytes: Uint8Array): string {
  try {
    deserialize(bytes);
  } catch (error) {
    return String((error as Error).message);
  }
  throw new Error('was accepted');
}

for (const { file, verdict: expected, what } of attacks) {
  test(`${file}: ${what} is ${expected}`, () => {
    assert.is(
      verdict(() => deserialize(fileOf(file))),
      expected,
    );
    assert.is(
      verdict(() => withMetadata(fileOf(file), { stamped: '1' })),
      expected,
    );
  });
}

test('the attack files are those of the table, byte for byte', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  assert.equal(files.sort(), attacks.map(({ file }) => `${file}.safetensors`).sort());
  for (const { file, bytes } of attacks) assert.ok(fileOf(file).equals(bytes), file);
});

test('every code of a malformed safetensors buffer has an attack', () => {
  const seen = new Set(attacks.map((attack) => attack.verdict));
  const codes = [
    'SHORT',
    'HEADER_LIMIT',
    'HEADER_LENGTH',
    'COUNT',
    'UTF8',
    'JSON',
    'DUPLICATE',
    'NAME',
    'METADATA',
    'FIELD',
    'DTYPE',
    'SHAPE',
  ];
  const more = ['OVERFLOW', 'SIZE', 'OFFSET', 'TRAILING', 'TRUNCATED'];
  for (const code of [...codes, ...more]) assert.ok(seen.has(`E_ST_${code}` as never), code);
});

test('a refusal says what was found, what was expected and where', () => {
  const says = (file: string): string => message(fileOf(file));
  assert.is(says('short-seven-bytes'), 'E_ST_SHORT: 7 bytes, need at least 8 for the header length');
  assert.is(says('limit-2-64-less-1'), 'E_ST_HEADER_LIMIT: header length 18446744073709551615 exceeds 1048576');
  assert.is(says('limit-2-53'), 'E_ST_HEADER_LIMIT: header length 9007199254740992 exceeds 1048576');
  assert.match(says('length-git-lfs'), 'it looks like a Git LFS pointer');
  assert.match(says('length-html'), 'it looks like HTML or XML');
  assert.match(says('length-zip'), 'it looks like a ZIP archive');
  assert.is(says('utf8-bad-byte'), 'E_ST_UTF8: the header is not UTF-8 at byte 2');
  assert.is(says('utf8-cut-mark'), 'E_ST_UTF8: the header is not UTF-8 at byte 4');
  assert.is(says('utf8-mark'), 'E_ST_UTF8: the header starts with a byte order mark at byte 0');
  assert.is(says('json-array'), 'E_ST_JSON: header must be an object');
  assert.is(says('json-trailing-comma'), 'E_ST_JSON: expected a key in quotes at byte 54 of the header');
  assert.is(says('duplicate-name'), 'E_ST_DUPLICATE: "a" occurs twice');
  assert.is(says('metadata-number'), 'E_ST_METADATA: "lr" is a number, must be a string');
  assert.is(says('shape-fraction'), 'E_ST_SHAPE: "w"[0] = 1.5 is not an integer 0..2^53-1');
  assert.is(says('size-too-few'), 'E_ST_SIZE: "w" F32 [2,2] needs 16 bytes, offsets give 4');
  assert.is(says('offset-reversed'), 'E_ST_OFFSET: "w" [4,0] ends before it begins');
  assert.is(says('offset-gap'), 'E_ST_OFFSET: gap of 1 bytes before "b" [2,4]');
  assert.is(says('trailing-bytes'), 'E_ST_TRAILING: 10 bytes after the last tensor');
});

test('a refusal prints neither control characters nor long names nor the data', () => {
  for (const { file, verdict: expected, bytes } of attacks) {
    if (expected === 'accepted') continue;
    const text = message(bytes);
    assert.not.match(text, /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u, file);
    assert.ok(text.length < 250, file);
    assert.not.match(text, 'hidden', file);
  }
});

test('control: JSON.parse alone would keep the last of two tensors, and an overlong number as another one', () => {
  assert.equal(JSON.parse('{"a":1,"a":2}'), { a: 2 });
  assert.is(JSON.parse('9007199254740993'), 9007199254740992);
  assert.ok(Object.is(JSON.parse('-0'), -0));
});

test('control: a walk that recurses would exhaust the stack at a depth that the reader refuses', () => {
  const depth = (value: unknown): number => (Array.isArray(value) && value.length > 0 ? 1 + depth(value[0]) : 1);
  assert.throws(() => depth(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))), /call stack/);
});

test('a header a million deep is refused without a walk', () => {
  assert.is(
    verdict(() => deserialize(buffer('['.repeat(1_000_000)))),
    'E_ST_JSON',
  );
  assert.is(
    verdict(() => deserialize(buffer('{"w":'.repeat(200_000)))),
    'E_ST_FIELD',
  );
  assert.is(
    verdict(() => deserialize(buffer(`{"__metadata__":{"a":${'{"a":'.repeat(200_000)}`))),
    'E_ST_METADATA',
  );
});

test('300,000 tensors without bytes are refused by the length of their header, and 10,001 by their count', () => {
  const empty = (count: number): Uint8Array => buffer(empties(count));
  assert.is(
    verdict(() => deserialize(empty(300_000))),
    'E_ST_HEADER_LIMIT',
  );
  assert.is(
    verdict(() => deserialize(empty(10_001))),
    'E_ST_COUNT',
  );
  assert.is(deserialize(empty(10_000)).tensors.size, 10_000);
  assert.is(deserialize(empty(10_001), { tensors: 10_001 }).tensors.size, 10_001);
});

test('metadata as long as the header may be is read, and one byte more is refused', () => {
  const long = (length: number): Uint8Array => buffer(`{"__metadata__":{"k":"${'v'.repeat(length - 25)}"}}`);
  assert.is(long(2 ** 20).byteLength, 8 + 2 ** 20);
  assert.is(deserialize(long(2 ** 20)).metadata.k.length, 2 ** 20 - 25);
  assert.is(
    verdict(() => deserialize(long(2 ** 20 + 1))),
    'E_ST_HEADER_LIMIT',
  );
});

test('metadata with an escape in every place is read in time that grows with its length alone', () => {
  const quotes = buffer(`{"__metadata__":{"k":"${'\\"'.repeat(500_000)}"}}`);
  assert.is(deserialize(quotes).metadata.k, '"'.repeat(500_000));
  const keys = Array.from({ length: 60_000 }, (_, i) => `"\\u0061${i}":""`);
  assert.is(Object.keys(deserialize(buffer(`{"__metadata__":{${keys.join()}}}`)).metadata).length, 60_000);
});

test('a text kept from a large header does not keep the header in memory', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const header = (i: number): string =>
    `{"__metadata__":{"producer":"a worker with a long name ${i}","pad":"${'x'.repeat(1_000_000)}"}}`;
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept = Array.from({ length: 30 }, (_, i) => deserialize(buffer(header(i))).metadata.producer);
  collect();
  assert.is(kept[29], 'a worker with a long name 29');
  assert.ok(process.memoryUsage().heapUsed - before < 5_000_000);
});

test('a claim of gigabytes makes nothing of that size', () => {
  const before = process.memoryUsage().arrayBuffers;
  const giant = 4 * 2 ** 30;
  for (let i = 0; i < 100; i++) {
    assert.is(
      verdict(() => deserialize(buffer(bytesAt([0, giant]), 4))),
      'E_ST_TRUNCATED',
    );
    assert.is(
      verdict(() => deserialize(buffer(bytesAt([giant, 2 * giant]), 4))),
      'E_ST_OFFSET',
    );
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
});

test.run();
