// topk: the largest share of a tensor's values, in whichever form takes the fewest bytes.
import type { Form } from '../frames/forms.ts';
import type { TensorGradient } from '../gradients/check.ts';
import { largest } from './largest.ts';

/** The share that is sent at a time unless told. */
export const defaultShare = 0.01;

/** How many values of a tensor, or of so many, are the share: at least one. */
export function shareOf(values: number, share: number): number {
  return Math.max(1, Math.ceil(values * share));
}

/** The values of largest magnitude, a share of all that the tensor has; undefined where all that is given is zero. */
export function topk<Name extends string>({ tensor, rows, values }: TensorGradient<Name>, share: number): Form<Name> | undefined {
  const chosen = largest(values, shareOf(tensor.length, share));
  if (chosen.length === 0) return undefined;
  return placed(tensor, flatPositions({ tensor, rows }, chosen), pick(values, chosen));
}

/** Values at ascending flat positions of a tensor as the smallest form; what it holds besides is zero, which adds nothing. */
function placed<Name extends string>(tensor: Form<Name>['tensor'], indices: Int32Array, values: Float32Array): Form<Name> {
  const { rowLength, length, shape } = tensor;
  const rows = shape.length === 0 ? undefined : rowsOf(indices, rowLength);
  const sparse = indices.length * 8;
  const byRows = rows === undefined ? Number.POSITIVE_INFINITY : rows.length * (4 + rowLength * 4);
  if (length * 4 <= sparse && length * 4 <= byRows) return { tensor, rows: undefined, values: spread(length, indices, values) };
  if (rows === undefined || sparse < byRows) return { tensor, rows: undefined, indices, values };
  return { tensor, rows, values: spreadRows(rows, rowLength, indices, values) };
}

/** Where the positions among the given rows' values stand in the tensor; ascending where the rows are. */
function flatPositions({ tensor, rows }: Pick<TensorGradient, 'tensor' | 'rows'>, chosen: Int32Array): Int32Array {
  if (rows === undefined) return chosen;
  const { rowLength } = tensor;
  return chosen.map((at) => rows[Math.floor(at / rowLength)] * rowLength + (at % rowLength));
}

/** The rows in which ascending flat positions lie, each once. */
export function rowsOf(positions: Int32Array, rowLength: number): Int32Array {
  const rows = new Int32Array(positions.length);
  let count = 0;
  for (const position of positions) {
    const row = Math.floor(position / rowLength);
    if (count === 0 || rows[count - 1] !== row) rows[count++] = row;
  }
  return rows.slice(0, count);
}

/** The values at some positions. */
export function pick(values: Float32Array, positions: Int32Array): Float32Array {
  const picked = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i++) picked[i] = values[positions[i]];
  return picked;
}

function spread(length: number, indices: Int32Array, values: Float32Array): Float32Array {
  const all = new Float32Array(length);
  for (let i = 0; i < indices.length; i++) all[indices[i]] = values[i];
  return all;
}

function spreadRows(rows: Int32Array, rowLength: number, indices: Int32Array, values: Float32Array): Float32Array {
  const all = new Float32Array(rows.length * rowLength);
  let row = 0;
  for (let i = 0; i < indices.length; i++) {
    while ((rows[row] + 1) * rowLength <= indices[i]) row += 1;
    all[row * rowLength + (indices[i] - rows[row] * rowLength)] = values[i];
  }
  return all;
}
