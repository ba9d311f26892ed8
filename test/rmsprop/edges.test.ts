// Against the reference, as bits, where random cases seldom come: the order of norms, limits reached exactly, long debts.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout, type Shapes } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';
import { chance } from '../support/random.ts';
import { normOf } from '../support/reference.clip.ts';
import type { ReferenceOptions } from '../support/reference.options.ts';
import { Reference } from '../support/reference.ts';

const kernels = ['simd', 'scalar'] as const;

/** Both kernels and the reference of the same options and model. */
function make(shapes: Shapes, options: ReferenceOptions): { optimizers: RMSprop[]; reference: Reference } {
  const model = layout(shapes);
  const optimizers = kernels.map((kernel) => new RMSprop(model, { ...options, kernel }));
  return { optimizers, reference: new Reference(model, options) };
}

// Four squares whose sum is the square of an odd number above 2^24.5: its root lies half-way between two float32, and is
// rounded to the lower, even one. Squares of `tiny` are lost when added to that sum one by one; two together are not, and
// the root is rounded up. So the norm tells which of its squares were added to each other first.
const middle = 24_000_001;
const tiny = 0.2;

/** The middle and three numbers whose squares add up to 2 · middle − 1. */
function fourSquares(): number[] {
  const left = 2 * middle - 1;
  for (let b = Math.floor(Math.sqrt(left)); b > 0; b--)
    for (let c = Math.floor(Math.sqrt(left - b * b)); c >= 0; c--) {
      const d = Math.sqrt(left - b * b - c * c);
      if (Number.isInteger(d)) return [middle - 1, b, c, d];
    }
  throw new Error('no sum of four squares');
}

const squares = fourSquares();

/** The norm of a batch that has the four squares in one lane and `tiny` at some places, the same from both kernels and the reference. */
function normWith(lengths: readonly [number, number, number], lane: number, places: readonly number[]): number {
  const [first, second, third] = lengths;
  const flat = new Float32Array(first + second + third);
  for (const [i, value] of squares.entries()) flat[8 * i + lane] = value;
  for (const place of places) flat[place] = tiny;
  const batch = { first: flat.slice(0, first), second: flat.slice(first, first + second), third: flat.slice(first + second) };
  const shapes = { first: [first], second: [second], third: [third] };
  const { optimizers, reference } = make(shapes, { preset: 'optax', lr: 0.1, globalClipnorm: 1 });
  const { gradientNorm } = reference.step(batch);
  for (const [k, optimizer] of optimizers.entries())
    assert.is(optimizer.step(batch).gradientNorm, gradientNorm, `${kernels[k]}: squares in ${lane}, tiny at ${places}`);
  return gradientNorm;
}

test('norms are summed in blocks of 4,096, in eight lanes, in the order that docs/SEMANTICS.md gives them', () => {
  const places = [1, 4, 6, 12, 32, 40, 4095, 4096, 4097, 4104, 8191, 8192, 8200, 8201, 8203];
  const found = new Set<number>();
  for (const one of places) for (const other of places) found.add(normWith([8200, 3, 2], 0, [one, other]));
  for (let lane = 0; lane < 8; lane++)
    for (let one = 40; one < 48; one++)
      for (let other = 40; other < 48; other++) found.add(normWith([48, 1, 1], lane, [one, other]));
  // the control: the order is to be seen in the result
  assert.equal([...found].sort(), [middle - 1, middle + 1]);
});

test('the norm of rows is that of their values, ascending, whatever their order in the batch', () => {
  for (const [rowLength, other] of [
    [1, 5],
    [1, 4096],
    [2, 4097],
    [5, 6],
    [5, 4096],
  ] as const) {
    const count = Math.ceil(5000 / rowLength);
    const flat = new Float32Array(count * rowLength);
    for (const [i, value] of squares.entries()) flat[8 * i] = value;
    flat[1] = tiny;
    flat[other] = tiny;
    const rows = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
    const values = Float32Array.from([...rows].flatMap((row) => [...flat.subarray(row * rowLength, (row + 1) * rowLength)]));
    const { optimizers, reference } = make({ table: [count, rowLength] }, { clipnorm: 1 });
    const { gradientNorm } = reference.step({ table: flat });
    for (const optimizer of optimizers) assert.is(optimizer.step({ table: { rows, values } }).gradientNorm, gradientNorm);
  }
});

test('a norm that equals its limit is clipped in keras2 alone, and PyTorch’s limit is held against n + 1e-6', () => {
  const random = chance(11);
  let differ = 0;
  for (let i = 0; i < 300; i++) {
    const w = Float32Array.from({ length: 1 + (i % 9) }, () => random() * 2 - 1);
    const norm = normOf([{ name: 'w', g: w }]);
    for (const limit of [norm, norm * (1 + 2 ** -23), norm * (1 - 2 ** -23), Math.fround(norm + 1e-6)]) {
      const results = (
        [
          { preset: 'keras2', clipnorm: limit },
          { preset: 'keras3', clipnorm: limit },
          { preset: 'keras3', globalClipnorm: limit },
          { preset: 'tf1', clipnorm: limit },
          { preset: 'tf1', globalClipnorm: limit },
          { preset: 'torch', globalClipnorm: limit },
          { preset: 'optax', globalClipnorm: limit },
        ] as const
      ).map((options) => {
        const { optimizers, reference } = make({ w: [w.length] }, { ...options, rho: 0, lr: 1 });
        reference.step({ w });
        const { a } = reference.get('w');
        for (const optimizer of optimizers) {
          optimizer.step({ w });
          sameBits(optimizer.state().accumulator, a, `${JSON.stringify(options)} of ${w}`);
        }
        return a;
      });
      differ += Number(results[0].some((value, j) => value !== results[1][j]));
    }
  }
  // the control: at the limit itself (g · n) / n is not always g, so it is to be seen who clips
  assert.ok(differ > 10, `${differ}`);
});

test('a row that owes for k batches pays rho to the k, squared in float64 and rounded once, for every k', () => {
  for (const rho of [0.9, 0.999, 0.5])
    for (const centered of [false, true]) {
      const { optimizers, reference } = make({ table: [40, 2] }, { preset: 'keras3', rho, centered });
      const random = chance(3);
      const all = Float32Array.from({ length: 80 }, () => random() * 2 - 1);
      const batches = [{ table: all }, ...Array.from({ length: 41 }, () => [])];
      for (const [i] of batches.entries()) {
        // row i comes at batch 3 · i, so that each pays for another k
        const rows = Int32Array.from([0, ...Array.from({ length: i === 0 ? 0 : 1 }, () => i - 1)].filter((row) => row < 40));
        const values = Float32Array.from({ length: rows.length * 2 }, () => random());
        const batch = i === 0 ? { table: all } : { table: { rows, values } };
        const zero = { table: { rows: Int32Array.of(0), values: Float32Array.of(0, 0) } };
        for (const each of [batch, zero, zero]) for (const fold of [reference, ...optimizers]) fold.step(each);
        for (const optimizer of optimizers) {
          sameBits(optimizer.parameters.get('table').slice(), reference.get('table').p, `p at ${i}`);
          sameBits(optimizer.state().accumulator, reference.get('table').a, `a at ${i}`);
        }
      }
    }
});

test('where every gradient is the same, the centered denominator comes down to epsilon, and is never the root of what is negative', () => {
  let negative = 0;
  for (const rho of [0, 0.5, 0.9])
    for (const preset of ['keras3', 'torch'] as const) {
      const { optimizers, reference } = make({ w: [64] }, { preset, rho, lr: 1e-6, centered: true });
      const random = chance(17);
      const w = Float32Array.from({ length: 64 }, () => random() * 20 - 10);
      for (let i = 0; i < 300; i++) {
        reference.step({ w });
        const { p, a, m = a } = reference.get('w');
        for (const optimizer of optimizers) {
          optimizer.step({ w });
          sameBits(optimizer.parameters.get('w').slice(), p, `p at ${i}`);
        }
        negative += a.filter((value, j) => Math.fround(value - Math.fround(m[j] * m[j])) < 0).length;
        assert.ok(p.every(Number.isFinite));
      }
    }
  // the control: rounding does make a − m · m negative
  assert.ok(negative > 100, `${negative}`);
});

test.run();
