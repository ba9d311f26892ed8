// The slices of a tensor over which norms are taken: a walk over its values in row-major order that says each value's slice.

/** Neighbouring dimensions that are all reduced, or all kept, seen as one. Strides count floats and slices. */
interface Dimension {
  readonly size: number;
  readonly stride: number;
  /** By how much the slice's number grows with each step; 0 along a reduced dimension. */
  readonly sliceStride: number;
}

/** How a block of values falls into slices. */
export interface Slices {
  /** Floats in the block, all slices together. */
  readonly length: number;
  /** How many slices there are. */
  readonly count: number;
  readonly dimensions: readonly Dimension[];
}

/**
 * A stretch of `size` values from `offset` along the last dimension: value `offset + j` is in slice `slice + j · sliceStride`,
 * where `sliceStride` is 0 or 1.
 */
export type Visit = (offset: number, slice: number, stretch: { readonly size: number; readonly sliceStride: number }) => void;

/** The slices of a block of this shape over `axes`, which count from 0; the other axes tell slices apart, in row-major order. */
export function slicesOf(shape: readonly number[], axes: readonly number[]): Slices {
  const dimensions: Dimension[] = [];
  let length = 1;
  let count = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis];
    const isReduced = axes.includes(axis);
    const inner = dimensions[0];
    if (inner !== undefined && (inner.sliceStride === 0) === isReduced) dimensions[0] = { ...inner, size: inner.size * size };
    else if (size > 1) dimensions.unshift({ size, stride: length, sliceStride: isReduced ? 0 : count });
    length *= size;
    if (!isReduced) count *= size;
  }
  if (dimensions.length === 0) dimensions.push({ size: 1, stride: 1, sliceStride: 0 });
  return { length, count, dimensions };
}

/** Visits the whole block that begins at `offset`, stretch by stretch, in row-major order. */
export function walk({ dimensions }: Slices, offset: number, visit: Visit): void {
  descend(dimensions, 0, offset, 0, visit);
}

function descend(dimensions: readonly Dimension[], depth: number, offset: number, slice: number, visit: Visit): void {
  const dimension = dimensions[depth];
  if (depth === dimensions.length - 1) {
    visit(offset, slice, dimension);
    return;
  }
  for (let j = 0; j < dimension.size; j++)
    descend(dimensions, depth + 1, offset + j * dimension.stride, slice + j * dimension.sliceStride, visit);
}
