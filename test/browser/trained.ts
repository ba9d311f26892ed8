// What the trainer behind a page learns: a model with a dense and a row-wise tensor, and for each version its batch.
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { type Layout, layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { chance, whole } from '../support/random.ts';

export type Name = 'kernel' | 'table';
export const model: Layout<Name> = layout({ kernel: [16, 16], table: [128, 8] });
export const hyperparameters = { lr: 0.01 } as const;

/** The batch that is folded on a version: dense values, four rows of the table, or both. */
export function batchOn(version: number): GradientRecord<Name> {
  const random = chance(version);
  const values = (length: number): Float32Array => Float32Array.from({ length }, () => random() * 2 - 1);
  const rows = { rows: Int32Array.from({ length: 4 }, () => whole(random, 0, 127)), values: values(32) };
  if (version % 3 === 0) return { kernel: values(256), table: rows };
  return version % 3 === 1 ? { kernel: values(256) } : { table: rows };
}

/** The digest of the parameters at a version, by a fold that shares nothing with the trainer. */
export function foldedDigest(version: number): string {
  const fold = new RMSprop(model, hyperparameters);
  for (let i = 0; i < version; i++) fold.step(batchOn(i));
  return fold.digest();
}
