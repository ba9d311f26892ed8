// How far apart the parameters of two folds are, tensor by tensor.
import type { Tensors } from '../../../../src/tensors.ts';

/** The distance of one tensor between two runs. */
export interface TensorDistance {
  /** L2 norm of the difference. */
  readonly distance: number;
  /** `distance` for each unit of the recorded run's movement since the start; 0 where nothing differs, infinite where only the other run moved. */
  readonly relative: number;
  /** Largest |difference|. */
  readonly max: number;
}

/** The distance of two runs at one version. */
export interface Distance extends Pick<TensorDistance, 'distance' | 'relative'> {
  readonly tensors: Readonly<Record<string, TensorDistance>>;
}

/** The distance of `other` from `recorded`, relative to how far `recorded` has moved from `start`. Sums are float64. */
export function distanceOf(recorded: Tensors, other: Tensors, start: Tensors): Distance {
  let squares = 0;
  let movedSquares = 0;
  const tensors: [string, TensorDistance][] = [];
  for (const [name, values] of recorded) {
    const apart = differenceOf(values, other.get(name));
    const moved = differenceOf(values, start.get(name));
    squares += apart.squares;
    movedSquares += moved.squares;
    const distance = Math.sqrt(apart.squares);
    tensors.push([name, { distance, relative: ratioOf(distance, Math.sqrt(moved.squares)), max: apart.max }]);
  }
  const distance = Math.sqrt(squares);
  return { tensors: Object.fromEntries(tensors), distance, relative: ratioOf(distance, Math.sqrt(movedSquares)) };
}

/** L2 norm of the difference of two flat ranges of the same length. */
export function normBetween(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(differenceOf(a, b).squares);
}

function ratioOf(distance: number, moved: number): number {
  return distance === 0 ? 0 : distance / moved;
}

function differenceOf(a: Float32Array, b: Float32Array): { readonly squares: number; readonly max: number } {
  let squares = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    squares += difference * difference;
    if (difference > max) max = difference;
  }
  return { squares, max };
}
