// Weight constraints against a straightforward reference in Keras' words, as bits, and everything they refuse.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout, type TensorSpec } from '../../src/layout.ts';
import { type Constraint, constrain, constraintOf, isByRow, refuseMisfit } from '../../src/rmsprop/constraints/constraints.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';

const f = Math.fround;
const tensorOf = (shape: number[]): TensorSpec => layout({ w: shape }).tensors[0];

/** Every value's index along each axis, from its place in row-major order. */
function indices(shape: readonly number[], place: number): number[] {
  let left = place;
  return shape
    .map((size) => size)
    .reverse()
    .map((size) => {
      const index = left % size;
      left = (left - index) / size;
      return index;
    })
    .reverse();
}

/** The whole tensor, constrained: values grouped by the text of their kept indices, one group after the other. */
function reference(constraint: Constraint, { shape }: TensorSpec, values: Float32Array): Float32Array {
  if (constraint.type === 'nonNeg') return values.map((w) => (w >= 0 ? w : 0));
  const axes = [constraint.axis ?? 0].flat().map((axis) => (axis + shape.length) % shape.length);
  const groups = new Map<string, number[]>();
  for (const place of values.keys()) {
    const key = indices(shape, place)
      .filter((_, axis) => !axes.includes(axis))
      .join();
    groups.set(key, [...(groups.get(key) ?? []), place]);
  }
  const out = values.slice();
  for (const places of groups.values()) {
    const n = f(Math.sqrt(places.reduce((sum, place) => sum + values[place] ** 2, 0)));
    const clip = (min: number, max: number) => Math.min(Math.max(n, f(min)), f(max));
    for (const place of places) {
      const w = values[place];
      const below = f(f(1e-7) + n);
      if (constraint.type === 'unitNorm') out[place] = f(w / below);
      else if (constraint.type === 'maxNorm') out[place] = f(w * f(clip(0, constraint.maxValue ?? 2) / below));
      else {
        const { minValue = 0, maxValue = 1, rate = 1 } = constraint;
        out[place] = f(w * f(f(f(f(rate) * clip(minValue, maxValue)) + f(f(1 - rate) * n)) / below));
      }
    }
  }
  return out;
}

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 });
const axesIn = (rank: number) =>
  fc.oneof(
    fc.integer({ min: -rank, max: rank - 1 }),
    fc
      .uniqueArray(fc.integer({ min: 0, max: rank - 1 }), { minLength: 1, maxLength: rank })
      .chain((axes) =>
        fc
          .array(fc.boolean(), { minLength: axes.length, maxLength: axes.length })
          .map((ends) => axes.map((axis, i) => (ends[i] ? axis - rank : axis))),
      ),
  );
const bound = fc.double({ min: 0, max: 5, noNaN: true });
const constraintsOn = (rank: number): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constant({ type: 'nonNeg' }),
    fc.record({ type: fc.constant('maxNorm'), maxValue: bound, axis: axesIn(rank) }, { requiredKeys: ['type'] }),
    fc.record({ type: fc.constant('unitNorm'), axis: axesIn(rank) }, { requiredKeys: ['type'] }),
    fc
      .record({
        type: fc.constant('minMaxNorm'),
        minValue: bound,
        maxValue: bound,
        rate: fc.double({ min: 0, max: 1, noNaN: true }),
        axis: axesIn(rank),
      })
      .map((all) => ({ ...all, minValue: Math.min(all.minValue, all.maxValue), maxValue: Math.max(all.minValue, all.maxValue) })),
  );
const nasty = [0, -0, 1e-45, -1e-45, 1.1754942e-38, 1e-20, -1e-20, 1e19, -1e19, 3.4e38, -3.4e38].map(f);
const value = fc.oneof(
  { weight: 5, arbitrary: fc.float({ noNaN: true, min: -10, max: 10 }) },
  { weight: 1, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
);
const situations = shapes.chain((shape) => {
  const tensor = tensorOf(shape);
  const values = fc.array(value, { minLength: tensor.length, maxLength: tensor.length }).map((list) => Float32Array.from(list));
  const rows = fc.uniqueArray(fc.integer({ min: 0, max: tensor.rows - 1 }));
  return fc.tuple(fc.constant(tensor), constraintsOn(shape.length), values, rows);
});

test('every constraint equals the reference as bits, on every shape and set of axes', () => {
  fc.assert(
    fc.property(situations, ([tensor, given, values]) => {
      const constraint = constraintOf('w', given);
      refuseMisfit(constraint, tensor);
      const found = values.slice();
      constrain(constraint, tensor, found);
      sameBits(found, reference(given as Constraint, tensor, values), JSON.stringify(given));
    }),
    { numRuns: 3000, seed: 7 },
  );
});

test('some rows, where the constraint is by row, become what they become in the whole, and the others keep their bits', () => {
  let byRow = 0;
  fc.assert(
    fc.property(situations, ([tensor, given, values, rows]) => {
      const constraint = constraintOf('w', given);
      if (!isByRow(constraint, tensor)) return;
      byRow += 1;
      const whole = reference(given as Constraint, tensor, values);
      const expected = values.map((w, i) => (rows.includes(Math.floor(i / tensor.rowLength)) ? whole[i] : w));
      const found = values.slice();
      constrain(constraint, tensor, found, Int32Array.from(rows));
      sameBits(found, expected, JSON.stringify(given));
    }),
    { numRuns: 3000, seed: 7 },
  );
  assert.ok(byRow > 300, `${byRow} of 3000 were by row`);
});

test('a constraint is by row where its axes leave out the first, however they are counted', () => {
  const matrix = tensorOf([3, 4]);
  const is = (constraint: object, tensor = matrix) => isByRow(constraintOf('w', constraint), tensor);
  assert.ok(is({ type: 'nonNeg' }));
  assert.ok(is({ type: 'nonNeg' }, tensorOf([])));
  assert.ok(is({ type: 'unitNorm', axis: 1 }));
  assert.ok(is({ type: 'unitNorm', axis: -1 }));
  assert.not(is({ type: 'unitNorm' }));
  assert.not(is({ type: 'unitNorm', axis: -2 }));
  assert.not(is({ type: 'maxNorm', axis: [1, 0] }));
  assert.not(is({ type: 'minMaxNorm', axis: -1 }, tensorOf([5])));
  assert.ok(is({ type: 'maxNorm', axis: [1, 2] }, tensorOf([2, 3, 4])));
});

test("the numbers of Keras' own unit test of MaxNorm hold, and unitNorm makes unit vectors", () => {
  // test_max_norm in keras/src/constraints/constraints_test.py: the vectors are the columns
  const found = Float32Array.of(0, 1, 3, 3, 0, 0, 0, 3, 0, 0, 0, 3);
  constrain(constraintOf('w', { type: 'maxNorm', maxValue: 2 }), tensorOf([3, 4]), found);
  const third = 2 / Math.sqrt(3);
  const expected = [0, 1, 2, third, 0, 0, 0, third, 0, 0, 0, third];
  for (const [i, each] of expected.entries()) assert.ok(Math.abs(found[i] - each) < 1e-6, `${found[i]} for ${each}`);
  const unit = Float32Array.of(3, 4, 0, 0, -6, 8);
  constrain(constraintOf('w', { type: 'unitNorm', axis: 1 }), tensorOf([3, 2]), unit);
  for (const [i, each] of [0.6, 0.8, 0, 0, -0.6, 0.8].entries()) assert.ok(Math.abs(unit[i] - each) < 1e-6);
});

test('nonNeg leaves what is not below 0 as it is, -0 included, and never makes a -0; a scalar takes it too', () => {
  const values = Float32Array.of(-1, 1, -1e-45, 1e-45, 0, -0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  constrain(constraintOf('w', { type: 'nonNeg' }), tensorOf([8]), values);
  sameBits(values, Float32Array.of(0, 1, 0, 1e-45, 0, -0, 0, Number.POSITIVE_INFINITY));
  const scalar = Float32Array.of(-3);
  refuseMisfit({ type: 'nonNeg' }, tensorOf([]));
  constrain({ type: 'nonNeg' }, tensorOf([]), scalar);
  sameBits(scalar, Float32Array.of(0));
});

test('a view of a larger range is constrained without touching its neighbours', () => {
  const flat = Float32Array.of(7, 3, 4, 7);
  constrain(constraintOf('w', { type: 'maxNorm', maxValue: 1 }), tensorOf([2]), flat.subarray(1, 3));
  assert.is(flat[0], 7);
  assert.is(flat[3], 7);
  assert.ok(Math.abs(Math.hypot(flat[1], flat[2]) - 1) < 1e-6);
});

test("our form, snake_case and Keras' JSON are read, with defaults filled in, and survive JSON", () => {
  const full = { type: 'minMaxNorm', minValue: 0, maxValue: 1, rate: 1, axis: 0 };
  assert.equal(constraintOf('w', { type: 'minMaxNorm' }), full);
  assert.equal(constraintOf('w', { type: 'maxNorm' }), { type: 'maxNorm', maxValue: 2, axis: 0 });
  assert.equal(constraintOf('w', { type: 'unitNorm' }), { type: 'unitNorm', axis: 0 });
  const max = { type: 'maxNorm', maxValue: 3, axis: [0, 1] };
  assert.equal(constraintOf('w', { type: 'maxNorm', max_value: 3, axis: [0, 1] }), max);
  const keras = (class_name: string, config: object) => ({
    module: 'keras.constraints',
    class_name,
    config,
    registered_name: null,
  });
  assert.equal(constraintOf('w', keras('MaxNorm', { max_value: 3, axis: [0, 1] })), max);
  assert.equal(constraintOf('w', keras('NonNeg', {})), { type: 'nonNeg' });
  assert.equal(constraintOf('w', keras('UnitNorm', { axis: -1 })), { type: 'unitNorm', axis: -1 });
  assert.equal(constraintOf('w', keras('MinMaxNorm', { min_value: 0, max_value: 1, rate: 1, axis: 0 })), full);
  const read = constraintOf('w', max);
  assert.equal(constraintOf('w', JSON.parse(JSON.stringify(read))), read);
  assert.ok(Object.isFrozen(read) && read.type === 'maxNorm' && Object.isFrozen(read.axis));
});

test('what is no constraint is refused, and the message begins with what it is of', () => {
  const refusals: [value: unknown, says: RegExp][] = [
    [undefined, /^constraints\.w must be an object with a type; got undefined$/],
    ['maxNorm', /^constraints\.w must be an object with a type; got "maxNorm"$/],
    [() => 1, /^constraints\.w must be an object with a type; got a function$/],
    [{ type: 'max_norm' }, /^constraints\.w\.type must be one of maxNorm, nonNeg, unitNorm, minMaxNorm; got "max_norm"$/],
    [{ type: 'nonNeg', axis: 0 }, /^unknown constraints\.w option "axis"/],
    [{ type: 'maxNorm', maxvalue: 1 }, /did you mean "maxValue"\?$/],
    [{ type: 'maxNorm', maxValue: -1 }, /^constraints\.w\.maxValue must be a number from 0 to 1e15; got -1$/],
    [{ type: 'maxNorm', maxValue: '2' }, /got "2"$/],
    [{ type: 'maxNorm', maxValue: null }, /got null$/],
    [{ type: 'minMaxNorm', minValue: 2 }, /^constraints\.w\.minValue must be at most maxValue, 1; got 2$/],
    [{ type: 'minMaxNorm', rate: 1.1 }, /^constraints\.w\.rate must be a number from 0 to 1; got 1\.1$/],
    ...[null, 0.5, '0', [], [0, 0], [0.5], 8, -9, [[0]]].map((axis): [unknown, RegExp] => [
      { type: 'unitNorm', axis },
      /^constraints\.w\.axis must be an integer from -8 to 7 or an array of different ones, each axis named; got /,
    ]),
    [
      { class_name: 'RadialConstraint', config: {} },
      /^constraints\.w\.class_name must be one of MaxNorm, NonNeg, UnitNorm, MinMaxNorm/,
    ],
  ];
  for (const [given, says] of refusals) refused('E_CONFIG', () => constraintOf('constraints.w', given), says);
});

test('axes that a tensor does not have, or that are the same one twice, are refused for it', () => {
  const misfit = (axis: number | number[], shape: number[], says: RegExp) =>
    refused('E_CONFIG', () => refuseMisfit(constraintOf('w', { type: 'unitNorm', axis }), tensorOf(shape)), says);
  misfit(0, [], /^the constraint unitNorm of "w" \[\] takes norms, and a scalar has no axes$/);
  misfit(2, [3, 4], /^the constraint unitNorm of "w" \[3, 4\] has axis 2; axes are -2 to 1 here$/);
  misfit(-3, [3, 4], /has axis -3/);
  misfit([0, 2], [3, 4], /has axis 0, 2/);
  misfit([0, -2], [3, 4], /names an axis twice in axis 0, -2$/);
  refuseMisfit(constraintOf('w', { type: 'unitNorm', axis: [0, -1] }), tensorOf([3, 4]));
});

test.run();
