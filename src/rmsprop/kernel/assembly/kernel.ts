// The SIMD kernel, in AssemblyScript: four float32 lanes at a time, in the order of ../equations.ts, which is its specification.
// Compiled by build.mjs beside it into ../kernel.generated.ts. Pointers are byte addresses in the arena's memory; the places of
// the constants and of the regions are those of ../control.ts.

// passes over a block, run in this order
const CHECK = 1;
const UNSCALE = 2;
const ACCUMULATE = 4;
const AVERAGE = 8;
const SQUARES = 16;
const SCALE = 32;
const CLIP = 64;
const COUPLED = 128;
const DECOUPLED = 256;
const UPDATE = 512;
const FOLLOW = 1024;
const OVERWRITE = 2048;

// formulas of UPDATE
const INSIDE = 1;
const CENTERED = 2;
const MOMENTUM = 4; // times none, scaled, nesterov, raw

const blockBytes: usize = 4096 * 4;

// @ts-ignore: decorator
@inline
function constant(i: usize): f32 {
  return load<f32>(64 + (i << 2));
}

// @ts-ignore: decorator
@inline
function splat(i: usize): v128 {
  return v128.load32_splat(64 + (i << 2));
}

// @ts-ignore: decorator
@inline
function region(i: usize): usize {
  return <usize>load<u32>(128 + (i << 2));
}

// @ts-ignore: decorator
@inline
const P: usize = 0;
// @ts-ignore: decorator
@inline
const A: usize = 1;
// @ts-ignore: decorator
@inline
const G: usize = 2;
// @ts-ignore: decorator
@inline
const M: usize = 3;
// @ts-ignore: decorator
@inline
const B: usize = 4;
// @ts-ignore: decorator
@inline
const E: usize = 5;
// @ts-ignore: decorator
@inline
const S: usize = 6;
// @ts-ignore: decorator
@inline
const SUMS: usize = 7;
// @ts-ignore: decorator
@inline
const ROWS: usize = 8;
// @ts-ignore: decorator
@inline
const FACTORS: usize = 9;

/** Ones in the first `bytes / 4` lanes. */
// @ts-ignore: decorator
@inline
function lanes(bytes: usize): v128 {
  return i32x4.lt_s(v128(0, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0), i32x4.splat(<i32>bytes));
}

/** Writes the lanes of the mask, and leaves the others as they are. */
// @ts-ignore: decorator
@inline
function put(at: usize, value: v128, mask: v128, whole: bool): void {
  if (whole) v128.store(at, value);
  else v128.store(at, v128.bitselect(value, v128.load(at), mask));
}

/** The squares of lanes 0 and 1 in float64, added to `sum`. */
// @ts-ignore: decorator
@inline
function addLow(sum: v128, value: v128): v128 {
  const pair = low(value);
  return f64x2.add(sum, f64x2.mul(pair, pair));
}

/** The squares of lanes 2 and 3. */
// @ts-ignore: decorator
@inline
function addHigh(sum: v128, value: v128): v128 {
  const pair = high(value);
  return f64x2.add(sum, f64x2.mul(pair, pair));
}

/** Lanes 0 and 1 as float64. */
// @ts-ignore: decorator
@inline
function low(value: v128): v128 {
  return f64x2.promote_low_f32x4(value);
}

/** Lanes 2 and 3. */
// @ts-ignore: decorator
@inline
function high(value: v128): v128 {
  return low(v128.shuffle<i32>(value, value, 2, 3, 0, 1));
}

/** The eight lanes of a block's sum, from four pairs. */
// @ts-ignore: decorator
@inline
function total(s01: v128, s23: v128, s45: v128, s67: v128): f64 {
  const sum = f64x2.add(f64x2.add(s01, s45), f64x2.add(s23, s67));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Sum of the squares of `bytes / 4` values. */
function squares(g: usize, bytes: usize): f64 {
  let s01 = f64x2.splat(0);
  let s23 = f64x2.splat(0);
  let s45 = f64x2.splat(0);
  let s67 = f64x2.splat(0);
  const whole = bytes & ~31;
  let i: usize = 0;
  for (; i < whole; i += 32) {
    const x = v128.load(g + i);
    const y = v128.load(g + i, 16);
    s01 = addLow(s01, x);
    s23 = addHigh(s23, x);
    s45 = addLow(s45, y);
    s67 = addHigh(s67, y);
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
function check(g: usize, bytes: usize): f64 {
  const sum = squares(g, bytes);
  const most = constant(13);
  if (sum <= <f64>most * <f64>most) return sum;
  for (let i: usize = 0; i < bytes; i += 4) {
    if (!(abs<f32>(load<f32>(g + i)) <= most)) return NaN;
  }
  return sum;
}

/** One vector of the update: writes a, m, b and p, returns u, which is 0 outside the mask. */
// @ts-ignore: decorator
@inline
function descend(
  inside: bool,
  centered: bool,
  momentum: i32,
  whole: bool,
  p: usize,
  g: usize,
  a: usize,
  m: usize,
  b: usize,
  mask: v128,
  lr: v128,
  rho: v128,
  omr: v128,
  epsilon: v128,
  mu: v128,
): v128 {
  const gradient = v128.load(g);
  const mean = f32x4.add(f32x4.mul(rho, v128.load(a)), f32x4.mul(omr, f32x4.mul(gradient, gradient)));
  put(a, mean, mask, whole);
  let d = mean;
  if (centered) {
    const center = f32x4.add(f32x4.mul(rho, v128.load(m)), f32x4.mul(omr, gradient));
    put(m, center, mask, whole);
    d = f32x4.pmax(f32x4.splat(0), f32x4.sub(mean, f32x4.mul(center, center)));
  }
  const denominator = inside ? f32x4.sqrt(f32x4.add(d, epsilon)) : f32x4.add(f32x4.sqrt(d), epsilon);
  let u: v128;
  if (momentum == 3) {
    const buffer = f32x4.add(f32x4.mul(mu, v128.load(b)), f32x4.div(gradient, denominator));
    put(b, buffer, mask, whole);
    u = f32x4.mul(lr, buffer);
  } else {
    u = f32x4.div(f32x4.mul(lr, gradient), denominator);
    if (momentum > 0) {
      const buffer = f32x4.add(f32x4.mul(mu, v128.load(b)), u);
      put(b, buffer, mask, whole);
      u = momentum == 2 ? f32x4.add(f32x4.mul(mu, buffer), u) : buffer;
    }
  }
  put(p, f32x4.sub(v128.load(p), u), mask, whole);
  return whole ? u : v128.and(u, mask);
}

/** The update of `bytes / 4` values; the sum of u², in eight float32 lanes. */
// @ts-ignore: decorator
@inline
function update(inside: bool, centered: bool, momentum: i32, p: usize, g: usize, bytes: usize): f64 {
  const shift = p - region(P);
  const a = region(A) + shift;
  const m = region(M) + shift;
  const b = region(B) + shift;
  const rho = splat(0);
  const omr = splat(1);
  const epsilon = splat(2);
  const lr = splat(3);
  const mu = splat(4);
  const all = i32x4.splat(-1);
  let s0123 = f32x4.splat(0);
  let s4567 = f32x4.splat(0);
  const whole = bytes & ~31;
  let i: usize = 0;
  for (; i < whole; i += 32) {
    const x = descend(inside, centered, momentum, true, p + i, g + i, a + i, m + i, b + i, all, lr, rho, omr, epsilon, mu);
    s0123 = f32x4.add(s0123, f32x4.mul(x, x));
    const j = i + 16;
    const y = descend(inside, centered, momentum, true, p + j, g + j, a + j, m + j, b + j, all, lr, rho, omr, epsilon, mu);
    s4567 = f32x4.add(s4567, f32x4.mul(y, y));
  }
  for (; i < bytes; i += 16) {
    const mask = lanes(bytes - i);
    const x = descend(inside, centered, momentum, false, p + i, g + i, a + i, m + i, b + i, mask, lr, rho, omr, epsilon, mu);
    const square = f32x4.mul(x, x);
    if (i == whole) s0123 = f32x4.add(s0123, square);
    else s4567 = f32x4.add(s4567, square);
  }
  return total(low(s0123), high(s0123), low(s4567), high(s4567));
}

function updateBy(formula: i32, p: usize, g: usize, bytes: usize): f64 {
  switch (formula) {
    case 0:
      return update(false, false, 0, p, g, bytes);
    case 1:
      return update(true, false, 0, p, g, bytes);
    case 2:
      return update(false, true, 0, p, g, bytes);
    case 3:
      return update(true, true, 0, p, g, bytes);
    case 4:
      return update(false, false, 1, p, g, bytes);
    case 5:
      return update(true, false, 1, p, g, bytes);
    case 6:
      return update(false, true, 1, p, g, bytes);
    case 7:
      return update(true, true, 1, p, g, bytes);
    case 8:
      return update(false, false, 2, p, g, bytes);
    case 9:
      return update(true, false, 2, p, g, bytes);
    case 10:
      return update(false, true, 2, p, g, bytes);
    case 11:
      return update(true, true, 2, p, g, bytes);
    case 12:
      return update(false, false, 3, p, g, bytes);
    case 13:
      return update(true, false, 3, p, g, bytes);
    case 14:
      return update(false, true, 3, p, g, bytes);
    default:
      return update(true, true, 3, p, g, bytes);
  }
}

/** One of the small passes over `bytes / 4` values, whose parameters are at p and gradients at g. */
// @ts-ignore: decorator
@inline
function pass(which: i32, p: usize, g: usize, bytes: usize): void {
  const shift = p - region(P);
  const e = region(E) + shift;
  const s = region(S) + shift;
  const scale = splat(6);
  const steps = splat(7);
  const clipnorm = splat(8);
  const norm = splat(9);
  const clipvalue = splat(10);
  const decay = splat(5);
  const lr = splat(3);
  const beta = splat(11);
  const omb = splat(12);
  const least = f32x4.neg(clipvalue);
  for (let i: usize = 0; i < bytes; i += 16) {
    const mask = lanes(bytes - i);
    const gradient = v128.load(g + i);
    if (which == UNSCALE) put(g + i, f32x4.div(gradient, scale), mask, false);
    if (which == ACCUMULATE) put(s + i, f32x4.add(v128.load(s + i), gradient), mask, false);
    if (which == AVERAGE) {
      put(g + i, f32x4.div(v128.load(s + i), steps), mask, false);
      put(s + i, f32x4.splat(0), mask, false);
    }
    if (which == SCALE) put(g + i, f32x4.div(f32x4.mul(gradient, clipnorm), norm), mask, false);
    // pmin and pmax as Math.min and Math.max for numbers: -0 stays -0
    if (which == CLIP) put(g + i, f32x4.pmin(clipvalue, f32x4.pmax(least, gradient)), mask, false);
    if (which == COUPLED) put(g + i, f32x4.add(gradient, f32x4.mul(decay, v128.load(p + i))), mask, false);
    if (which == DECOUPLED) {
      const value = v128.load(p + i);
      put(p + i, f32x4.sub(value, f32x4.mul(f32x4.mul(value, decay), lr)), mask, false);
    }
    if (which == FOLLOW) {
      put(e + i, f32x4.add(f32x4.mul(beta, v128.load(e + i)), f32x4.mul(omb, v128.load(p + i))), mask, false);
    }
    if (which == OVERWRITE) put(p + i, v128.load(e + i), mask, false);
  }
}

function small(which: i32, p: usize, g: usize, bytes: usize): void {
  switch (which) {
    case UNSCALE:
      return pass(UNSCALE, p, g, bytes);
    case ACCUMULATE:
      return pass(ACCUMULATE, p, g, bytes);
    case AVERAGE:
      return pass(AVERAGE, p, g, bytes);
    case SCALE:
      return pass(SCALE, p, g, bytes);
    case CLIP:
      return pass(CLIP, p, g, bytes);
    case COUPLED:
      return pass(COUPLED, p, g, bytes);
    case DECOUPLED:
      return pass(DECOUPLED, p, g, bytes);
    case FOLLOW:
      return pass(FOLLOW, p, g, bytes);
    default:
      return pass(OVERWRITE, p, g, bytes);
  }
}

/** All passes over values that are together; the sum of squares of the pass that makes one. */
function block(passes: i32, formula: i32, p: usize, g: usize, bytes: usize): f64 {
  let sum: f64 = 0;
  if (passes & CHECK) sum = check(g, bytes);
  if (passes & UNSCALE) small(UNSCALE, p, g, bytes);
  if (passes & ACCUMULATE) small(ACCUMULATE, p, g, bytes);
  if (passes & AVERAGE) small(AVERAGE, p, g, bytes);
  if (passes & SQUARES) sum = squares(g, bytes);
  if (passes & SCALE) small(SCALE, p, g, bytes);
  if (passes & CLIP) small(CLIP, p, g, bytes);
  if (passes & COUPLED) small(COUPLED, p, g, bytes);
  if (passes & DECOUPLED) small(DECOUPLED, p, g, bytes);
  if (passes & UPDATE) sum = updateBy(formula, p, g, bytes);
  if (passes & FOLLOW) small(FOLLOW, p, g, bytes);
  if (passes & OVERWRITE) small(OVERWRITE, p, g, bytes);
  return sum;
}

/** Passes over `length` floats from `offset`, block after block; each block's sum goes to `sums[first…]`. */
export function run(passes: i32, formula: i32, offset: u32, length: u32, first: u32): void {
  let p = region(P) + (<usize>offset << 2);
  let g = region(G) + (<usize>offset << 2);
  let sums = region(SUMS) + (<usize>first << 3);
  let rest = <usize>length << 2;
  while (rest > 0) {
    const bytes = min<usize>(rest, blockBytes);
    store<f64>(sums, block(passes, formula, p, g, bytes));
    p += bytes;
    g += bytes;
    sums += 8;
    rest -= bytes;
  }
}

/** Multiplies what a row owes into its slots. */
// @ts-ignore: decorator
@inline
function pay(slot: usize, bytes: usize, factor: v128): void {
  for (let i: usize = 0; i < bytes; i += 16) put(slot + i, f32x4.mul(v128.load(slot + i), factor), lanes(bytes - i), false);
}

// short rows are worked on side by side, this many at a time, in the spare floats behind each region's values; as control.ts has it
const shortRows: usize = 1024;

/** Copies one slot of short rows into its spare floats, each row multiplied by its factor, or back. */
// @ts-ignore: decorator
@inline
function move(slot: usize, spare: usize, indices: usize, factors: usize, count: usize, rowBytes: usize, back: bool): void {
  let at = spare;
  for (let r: usize = 0; r < count; r++) {
    const row = slot + <usize>load<u32>(indices + (r << 2)) * rowBytes;
    const factor = factors > 0 ? load<f32>(factors + (r << 2)) : 1;
    for (let i: usize = 0; i < rowBytes; i += 4) {
      if (back) store<f32>(row + i, load<f32>(at + i));
      else store<f32>(at + i, load<f32>(row + i) * factor);
    }
    at += rowBytes;
  }
}

/** Passes over rows of less than four values. */
function rowsTogether(passes: i32, formula: i32, base: usize, g: usize, bytes: usize, first: usize, count: usize): f64 {
  const indices = region(ROWS) + (first << 2);
  const factors = region(FACTORS) + (first << 2);
  const spare = <usize>load<u32>(56) << 2;
  const p = region(P);
  const a = region(A);
  const m = region(M);
  const b = region(B);
  const e = region(E);
  const hasMomentum = (formula & (3 * MOMENTUM)) != 0;
  move(p + base, p + spare, indices, 0, count, bytes, false);
  move(a + base, a + spare, indices, factors, count, bytes, false);
  if (formula & CENTERED) move(m + base, m + spare, indices, factors, count, bytes, false);
  if (hasMomentum) move(b + base, b + spare, indices, 0, count, bytes, false);
  if (passes & FOLLOW) move(e + base, e + spare, indices, 0, count, bytes, false);
  const sum = block(passes, formula, p + spare, g, count * bytes);
  move(p + base, p + spare, indices, 0, count, bytes, true);
  move(a + base, a + spare, indices, 0, count, bytes, true);
  if (formula & CENTERED) move(m + base, m + spare, indices, 0, count, bytes, true);
  if (hasMomentum) move(b + base, b + spare, indices, 0, count, bytes, true);
  if (passes & FOLLOW) move(e + base, e + spare, indices, 0, count, bytes, true);
  return sum;
}

/** Reads a value of each row's p and a, so that the rows come into the cache side by side rather than one after the other. */
function approach(base: usize, bytes: usize, first: usize, end: usize): f32 {
  const indices = region(ROWS);
  const p = region(P) + base;
  const a = region(A) + base;
  let seen: f32 = 0;
  for (let r = first; r < end; r++) {
    const at = <usize>load<u32>(indices + (r << 2)) * bytes;
    seen = max<f32>(seen, load<f32>(p + at) + load<f32>(a + at));
  }
  return seen;
}

/** Passes over `count` rows of the tensor at `offset`, whose gradients are staged from `staged` on; each row's slots are first multiplied by its factor. */
export function rows(passes: i32, formula: i32, offset: u32, staged: u32, rowLength: u32, count: u32): f64 {
  const base = <usize>offset << 2;
  const bytes = <usize>rowLength << 2;
  const indices = region(ROWS);
  const factors = region(FACTORS);
  const p = region(P) + base;
  const a = region(A) + base;
  const m = region(M) + base;
  let g = region(G) + (<usize>staged << 2);
  let sum: f64 = 0;
  if (rowLength < 4) {
    for (let first: usize = 0; first < <usize>count; first += shortRows) {
      const some = min<usize>(shortRows, <usize>count - first);
      sum += rowsTogether(passes, formula, base, g, bytes, first, some);
      g += some * bytes;
    }
    return sum;
  }
  for (let first: usize = 0; first < <usize>count; first += 128) {
    const end = min<usize>(first + 128, <usize>count);
    // kept, so that the reading is not left out
    store<f32>(60, approach(base, bytes, first, end));
    for (let r = first; r < end; r++) {
      const at = <usize>load<u32>(indices + (r << 2)) * bytes;
      const factor = load<f32>(factors + (r << 2));
      if (factor != 1) {
        pay(a + at, bytes, f32x4.splat(factor));
        if (formula & CENTERED) pay(m + at, bytes, f32x4.splat(factor));
      }
      sum += passes == UPDATE ? updateBy(formula, p + at, g, bytes) : block(passes, formula, p + at, g, bytes);
      g += bytes;
    }
  }
  return sum;
}
