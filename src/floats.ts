// Questions about float32 values that several rooms ask.

// one value, seen both ways: its limit is asked for each tensor of each batch
const float = new Float32Array(1);
const bits = bitsOf(float);

/** Whether every value is finite. */
export function finite(values: Float32Array): boolean {
  // `every` would take ten times as long
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/** The largest float32 that is not above a positive number. */
export function floor32(limit: number): number {
  bits[0] = floorBits(limit);
  return float[0];
}

/** The bits of {@link floor32}. */
export function floorBits(limit: number): number {
  float[0] = limit;
  return float[0] > limit ? bits[0] - 1 : bits[0];
}

/** The same memory as 32-bit integers. Without their sign they are in the order of the floats, infinity and NaN above them all. */
export function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}
