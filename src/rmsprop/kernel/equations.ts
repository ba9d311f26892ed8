// RMSprop's equations in scalar float32: the specification that every faster kernel must equal bit for bit.
import type { Arena } from './arena.ts';
import { at, blockLength, formulas, longRow, passes, shortRows } from './control.ts';
import type { Kernel } from './kernel.ts';

const f32 = Math.fround;
const lanes = new Float64Array(16);
const exactLanes = new Float64Array(16);

/**
 * The passes of one batch, one value at a time, every operation a float32 operation rounded in the order written.
 *
 * A float64 operation on float32 operands that is rounded to float32 equals the float32 operation (+ − × ÷ √), so `Math.fround`
 * around each is exact. The formulas with their sources stand in docs/SEMANTICS.md.
 */
export function scalarKernel(arena: Arena, formula: number): Kernel {
  const { parameters: p, gradients: g, average: e, gradientSum: s, constants, rows, factors } = arena;
  const descend = makeDescend(arena, formula);

  // all passes over parameter i, whose gradient is g[j]; the value whose square is summed
  function visit(which: number, i: number, j: number): number {
    let value = 0;
    if (which & passes.check) value = Math.abs(g[j]) <= constants[at.maxAbs] ? g[j] : Number.NaN;
    if (which & passes.unscale) g[j] = f32(g[j] / constants[at.scale]);
    if (which & passes.accumulate) s[i] = f32(s[i] + g[j]);
    if (which & passes.average) {
      g[j] = f32(s[i] / constants[at.steps]);
      s[i] = 0;
    }
    if ((which & (passes.check | passes.squares)) === passes.squares) value = g[j];
    if (which & passes.scale) g[j] = f32(f32(g[j] * constants[at.clipnorm]) / constants[at.norm]);
    if (which & passes.clip) g[j] = Math.min(Math.max(g[j], -constants[at.clipvalue]), constants[at.clipvalue]);
    if (which & passes.coupled) g[j] = f32(g[j] + f32(constants[at.lambda] * p[i]));
    if (which & passes.decoupled) p[i] = f32(p[i] - f32(f32(p[i] * constants[at.lambda]) * constants[at.lr]));
    if (which & passes.update) value = descend(i, g[j]);
    if (which & passes.follow) e[i] = f32(f32(constants[at.beta] * e[i]) + f32(constants[at.omb] * p[i]));
    if (which & passes.overwrite) p[i] = e[i];
    return value;
  }

  return {
    run(which, offset, length, before = 0) {
      let sum = before;
      // Stryker disable next-line EqualityOperator: a block of no values adds 0
      for (let i = offset; i < offset + length; i += blockLength) {
        sum += block((k) => visit(which, i + k, i + k), Math.min(blockLength, offset + length - i), precisionOf(which));
      }
      return sum;
    },
    rows(which, { offset, staged, rowLength, count }) {
      for (let r = 0; r < count; r++) pay(arena, formula, offset + rows[r] * rowLength, rowLength, factors[r]);
      // short rows are summed side by side, long ones each by itself
      const together = rowLength < longRow ? shortRows : 1;
      let sum = 0;
      // Stryker disable next-line EqualityOperator: a block of no values adds 0
      for (let r = 0; r < count; r += together) {
        const values = Math.min(together, count - r) * rowLength;
        const indexOf = (k: number): number => offset + rows[r + Math.floor(k / rowLength)] * rowLength + (k % rowLength);
        sum += block((k) => visit(which, indexOf(k), staged + r * rowLength + k), values, precisionOf(which));
      }
      return sum;
    },
  };
}

/** How a sum of squares is made: each lane has every so many-th value, and squares and lanes are rounded. */
interface Precision {
  readonly laneCount: 8 | 16;
  readonly round: (value: number) => number;
  /** Below it the sum is made again without rounding: squares have lost bits, or are 0. */
  readonly least: number;
}

const exact: Precision = { laneCount: 8, round: (value) => value, least: 0 };
const update: Precision = { laneCount: 8, round: f32, least: 0 };
const estimate: Precision = { laneCount: 16, round: f32, least: 1e-36 };

// a norm that may clip is summed in float64; one that is only told, in float32
function precisionOf(which: number): Precision {
  if (which & passes.update) return update;
  return (which & (passes.check | passes.squares)) === passes.check ? estimate : exact;
}

// the sum of squares of a block
function block(visit: (k: number) => number, length: number, { laneCount, round, least }: Precision): number {
  lanes.fill(0);
  exactLanes.fill(0);
  for (let k = 0; k < length; k++) {
    const value = visit(k);
    const square = value * value;
    lanes[k % laneCount] = round(lanes[k % laneCount] + round(square));
    exactLanes[k % exact.laneCount] += square;
  }
  const sum = total(lanes);
  return sum < least ? total(exactLanes) : sum;
}

// lanes are added in pairs
function total(all: Float64Array): number {
  const [l0, l1, l2, l3, l4, l5, l6, l7, m0, m1, m2, m3, m4, m5, m6, m7] = all;
  return l0 + l4 + (l2 + l6) + (l1 + l5 + (l3 + l7)) + (m0 + m4 + (m2 + m6) + (m1 + m5 + (m3 + m7)));
}

/**
 * One element of the update; returns u, which p has lost.
 *
 * ```
 * a = rho · a + (1 − rho) · g²        m = rho · m + (1 − rho) · g
 * d = a, or centered max(a − m², 0)   D = √d + ε, or √(d + ε)
 * u = (lr · g) / D                    plain
 * b = µ · b + (lr · g) / D            u = b, or with nesterov µ · b + (lr · g) / D
 * b = µ · b + g / D                   u = lr · b   (torch)
 * p = p − u
 * ```
 */
function makeDescend(arena: Arena, formula: number): (i: number, g: number) => number {
  const { parameters: p, accumulator: a, meanGradient: m, momentum: b, constants } = arena;
  const inside = (formula & formulas.inside) > 0;
  const centered = (formula & formulas.centered) > 0;
  const momentum = formula & formulas.raw;
  return (i, g) => {
    const [rho, omr, epsilon, lr, mu] = constants;
    a[i] = f32(f32(rho * a[i]) + f32(omr * f32(g * g)));
    let d = a[i];
    if (centered) {
      m[i] = f32(f32(rho * m[i]) + f32(omr * g));
      const variance = f32(d - f32(m[i] * m[i]));
      // Stryker disable next-line EqualityOperator: a variance of 0 is 0 on both sides
      d = variance > 0 ? variance : 0;
    }
    const denominator = inside ? f32(Math.sqrt(f32(d + epsilon))) : f32(f32(Math.sqrt(d)) + epsilon);
    let u: number;
    if (momentum === formulas.raw) {
      b[i] = f32(f32(mu * b[i]) + f32(g / denominator));
      u = f32(lr * b[i]);
    } else {
      u = f32(f32(lr * g) / denominator);
      if (momentum > 0) {
        b[i] = f32(f32(mu * b[i]) + u);
        u = momentum === formulas.nesterov ? f32(f32(mu * b[i]) + u) : b[i];
      }
    }
    p[i] = f32(p[i] - u);
    return u;
  };
}

// what a row owes its slots
function pay({ accumulator: a, meanGradient: m }: Arena, formula: number, offset: number, length: number, factor: number): void {
  // Stryker disable next-line ConditionalExpression: a product with 1 is the same bits
  if (factor === 1) return;
  for (let i = offset; i < offset + length; i++) {
    a[i] = f32(a[i] * factor);
    // Stryker disable next-line ConditionalExpression: without centered, m has no values
    if (formula & formulas.centered) m[i] = f32(m[i] * factor);
  }
}
