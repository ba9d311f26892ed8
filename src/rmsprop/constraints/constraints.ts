// Keras' weight constraints (keras/src/constraints/constraints.py) in float32: the same bits on every engine.
import { GradwireError, quote } from '../../errors.ts';
import type { TensorSpec } from '../../layout.ts';
import type { Complete, Constraint } from './read.ts';
import { type Slices, slicesOf, walk } from './slices.ts';

export { type Constraint, constraintOf } from './read.ts';

type Norm = Complete<'maxNorm'> | Complete<'unitNorm'> | Complete<'minMaxNorm'>;

const f32 = Math.fround;
const epsilon = f32(1e-7);

/** Throws `E_CONFIG` where the constraint's axes do not exist in a tensor of this shape, or are the same one twice. */
export function refuseMisfit(constraint: Constraint, tensor: TensorSpec): void {
  if (constraint.type === 'nonNeg') return;
  const { name, shape } = tensor;
  const axes = axesOf(constraint as Norm, shape.length);
  const stray = axes.findIndex((axis) => axis < 0 || axis >= shape.length);
  if (stray < 0 && new Set(axes).size === axes.length) return;
  const given = [constraint.axis].flat().join(', ');
  const reason =
    shape.length === 0
      ? 'takes norms, and a scalar has no axes'
      : stray < 0
        ? `names an axis twice in axis ${given}`
        : `has axis ${given}; axes are ${-shape.length} to ${shape.length - 1} here`;
  throw new GradwireError('E_CONFIG', `the constraint ${constraint.type} of ${quote(name)} [${shape.join(', ')}] ${reason}`);
}

/** Whether some rows (first axis) can be constrained without the others: true for nonNeg, and for norms over other axes than the first. */
export function isByRow(constraint: Constraint, { shape }: TensorSpec): boolean {
  return constraint.type === 'nonNeg' || !axesOf(constraint as Norm, shape.length).includes(0);
}

/**
 * Brings the tensor's values back to its constraint, in place: all of them, or only these rows, which {@link isByRow} must allow.
 * `values` are the whole tensor's, in row-major order; the constraint comes from {@link constraintOf} and fits the tensor.
 * A norm is the float64 sum of float64 squares in row-major order, its root rounded to float32; the rest is float32 in Keras' order.
 */
export function constrain(constraint: Constraint, tensor: TensorSpec, values: Float32Array, rows?: Int32Array): void {
  const { shape, rowLength } = tensor;
  const isWhole = rows === undefined && (constraint.type === 'nonNeg' || !isByRow(constraint, tensor));
  const constrainBlock =
    constraint.type === 'nonNeg'
      ? nonNeg(isWhole ? tensor.length : rowLength)
      : rescale(constraint as Norm, slices(constraint as Norm, shape, { isWhole }));
  if (isWhole) constrainBlock(values, 0);
  else if (rows === undefined) for (let row = 0; row < tensor.rows; row++) constrainBlock(values, row * rowLength);
  else for (const row of rows) constrainBlock(values, row * rowLength);
}

/** Constrains, in place, the block of values that begins at `offset`. */
type ConstrainBlock = (values: Float32Array, offset: number) => void;

function nonNeg(length: number): ConstrainBlock {
  return (values, offset) => {
    for (let i = offset; i < offset + length; i++) values[i] = values[i] >= 0 ? values[i] : 0;
  };
}

/** n = sqrt(Σ w²) by slice; w = w · (desired / (1e-7 + n)), for unitNorm w = w / (1e-7 + n) */
function rescale(constraint: Norm, block: Slices): ConstrainBlock {
  // by slice: Σ w², then what its values are multiplied with, or for unitNorm divided by
  const scratch = new Float64Array(block.count);
  const isDivided = constraint.type === 'unitNorm';
  const scaleOf = constraint.type === 'unitNorm' ? (n: number) => f32(epsilon + n) : factorOf(constraint);
  return (values, offset) => {
    scratch.fill(0);
    walk(block, offset, (first, slice, { size, sliceStride }) => {
      for (let j = 0; j < size; j++) scratch[slice + j * sliceStride] += values[first + j] * values[first + j];
    });
    for (let i = 0; i < scratch.length; i++) scratch[i] = scaleOf(f32(Math.sqrt(scratch[i])));
    walk(block, offset, (first, slice, { size, sliceStride }) => {
      for (let j = 0; j < size; j++) {
        const s = scratch[slice + j * sliceStride];
        values[first + j] = f32(isDivided ? values[first + j] / s : values[first + j] * s);
      }
    });
  };
}

/** maxNorm: desired = clip(n, 0, maxValue); minMaxNorm: desired = rate · clip(n, minValue, maxValue) + (1 − rate) · n */
function factorOf(constraint: Complete<'maxNorm'> | Complete<'minMaxNorm'>): (n: number) => number {
  const largest = f32(constraint.maxValue);
  if (constraint.type === 'maxNorm') return (n) => f32(Math.min(n, largest) / f32(epsilon + n));
  const smallest = f32(constraint.minValue);
  const rate = f32(constraint.rate);
  const rest = f32(1 - constraint.rate);
  return (n) => {
    const clipped = Math.min(Math.max(n, smallest), largest);
    const desired = f32(f32(rate * clipped) + f32(rest * n));
    return f32(desired / f32(epsilon + n));
  };
}

/** The slices of the whole tensor, or, where norms are taken within rows, of one row. */
function slices(constraint: Norm, shape: readonly number[], { isWhole }: { readonly isWhole: boolean }): Slices {
  const axes = axesOf(constraint, shape.length);
  if (isWhole) return slicesOf(shape, axes);
  return slicesOf(
    shape.slice(1),
    axes.map((axis) => axis - 1),
  );
}

/** The constraint's axes, counted from 0. */
function axesOf({ axis }: Norm, rank: number): number[] {
  return [axis].flat().map((each) => (each < 0 ? each + rank : each));
}
