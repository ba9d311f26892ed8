// The mean of several batches of one model: what a synchronous round folds.
import type { TensorSpec } from '../layout.ts';
import type { GradientRecord, Rows } from './batch.ts';
import type { Gradients, TensorGradient } from './check.ts';

/** What batches say of themselves, as far as a mean has it too. */
export interface MeanLabels {
  readonly examples: number | undefined;
  readonly loss: number | undefined;
}

/**
 * The mean of batches of one model, at least one. What a batch leaves out, a tensor or a row, counts as zero. Each value is
 * summed in float64 in the order of the batches, divided by their number, and rounded to float32 once: no mean is larger than
 * the largest of its values, and the bits are the same on every engine.
 *
 * A tensor that all who have it give as rows is given as rows: the union of theirs, unless `dense` is asked for. Otherwise it is dense.
 */
export function meanOf<Name extends string>(
  batches: readonly Gradients<Name>[],
  { dense = false }: { readonly dense?: boolean } = {},
): GradientRecord<Name> {
  const given = new Map<TensorSpec<Name>, TensorGradient<Name>[]>();
  for (const { tensors } of batches) {
    for (const each of tensors) {
      const known = given.get(each.tensor);
      if (known === undefined) given.set(each.tensor, [each]);
      else known.push(each);
    }
  }
  const entries = [...given].map(([tensor, gradients]) => {
    const byRows = !dense && gradients.every(({ rows }) => rows !== undefined);
    return [tensor.name, (byRows ? meanOfRows : meanOfDense)(tensor, gradients, batches.length)];
  });
  return Object.fromEntries(entries) as GradientRecord<Name>;
}

/** Examples summed; the loss averaged over them, a batch that does not say how many counting as one. Undefined where nobody says, or no number can. */
export function labelsOfMean(batches: readonly MeanLabels[]): MeanLabels {
  const said = batches.filter(({ examples }) => examples !== undefined);
  const examples = said.reduce((sum, each) => sum + (each.examples ?? 0), 0);
  let losses = 0;
  let weight = 0;
  for (const { loss, examples: count = 1 } of batches) {
    if (loss === undefined) continue;
    losses += loss * count;
    weight += count;
  }
  const loss = losses / weight;
  return {
    examples: said.length > 0 && Number.isSafeInteger(examples) ? examples : undefined,
    loss: Number.isFinite(loss) ? loss : undefined,
  };
}

function meanOfDense({ length, rowLength }: TensorSpec, gradients: readonly TensorGradient[], count: number): Float32Array {
  // −0 changes no sum: the mean of one batch is that batch, to the bit
  const sums = new Float64Array(length).fill(-0);
  for (const { rows, values } of gradients) {
    if (rows === undefined) for (let i = 0; i < length; i++) sums[i] += values[i];
    else for (const [i, row] of rows.entries()) addRow(sums, row * rowLength, values, i * rowLength, rowLength);
  }
  return divided(sums, count);
}

function meanOfRows({ rowLength }: TensorSpec, gradients: readonly TensorGradient[], count: number): Rows {
  const rows = Int32Array.from(new Set(gradients.flatMap((each) => [...(each.rows as Int32Array)]))).sort();
  const places = new Map<number, number>();
  for (const [i, row] of rows.entries()) places.set(row, i * rowLength);
  const sums = new Float64Array(rows.length * rowLength).fill(-0);
  for (const { rows: own, values } of gradients)
    for (const [i, row] of (own as Int32Array).entries())
      addRow(sums, places.get(row) as number, values, i * rowLength, rowLength);
  return { rows, values: divided(sums, count) };
}

function addRow(sums: Float64Array, to: number, values: Float32Array, from: number, length: number): void {
  for (let j = 0; j < length; j++) sums[to + j] += values[from + j];
}

function divided(sums: Float64Array, count: number): Float32Array {
  const mean = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) mean[i] = sums[i] / count;
  return mean;
}
