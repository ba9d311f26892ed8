// The gradients of two batches as bits, whether they came dense or as rows.
import type { Gradients, TensorGradient } from '../../../../src/gradients/check.ts';
import type { Layout } from '../../../../src/layout.ts';
import { Tally, ulpsBetween } from './tally.ts';

/** What two batches differ in: values, or only the form in which tensors stand. */
export interface ComparedGradients {
  readonly tally: Tally;
  /** The first tensor with the same values in another form, or with zeros for rows that the other leaves out. */
  readonly otherForm: string | undefined;
}

/** Compares two batches of the same model. A row that is left out counts as zeros; a tensor that is left out does not. */
export function compareGradients(model: Layout, a: Gradients, b: Gradients): ComparedGradients {
  const tally = new Tally();
  const inA = byName(a);
  const inB = byName(b);
  let otherForm: string | undefined;
  for (const { name } of model.tensors) {
    const one = inA.get(name);
    const other = inB.get(name);
    if (one !== undefined && other !== undefined) {
      if (!compareTensor(one, other, tally)) otherForm ??= name;
    } else if (one !== undefined || other !== undefined) {
      const values = { a: one?.values[0] ?? null, b: other?.values[0] ?? null };
      tally.missing(name, values, (one ?? other)?.values.length ?? 0);
    }
  }
  return { tally, otherForm };
}

function byName({ tensors }: Gradients): Map<string, TensorGradient> {
  return new Map(tensors.map((each) => [each.tensor.name, each]));
}

/** Compares one tensor; gives whether both have the same rows. */
function compareTensor(a: TensorGradient, b: TensorGradient, tally: Tally): boolean {
  const { name, rowLength } = a.tensor;
  if (a.rows === undefined && b.rows === undefined) {
    tally.compare(name, a.values, b.values);
    return true;
  }
  const zeros = new Float32Array(rowLength);
  let same = true;
  for (const { row, i, j } of rowsOfBoth(a, b)) {
    if (i === undefined || j === undefined) same = false;
    compareRow(tally, name, { from: row * rowLength, a: rowOf(a, i) ?? zeros, b: rowOf(b, j) ?? zeros });
  }
  return same;
}

function rowOf({ values, tensor: { rowLength } }: TensorGradient, place: number | undefined): Float32Array | undefined {
  return place === undefined ? undefined : values.subarray(place * rowLength, (place + 1) * rowLength);
}

function compareRow(tally: Tally, name: string, { from, a, b }: { from: number; a: Float32Array; b: Float32Array }): void {
  for (let i = 0; i < a.length; i++) {
    if (!Object.is(a[i], b[i])) tally.add(name, from + i, { a: a[i], b: b[i], ulps: ulpsBetween(a[i], b[i]) });
  }
}

/** The rows that either holds, ascending, with their places in both. */
function* rowsOfBoth(
  a: TensorGradient,
  b: TensorGradient,
): Generator<{ readonly row: number; readonly i: number | undefined; readonly j: number | undefined }, void, undefined> {
  const count = ({ rows, tensor }: TensorGradient): number => rows?.length ?? tensor.rows;
  const rowAt = (each: TensorGradient, place: number): number =>
    place < count(each) ? (each.rows?.[place] ?? place) : Number.POSITIVE_INFINITY;
  for (let i = 0, j = 0; i < count(a) || j < count(b); ) {
    const inA = rowAt(a, i);
    const inB = rowAt(b, j);
    const row = Math.min(inA, inB);
    yield { row, i: inA === row ? i++ : undefined, j: inB === row ? j++ : undefined };
  }
}
