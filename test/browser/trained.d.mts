// The types of trained.mjs, which plain Node runs too.
import type { GradientRecord } from '../../src/gradients/batch.ts';

export type Name = 'kernel' | 'table';
export const shapes: Readonly<Record<Name, readonly number[]>>;
export const hyperparameters: { readonly lr: number };
export function batchOn(version: number): GradientRecord<Name>;
