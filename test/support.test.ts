// The tests' own helpers: floats as bits, programs that are run.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProgram } from './examples/programs.ts';
import { sameBits } from './support/bits.ts';

const floats = (...values: number[]): Float32Array => Float32Array.of(...values);

test('equal bits are equal, NaN too', () => {
  sameBits(floats(1, Number.NaN, -0), floats(1, Number.NaN, -0));
  sameBits(Float64Array.of(0.1), Float64Array.of(0.1));
  sameBits(floats(), floats());
  sameBits(floats(0, 1, 2).subarray(1), floats(1, 2));
});

test('0 and -0 differ, and the message shows both as bits', () => {
  assert.throws(() => sameBits(floats(1, 0), floats(1, -0), 'w'), /^w\[1\] is 0 \(0x00000000\), expected -0 \(0x80000000\)$/);
});

test('a last bit differs, and the message counts the others', () => {
  const wrong = () => sameBits(floats(1, 2, 3), floats(1.0000001192092896, 2, 4));
  assert.throws(wrong, /is 1 \(0x3f800000\), expected 1.0000001192092896 \(0x3f800001\); 2 of 3 differ$/);
});

test('lengths and classes differ', () => {
  assert.throws(() => sameBits(floats(1), floats(1, 2)), /got Float32Array\(1\), expected Float32Array\(2\)/);
  assert.throws(() => sameBits(floats(1), Float64Array.of(1)), /got Float32Array\(1\), expected Float64Array\(1\)/);
});

test('a program that somebody fails to look at is ended', async () => {
  let pid = 0;
  const failing = runProgram('-e', ['setInterval(() => {}, 1 << 30)'], async (its) => {
    pid = its;
    throw new Error('it is not as it should be');
  });
  assert.is(await failing.catch(String), 'Error: it is not as it should be');
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test.run();
