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

/**
 * The same, but NaN where a value is not finite or beyond maxAbs. A sum that is at most maxAbs squared has no such value, since
 * float64 squares of float32 are exact and sums of them never round below a part; only larger sums need a look at each value.
 */
export function check(g: usize, bytes: usize): f64 {
  const sum = squares(g, bytes);
  const most = constant(MOST);
  if (sum <= <f64>most * <f64>most) return sum;
  for (let i: usize = 0; i < bytes; i += 4) {
    if (!(abs<f32>(load<f32>(g + i)) <= most)) return NaN;
  }
  return sum;
}
