// The passes over a block of values, in the order of their numbers.
import { CHECK, UNSCALE, ACCUMULATE, AVERAGE, SQUARES, SCALE, CLIP, COUPLED, DECOUPLED, UPDATE, FOLLOW, OVERWRITE, RHO, LR, LAMBDA, SCALED_BY, STEPS, CLIPNORM, NORM, CLIPVALUE, BETA, OMB, P, E, S, splat, region, lanes, put } from './memory';
import { squares, check } from './sums';
import { updateBy } from './update';

/** One of the small passes over `bytes / 4` values, whose parameters are at p and gradients at g. */
@inline
function pass(which: i32, p: usize, g: usize, bytes: usize): void {
  const shift = p - region(P);
  const e = region(E) + shift;
  const s = region(S) + shift;
  const scale = splat(SCALED_BY);
  const steps = splat(STEPS);
  const clipnorm = splat(CLIPNORM);
  const norm = splat(NORM);
  const clipvalue = splat(CLIPVALUE);
  const decay = splat(LAMBDA);
  const lr = splat(LR);
  const beta = splat(BETA);
  const omb = splat(OMB);
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
    case UNSCALE: return pass(UNSCALE, p, g, bytes);
    case ACCUMULATE: return pass(ACCUMULATE, p, g, bytes);
    case AVERAGE: return pass(AVERAGE, p, g, bytes);
    case SCALE: return pass(SCALE, p, g, bytes);
    case CLIP: return pass(CLIP, p, g, bytes);
    case COUPLED: return pass(COUPLED, p, g, bytes);
    case DECOUPLED: return pass(DECOUPLED, p, g, bytes);
    case FOLLOW: return pass(FOLLOW, p, g, bytes);
    default: return pass(OVERWRITE, p, g, bytes);
  }
}

/** All passes over values that are together; the sum of squares of the pass that makes one. */
export function block(passes: i32, formula: i32, p: usize, g: usize, bytes: usize): f64 {
  let sum: f64 = 0;
  if (passes & CHECK) sum = check((passes & SQUARES) != 0, g, bytes);
  if (passes & UNSCALE) small(UNSCALE, p, g, bytes);
  if (passes & ACCUMULATE) small(ACCUMULATE, p, g, bytes);
  if (passes & AVERAGE) small(AVERAGE, p, g, bytes);
  if ((passes & (CHECK | SQUARES)) == SQUARES) sum = squares(g, bytes);
  if (passes & SCALE) small(SCALE, p, g, bytes);
  if (passes & CLIP) small(CLIP, p, g, bytes);
  if (passes & COUPLED) small(COUPLED, p, g, bytes);
  if (passes & DECOUPLED) small(DECOUPLED, p, g, bytes);
  if (passes & UPDATE) sum = updateBy(formula, p, g, bytes);
  if (passes & FOLLOW) small(FOLLOW, p, g, bytes);
  if (passes & OVERWRITE) small(OVERWRITE, p, g, bytes);
  return sum;
}
