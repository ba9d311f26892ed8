// What the trainer behind a page learns: a model with a dense and a row-wise tensor, and for each version its batch.
export const shapes = { kernel: [16, 16], table: [128, 8] };
export const hyperparameters = { lr: 0.01 };

/** The batch that is folded on a version: dense values, four rows of the table, or both. */
export function batchOn(version) {
  const values = (length) => Float32Array.from({ length }, (_, i) => Math.sin((version + 1) * (i + 1)));
  const table = { rows: Int32Array.from({ length: 4 }, (_, i) => (version * 37 + i * 31) % 128), values: values(32) };
  if (version % 3 === 0) return { kernel: values(256), table };
  return version % 3 === 1 ? { kernel: values(256) } : { table };
}
