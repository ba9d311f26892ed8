// The arena as the kernel sees it: the names and places of ../control.ts, and reading and writing four floats at a time.

// passes over a block, run in this order
export const CHECK = 1;
export const UNSCALE = 2;
export const ACCUMULATE = 4;
export const AVERAGE = 8;
export const SQUARES = 16;
export const SCALE = 32;
export const CLIP = 64;
export const COUPLED = 128;
export const DECOUPLED = 256;
export const UPDATE = 512;
export const FOLLOW = 1024;
export const OVERWRITE = 2048;

// formulas of UPDATE
export const INSIDE = 1;
export const CENTERED = 2;
export const MOMENTUM = 4; // times none, scaled, nesterov, raw

export const blockBytes: usize = 4096 * 4;

// places of the constants
export const RHO: usize = 0;
export const OMR: usize = 1;
export const EPSILON: usize = 2;
export const LR: usize = 3;
export const MU: usize = 4;
export const LAMBDA: usize = 5;
export const SCALED_BY: usize = 6;
export const STEPS: usize = 7;
export const CLIPNORM: usize = 8;
export const NORM: usize = 9;
export const CLIPVALUE: usize = 10;
export const BETA: usize = 11;
export const OMB: usize = 12;
export const MOST: usize = 13;

// places of the regions' addresses
export const P: usize = 0;
export const A: usize = 1;
export const G: usize = 2;
export const M: usize = 3;
export const B: usize = 4;
export const E: usize = 5;
export const S: usize = 6;
export const SUMS: usize = 7;
export const ROWS: usize = 8;
export const FACTORS: usize = 9;

// where the number of floats before the spare ones stands, and a float that nobody reads
export const SPARE: usize = 56;
export const UNREAD: usize = 60;

@inline
export function constant(i: usize): f32 {
  return load<f32>(64 + (i << 2));
}

@inline
export function splat(i: usize): v128 {
  return v128.load32_splat(64 + (i << 2));
}

@inline
export function region(i: usize): usize {
  return <usize>load<u32>(128 + (i << 2));
}

/** Ones in the first `bytes / 4` lanes. */
@inline
export function lanes(bytes: usize): v128 {
  return i32x4.lt_s(v128(0, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0), i32x4.splat(<i32>bytes));
}

/** Writes the lanes of the mask, and leaves the others as they are. */
@inline
export function put(at: usize, value: v128, mask: v128, whole: bool): void {
  if (whole) v128.store(at, value);
  else v128.store(at, v128.bitselect(value, v128.load(at), mask));
}
