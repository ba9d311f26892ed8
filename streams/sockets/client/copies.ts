// Copies of what is pushed before it can be sent, and what they take.
import { type GradientRecord, isRows } from '../../../src/gradients/batch.ts';

/** A copy, for its arrays are the caller's and may be written again. What is no gradient is left for the check. */
export function copyOf<Name extends string>(record: GradientRecord<Name>): GradientRecord<Name> {
  const entries = Object.entries(record ?? {}).map(([name, gradient]) => [name, copyOfOne(gradient)]);
  return Object.fromEntries(entries) as GradientRecord<Name>;
}

function copyOfOne(gradient: unknown): unknown {
  if (gradient instanceof Float32Array) return gradient.slice();
  if (typeof gradient !== 'object' || gradient === null || !isRows(gradient)) return gradient;
  return { rows: gradient.rows.slice(), values: gradient.values.slice() };
}

/** Bytes of the arrays in a record; what is no gradient has none. */
export function bytesIn(record: GradientRecord): number {
  const arrays = Object.values(record).flatMap((gradient: unknown) =>
    typeof gradient === 'object' && gradient !== null && isRows(gradient) ? [gradient.rows, gradient.values] : [gradient],
  );
  return arrays.reduce((sum: number, array) => sum + (ArrayBuffer.isView(array) ? array.byteLength : 0), 0);
}
