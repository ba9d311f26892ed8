// The gradient that every contender takes at every step, the same in TypeScript, C and Python.

let last = new Float32Array(0);

/** `size` floats in ±0.01, without a pattern that a predictor could learn. Shared: not to be written. */
export function gradientOf(size: number): Float32Array {
  if (last.length !== size) {
    last = new Float32Array(size);
    for (let i = 0; i < size; i++) last[i] = ((Math.imul(i, 2654435761) >>> 0) / 4294967296 - 0.5) * 0.02;
  }
  return last;
}
