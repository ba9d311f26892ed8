// Floats compared as bits: NaN equals the same NaN, and 0 differs from -0.

type Floats = Float32Array | Float64Array;

/**
 * Throws unless both arrays have the same class, length and bits. The message names the first difference,
 * with both values and both bit patterns, and counts the rest.
 */
export function sameBits(actual: Floats, expected: Floats, what: string = 'floats'): void {
  if (actual.constructor !== expected.constructor || actual.length !== expected.length) {
    throw new Error(`${what}: got ${shape(actual)}, expected ${shape(expected)}`);
  }
  const a = words(actual);
  const b = words(expected);
  let first = -1;
  let different = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (different === 0) first = i;
    different += 1;
  }
  if (different === 0) return;
  const rest = different > 1 ? `; ${different} of ${a.length} differ` : '';
  throw new Error(`${what}[${first}] is ${show(actual[first], a[first])}, expected ${show(expected[first], b[first])}${rest}`);
}

function words(floats: Floats): Uint32Array | BigUint64Array {
  const { buffer, byteOffset, length } = floats;
  return floats instanceof Float32Array
    ? new Uint32Array(buffer, byteOffset, length)
    : new BigUint64Array(buffer, byteOffset, length);
}

function shape(floats: Floats): string {
  return `${floats.constructor.name}(${floats.length})`;
}

function show(value: number, bits: number | bigint): string {
  const digits = bits.toString(16).padStart(typeof bits === 'bigint' ? 16 : 8, '0');
  return `${Object.is(value, -0) ? '-0' : value} (0x${digits})`;
}
