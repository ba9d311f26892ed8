// Powers and cosines with the same bits on every engine: ECMAScript leaves the last bits of Math.pow and Math.cos to each of them.
// Only + − · / and Math.sqrt, Math.floor and Math.round are used, which IEEE 754 and ECMAScript fix to the bit.

/** A number of about 106 bits: the sum of its parts, the second below half a unit in the last place of the first. */
type Pair = readonly [high: number, low: number];

/**
 * `base` to the power of `exponent`, both finite and >= 0 (0 to the power of 0 is 1), correct to about a unit in the last place
 * where the result is a normal number. The whole part of the exponent is squared and multiplied, its fraction square-rooted and multiplied.
 */
export function power(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  if (base === 0) return 0;
  const whole = Math.floor(exponent);
  let result: Pair = [1, 0];
  let factor: Pair = [base, 0];
  for (let n = whole; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) result = times(result, factor);
    factor = times(factor, factor);
  }
  factor = [base, 0];
  // what is left of the fraction multiplies by less than `factor`: nothing is left to say once that is 1
  for (let fraction = exponent - whole; fraction > 0 && Math.abs(factor[0] - 1 + factor[1]) > 2 ** -60; ) {
    factor = root(factor);
    fraction *= 2;
    if (fraction < 1) continue;
    result = times(result, factor);
    fraction -= 1;
  }
  return result[0] + result[1];
}

/** The cosine of `x` radians, correct to about two units in the last place for |x| up to 1e5 (at zeros beyond π: to 1e-27). */
export function cosine(x: number): number {
  // x = quarters · π/2 + r with |r| <= π/4
  const quarters = Math.round(x / halfPi[0]);
  const [high, low] = product(quarters, halfPi[0]);
  const r = x - high - (low + quarters * halfPi[1]);
  const turn = quarters - 4 * Math.floor(quarters / 4);
  if (turn === 0) return cosineNearZero(r * r);
  if (turn === 1) return -sineNearZero(r);
  return turn === 2 ? -cosineNearZero(r * r) : sineNearZero(r);
}

const halfPi: Pair = [1.5707963267948966, 6.123233995736766e-17];

// Taylor's series of cos r in r² and of (sin r) / r in r², up to the term below 2^-58 at r = π/4
const cosineTerms: readonly number[] = alternating([2, 24, 720, 40320, 3628800, 479001600, 87178291200, 20922789888000]);
const sineTerms: readonly number[] = alternating([6, 120, 5040, 362880, 39916800, 6227020800, 1307674368000, 355687428096000]);

function alternating(factorials: readonly number[]): number[] {
  return factorials.map((factorial, i) => (i % 2 === 0 ? -1 : 1) / factorial);
}

function cosineNearZero(square: number): number {
  return 1 + square * polynomial(cosineTerms, square);
}

function sineNearZero(r: number): number {
  return r + r * (r * r * polynomial(sineTerms, r * r));
}

function polynomial(terms: readonly number[], x: number): number {
  return terms.reduceRight((sum, term) => sum * x + term, 0);
}

/** The exact product of two numbers, after T. J. Dekker, "A floating-point technique for extending the available precision" (1971). */
function product(a: number, b: number): Pair {
  const high = a * b;
  const [a1, a2] = halves(a);
  const [b1, b2] = halves(b);
  return [high, a1 * b1 - high + a1 * b2 + a2 * b1 + a2 * b2];
}

/** Two numbers of at most 26 bits each, whose sum is `a`. */
function halves(a: number): Pair {
  const shifted = a * (2 ** 27 + 1);
  const high = shifted - (shifted - a);
  return [high, a - high];
}

function times([a, a2]: Pair, [b, b2]: Pair): Pair {
  // beyond these the halves overflow, or the low part of the product is lost
  const rough = a * b;
  if (!(rough < 2 ** 990 && rough > 2 ** -960)) return [rough, 0];
  const [high, low] = product(a, b);
  return sum(high, low + (a * b2 + a2 * b));
}

function root([a, a2]: Pair): Pair {
  const rough = Math.sqrt(a);
  const [high, low] = product(rough, rough);
  return sum(rough, (a - high - low + a2) / (2 * rough));
}

function sum(high: number, low: number): Pair {
  const both = high + low;
  return [both, low - (both - high)];
}
