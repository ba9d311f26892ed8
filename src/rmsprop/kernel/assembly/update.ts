// The update: the equations, four floats at a time, compiled once for each formula.
import { RHO, OMR, EPSILON, LR, MU, P, A, M, B, splat, region, lanes, put } from './memory';
import { low, high, total } from './sums';

/** One vector of the update: writes a, m, b and p, returns u, which is 0 outside the mask. */
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
@inline
function update(inside: bool, centered: bool, momentum: i32, p: usize, g: usize, bytes: usize): f64 {
  const shift = p - region(P);
  const a = region(A) + shift;
  const m = region(M) + shift;
  const b = region(B) + shift;
  const rho = splat(RHO);
  const omr = splat(OMR);
  const epsilon = splat(EPSILON);
  const lr = splat(LR);
  const mu = splat(MU);
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

export function updateBy(formula: i32, p: usize, g: usize, bytes: usize): f64 {
  switch (formula) {
    case 0: return update(false, false, 0, p, g, bytes);
    case 1: return update(true, false, 0, p, g, bytes);
    case 2: return update(false, true, 0, p, g, bytes);
    case 3: return update(true, true, 0, p, g, bytes);
    case 4: return update(false, false, 1, p, g, bytes);
    case 5: return update(true, false, 1, p, g, bytes);
    case 6: return update(false, true, 1, p, g, bytes);
    case 7: return update(true, true, 1, p, g, bytes);
    case 8: return update(false, false, 2, p, g, bytes);
    case 9: return update(true, false, 2, p, g, bytes);
    case 10: return update(false, true, 2, p, g, bytes);
    case 11: return update(true, true, 2, p, g, bytes);
    case 12: return update(false, false, 3, p, g, bytes);
    case 13: return update(true, false, 3, p, g, bytes);
    case 14: return update(false, true, 3, p, g, bytes);
    default: return update(true, true, 3, p, g, bytes);
  }
}
