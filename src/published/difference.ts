// The difference between parameters and published weights, as what to add in float32, and as places where the bits differ.
import { bitsOf } from '../floats.ts';
import type { TensorSpec } from '../layout.ts';

/** A tensor's parameters and published weights: views of equal length. */
export interface Sides {
  readonly tensor: TensorSpec;
  readonly wanted: Float32Array;
  readonly held: Float32Array;
}

// from here on differences are rounded towards zero, so that adding them never overflows
const huge = 2 ** 110;

/** What to add to what is held, of all values or of some rows: finite float32 differences, a **view of `room`**, which is as long as the tensor. */
export function differences({ tensor, wanted, held }: Sides, rows: Int32Array | undefined, room: Float32Array): Float32Array {
  const { rowLength } = tensor;
  const values = room.subarray(0, rows === undefined ? tensor.length : rows.length * rowLength);
  if (rows === undefined) {
    for (let i = 0; i < values.length; i++) {
      const value = wanted[i] - held[i];
      values[i] = value < huge && value > -huge ? value : towardsZero(value);
    }
    return values;
  }
  let to = 0;
  for (const row of rows) {
    const end = (row + 1) * rowLength;
    for (let from = end - rowLength; from < end; from++, to++) {
      const value = wanted[from] - held[from];
      values[to] = value < huge && value > -huge ? value : towardsZero(value);
    }
  }
  return values;
}

/** The largest float32 that is not beyond a number, however large that is. */
function towardsZero(value: number): number {
  const floats = Float32Array.of(value);
  if (Math.abs(floats[0]) > Math.abs(value) || !Number.isFinite(floats[0])) bitsOf(floats)[0] -= 1;
  return floats[0];
}

/** The flat positions at which the bits differ, ascending, among all values or those of ascending rows. */
export function differing({ tensor, wanted, held }: Sides, rows: Int32Array | undefined): Int32Array {
  const [a, b] = [bitsOf(wanted), bitsOf(held)];
  const { rowLength, length } = tensor;
  const positions = new Int32Array(rows === undefined ? length : rows.length * rowLength);
  let count = 0;
  if (rows === undefined) {
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) positions[count++] = i;
  } else
    for (const row of rows)
      for (let i = row * rowLength; i < (row + 1) * rowLength; i++) if (a[i] !== b[i]) positions[count++] = i;
  return positions.slice(0, count);
}

/** Whether the bits of a row differ. */
export function rowDiffers({ tensor: { rowLength }, wanted, held }: Sides): (row: number) => boolean {
  const [a, b] = [bitsOf(wanted), bitsOf(held)];
  return (row) => {
    const end = (row + 1) * rowLength;
    for (let i = end - rowLength; i < end; i++) if (a[i] !== b[i]) return true;
    return false;
  };
}
