// Sums of squares: eight lanes in a fixed order, and the check that comes with them.
import { RHO, MOST, A, constant, splat, lanes } from './memory';

/** The squares of two values at `g` in float64, added to `sum`: read as two, for that needs no shuffle. */
@inline
function add(sum: v128, g: usize): v128 {
  const pair = low(v128.load64_zero(g));
  return f64x2.add(sum, f64x2.mul(pair, pair));
}

/** The squares of lanes 0 and 1 in float64, added to `sum`. */
@inline
function addLow(sum: v128, value: v128): v128 {
  const pair = low(value);
  return f64x2.add(sum, f64x2.mul(pair, pair));
}

/** The squares of lanes 2 and 3. */
@inline
function addHigh(sum: v128, value: v128): v128 {
  const pair = high(value);
  return f64x2.add(sum, f64x2.mul(pair, pair));
}

/** Lanes 0 and 1 as float64. */
@inline
export function low(value: v128): v128 {
  return f64x2.promote_low_f32x4(value);
}

/** Lanes 2 and 3. */
@inline
export function high(value: v128): v128 {
  return low(v128.shuffle<i32>(value, value, 2, 3, 0, 1));
}

/** The eight lanes of a block's sum, from four pairs. */
@inline
export function total(s01: v128, s23: v128, s45: v128, s67: v128): f64 {
  const sum = f64x2.add(f64x2.add(s01, s45), f64x2.add(s23, s67));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Sum of the squares of `bytes / 4` values. */
export function squares(g: usize, bytes: usize): f64 {
  let s01 = f64x2.splat(0);
  let s23 = f64x2.splat(0);
  let s45 = f64x2.splat(0);
  let s67 = f64x2.splat(0);
  const whole = bytes & ~31;
  let i: usize = 0;
  for (; i < whole; i += 32) {
    s01 = add(s01, g + i);
    s23 = add(s23, g + i + 8);
    s45 = add(s45, g + i + 16);
    s67 = add(s67, g + i + 24);
  }
  if (i < bytes) {
    const x = v128.and(v128.load(g + i), lanes(bytes - i));
    s01 = addLow(s01, x);
    s23 = addHigh(s23, x);
    i += 16;
  }
  if (i < bytes) {
    const y = v128.and(v128.load(g + i), lanes(bytes - i));
    s45 = addLow(s45, y);
    s67 = addHigh(s67, y);
  }
  return total(s01, s23, s45, s67);
}

/** Sum of the squares of `bytes / 4` values in sixteen float32 lanes: three instructions for four of them instead of eight. */
function estimate(g: usize, bytes: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  const whole = bytes & ~63;
  let i: usize = 0;
  for (; i < whole; i += 64) {
    const v0 = v128.load(g + i);
    s0 = f32x4.add(s0, f32x4.mul(v0, v0));
    const v1 = v128.load(g + i, 16);
    s1 = f32x4.add(s1, f32x4.mul(v1, v1));
    const v2 = v128.load(g + i, 32);
    s2 = f32x4.add(s2, f32x4.mul(v2, v2));
    const v3 = v128.load(g + i, 48);
    s3 = f32x4.add(s3, f32x4.mul(v3, v3));
  }
  for (; i < bytes; i += 16) {
    const value = v128.and(v128.load(g + i), lanes(bytes - i));
    const square = f32x4.mul(value, value);
    if (i == whole) s0 = f32x4.add(s0, square);
    else if (i == whole + 16) s1 = f32x4.add(s1, square);
    else if (i == whole + 32) s2 = f32x4.add(s2, square);
    else s3 = f32x4.add(s3, square);
  }
  return total(low(s0), high(s0), low(s1), high(s1)) + total(low(s2), high(s2), low(s3), high(s3));
}

// from it on, what squares below the normal float32 have lost is less than what rounding has
const least: f64 = 1e-36;

/**
 * The exact sum, or one whose root is within 1e-5; NaN where a value is not finite or beyond maxAbs. Neither sum rounds below
 * the square of a part, so none of a sum of at most maxAbs squared is beyond it; only a larger one needs a look at each.
 */
export function check(exact: bool, g: usize, bytes: usize): f64 {
  let sum: f64 = exact ? 0 : estimate(g, bytes);
  if (sum < least) sum = squares(g, bytes);
  const most = <f64>constant(MOST);
  if (sum <= most * most) return sum;
  for (let i: usize = 0; i < bytes; i += 4) {
    if (!(abs<f64>(load<f32>(g + i)) <= most)) return NaN;
  }
  return sum;
}
