// States of an optimizer compared as bits, whatever slots they have.
import * as assert from 'uvu/assert';
import { sameBits } from './bits.ts';

/** Throws unless both values have the same fields, numbers and floats, arrays as bits; says where they differ. */
export function sameState(actual: unknown, expected: unknown, what: string): void {
  if (isFloats(actual) && isFloats(expected)) sameBits(actual, expected, what);
  else if (actual instanceof Map && expected instanceof Map) sameFields([...actual], [...expected], what);
  else if (isRecord(actual) && isRecord(expected)) sameFields(Object.entries(actual), Object.entries(expected), what);
  else assert.ok(Object.is(actual, expected), `${what}: ${String(actual)}, expected ${String(expected)}`);
}

function isFloats(value: unknown): value is Float32Array | Float64Array {
  return value instanceof Float32Array || value instanceof Float64Array;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function sameFields(actual: [unknown, unknown][], expected: [unknown, unknown][], what: string): void {
  assert.equal(
    actual.map(([name]) => String(name)),
    expected.map(([name]) => String(name)),
    what,
  );
  for (const [i, [name, value]] of actual.entries()) sameState(value, expected[i][1], `${what}: ${String(name)}`);
}
