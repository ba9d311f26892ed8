// Rows of a tensor: long ones where they stand, short ones side by side.
import { UPDATE, FOLLOW, CENTERED, MOMENTUM, P, A, G, M, B, E, ROWS, FACTORS, SPARE, UNREAD, splat, region, lanes, put } from './memory';
import { block } from './passes';
import { updateBy } from './update';

/** Multiplies what a row owes into its slots. */
@inline
function pay(slot: usize, bytes: usize, factor: v128): void {
  for (let i: usize = 0; i < bytes; i += 16) put(slot + i, f32x4.mul(v128.load(slot + i), factor), lanes(bytes - i), false);
}

// short rows are worked on side by side, this many at a time, in the spare floats behind each region's values; as control.ts has it
const shortRows: usize = 1024;

/** Copies one slot of short rows into its spare floats, each row multiplied by its factor, or back. */
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
  const spare = <usize>load<u32>(SPARE) << 2;
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
    store<f32>(UNREAD, approach(base, bytes, first, end));
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
