// Powers and cosines against the engine's own, which are right to the last bit or two.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cosine, power } from '../../src/rmsprop/schedules/deterministic.ts';
import { fingerprint } from '../support/fingerprint.ts';
import { chance } from '../support/random.ts';

const runs = Number(process.env.GRADWIRE_RUNS ?? 20_000);
const near = (found: number, expected: number, what: string): void =>
  assert.ok(Math.abs(found - expected) <= 1e-15 * Math.abs(expected), `${what} is ${found}, expected ${expected}`);
const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });

test("a power is within 1e-15 of the engine's, for whole, broken, small and large exponents", () => {
  const exponent = fc.oneof(double(0, 1), double(0, 100), double(0, 1e5), fc.integer({ min: 0, max: 100_000 }), double(0, 1e-12));
  const base = fc.oneof(double(0, 1), double(0.9, 1.1), double(1, 1e6), double(1e-9, 1e-3));
  fc.assert(
    fc.property(base, exponent, (x, y) => {
      const expected = x ** y;
      if (expected > 1e-280 && expected < 1e280) near(power(x, y), expected, `${x} ^ ${y}`);
      else if (expected <= 1e-280) assert.ok(power(x, y) <= 1.0001e-280);
      else assert.ok(power(x, y) >= 0.9999e280);
    }),
    { numRuns: runs, seed: 7 },
  );
});

test('a power is exact where the result is a number of float64', () => {
  for (let n = 0; n < 1000; n++) assert.is(power(2, n), 2 ** n);
  for (let n = 0; n <= 22; n++) assert.is(power(10, n), Number(`1e${n}`));
  for (let n = 0; n < 1000; n++) assert.is(power(n, 0.5), Math.sqrt(n));
  assert.is(power(81, 0.75), 27);
  assert.is(power(0, 0), 1);
  assert.is(power(0, 0.3), 0);
  assert.is(power(1, 2 ** 53), 1);
  assert.is(power(0.999, 2 ** 53), 0);
  assert.is(power(1e6, 2 ** 53), Number.POSITIVE_INFINITY);
  assert.is(power(1e300, 1), 1e300);
  assert.is(power(1e-300, 1), 1e-300);
});

test("a cosine is within 1e-15 of the engine's, relative to itself, up to 1e5, and within 1e-27 at its zeros", () => {
  const atZero = fc.tuple(fc.integer({ min: 0, max: 20_000 }), double(-1e-6, 1e-6)).map(([n, d]) => (n + 0.5) * Math.PI + d);
  const angle = fc.oneof(double(0, Math.PI), double(0, 100), double(-1e5, 1e5), double(0, 1e-7), atZero);
  fc.assert(
    fc.property(angle, (x) => {
      const expected = Math.cos(x);
      const error = Math.abs(cosine(x) - expected);
      assert.ok(error <= 1e-15 * Math.abs(expected) + 1e-27, `cos ${x} is ${cosine(x)}, expected ${expected}`);
    }),
    { numRuns: runs, seed: 7 },
  );
});

test('the ends of half a wave are exact', () => {
  assert.is(cosine(0), 1);
  assert.is(cosine(Math.PI), -1);
  assert.is(cosine(2 * Math.PI), 1);
  assert.is(cosine(Math.PI / 2), 6.123233995736766e-17);
});

test('powers and cosines have these bits on every engine', () => {
  const random = chance(7);
  const draw = (least: number, most: number) => least + random() * (most - least);
  const many = (value: () => number) => Array.from({ length: 300 }, value);
  const exponents = many(() => draw(0, 1)).concat(
    many(() => draw(0, 50)),
    many(() => Math.floor(draw(0, 1000))),
    many(() => draw(0, 1e-12)),
    many(() => draw(0, 1e6)),
  );
  const bases = [() => draw(0, 1), () => draw(1, 1e6), () => draw(0.999, 1.001), () => draw(0, 1e-9), () => draw(1e-301, 1e-299)];
  const powers = bases.flatMap((base) => exponents.map((exponent) => power(base(), exponent)));
  const angles = [1, 10, 1e3, 1e5, 1e-7].flatMap((most) => many(() => draw(-most, most)));
  assert.is(fingerprint(powers), '795c83d8ab0a81b9');
  assert.is(fingerprint(angles.map(cosine)), '8cc6134ea1468939');
});

test.run();
