// Random batches of a model: partial, reordered, rows with duplicates, ordinary and nasty values. Values come from a seed, so that long tensors stay quick.
import fc from 'fast-check';
import type { GradientRecord, Rows } from '../../src/gradients/batch.ts';
import { chance } from './random.ts';
import type { ReferenceOptions } from './reference.options.ts';

type ShapeRecord = Readonly<Record<string, readonly number[]>>;
type Style = 'ordinary' | 'small' | 'nasty' | 'zero';

const nasty = [0, -0, 1e-45, -1e-45, 1.1754942e-38, -1.5e-39, 1e-20, 1, -1, 0.1, 1e-10, 12345.678];
const large = [1e9, -1e9, 1e6, -123456789, 3e8];

const product = (shape: readonly number[]): number => shape.reduce((all, each) => all * each, 1);

/** Values of a style: `largest` bounds the nasty ones. */
function fill(length: number, style: Style, seed: number, largest: number): Float32Array {
  const random = chance(seed);
  const pool = [...nasty, ...large].filter((each) => Math.abs(each) <= largest);
  const draw: Record<Style, () => number> = {
    ordinary: () => (random() - 0.5) * 10,
    small: () => (random() - 0.5) * 10 ** (-40 * random()),
    nasty: () => pool[Math.floor(random() * pool.length)],
    zero: () => (random() < 0.5 ? 0 : -0),
  };
  return Float32Array.from({ length }, draw[style]);
}

const styles = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Style>('ordinary') },
  { weight: 1, arbitrary: fc.constantFrom<Style>('small', 'nasty', 'zero') },
);
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

/** Initial parameters for some of the model's tensors. */
export function initialOf(shapes: ShapeRecord): fc.Arbitrary<Record<string, Float32Array | undefined>> {
  const each = (shape: readonly number[]) =>
    fc.tuple(styles, seeds).map(([style, seed]) => fill(product(shape), style, seed, 1e9));
  return fc.record(Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, each(shape)])), { requiredKeys: [] });
}

/** Whether the options take rows. */
function takesRows({ momentum = 0, sparse = 'exact', gradientAccumulationSteps = 1 }: ReferenceOptions): boolean {
  return gradientAccumulationSteps === 1 && (momentum === 0 || sparse === 'lazy');
}

/** One to six batches that the options take: every value within `maxAbs`, sums of duplicate rows included. */
export function batchesOf(shapes: ShapeRecord, options: ReferenceOptions): fc.Arbitrary<GradientRecord[]> {
  const { maxAbs = 1e9 } = options;
  const tensor = (shape: readonly number[]): fc.Arbitrary<Float32Array | Rows> => {
    const dense = fc.tuple(styles, seeds).map(([style, seed]) => fill(product(shape), style, seed, maxAbs));
    return shape.length === 0 || !takesRows(options) ? dense : fc.oneof(dense, rowsOf(shape, maxAbs));
  };
  const entries = Object.entries(shapes).map(([name, shape]) => tensor(shape).map((gradient) => [name, gradient] as const));
  const batch = fc
    .tuple(fc.tuple(...entries), fc.shuffledSubarray(Object.keys(shapes), { minLength: 1 }))
    .map(([all, names]) => Object.fromEntries(names.map((name) => [name, Object.fromEntries(all)[name]])));
  const taken =
    options.lossScale === 'dynamic' || typeof options.lossScale === 'object' ? fc.oneof(batch, spoiled(batch)) : batch;
  return fc.array(taken, { minLength: 1, maxLength: 6 });
}

/** The same batches with one value that is not finite, or another that is told, at a random place. */
export function spoiled(
  batches: fc.Arbitrary<GradientRecord>,
  wrong: readonly number[] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
): fc.Arbitrary<GradientRecord> {
  return fc.tuple(batches, fc.nat(), fc.nat(), fc.constantFrom(...wrong)).map(([batch, which, where, value]) => {
    const names = Object.keys(batch);
    const name = names[which % names.length];
    const gradient = batch[name] as Float32Array | Rows;
    const values = Float32Array.from(gradient instanceof Float32Array ? gradient : gradient.values);
    values[where % values.length] = value;
    return { ...batch, [name]: gradient instanceof Float32Array ? values : { rows: gradient.rows, values } };
  });
}

// few rows of the tensor, so that duplicates and rows that owe are frequent
function rowsOf(shape: readonly number[], maxAbs: number): fc.Arbitrary<Rows> {
  const [count, ...rest] = shape;
  const rowLength = product(rest);
  const row = fc.oneof(fc.nat(count - 1), fc.nat(Math.min(3, count - 1)));
  return fc.tuple(fc.array(row, { minLength: 1, maxLength: 8 }), styles, seeds).map(([rows, style, seed]) => ({
    rows: Int32Array.from(rows),
    values: fill(rows.length * rowLength, style, seed, maxAbs / rows.length),
  }));
}
