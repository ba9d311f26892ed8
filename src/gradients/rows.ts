// Rows in canonical form: ascending, each once, duplicates summed in their order of appearance.
import type { Rows } from './batch.ts';

/** Whether rows ascend strictly, which also means that none stands twice. */
export function isAscending(rows: Int32Array): boolean {
  for (let i = 1; i < rows.length; i++) {
    if (rows[i] <= rows[i - 1]) return false;
  }
  return true;
}

/**
 * The same gradient with ascending rows, each once. The float32 values of a row that stands several times are added in
 * their order of appearance, so the sum is the same on every engine.
 */
export function sumDuplicates(rows: Int32Array, values: Float32Array, rowLength: number): Rows {
  const order = Uint32Array.from(rows, (_, i) => i).sort((i, j) => rows[i] - rows[j] || i - j);
  const summedRows = new Int32Array(rows.length);
  const summed = new Float32Array(values.length);
  let count = 0;
  for (const i of order) {
    const repeated = count > 0 && summedRows[count - 1] === rows[i];
    if (!repeated) summedRows[count++] = rows[i];
    const target = (count - 1) * rowLength;
    for (let j = 0; j < rowLength; j++) {
      const value = values[i * rowLength + j];
      // the first is stored, not added to 0, which would turn -0 into 0
      summed[target + j] = repeated ? summed[target + j] + value : value;
    }
  }
  return { rows: summedRows.slice(0, count), values: summed.slice(0, count * rowLength) };
}
