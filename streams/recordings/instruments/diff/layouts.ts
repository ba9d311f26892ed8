// Where two layouts differ, and two configurations.
import type { Layout } from '../../../../src/layout.ts';
import type { RMSpropConfig } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { changedOptions } from '../forking/options.ts';
import { type Difference, differenceOf } from './finding.ts';

/** The first tensor that differs in name, shape or place, or null. */
export function layoutDifference(a: Layout, b: Layout): Difference | null {
  const count = Math.max(a.tensors.length, b.tensors.length);
  for (let i = 0; i < count; i++) {
    const one = a.tensors[i];
    const other = b.tensors[i];
    if (one?.name === other?.name && JSON.stringify(one.shape) === JSON.stringify(other.shape)) continue;
    const tensor = one?.name ?? other.name;
    // the same tensor, wherever it stands in the other
    return differenceOf('layout', { version: 0, tensor, a: a.get(tensor)?.shape ?? null, b: b.get(tensor)?.shape ?? null });
  }
  return null;
}

/** The options that differ, with their values in both, or null. */
export function optimizerDifference(a: RMSpropConfig, b: RMSpropConfig): Difference | null {
  const changed = Object.entries(changedOptions(a, b));
  if (changed.length === 0) return null;
  const side = (which: 0 | 1): object => Object.fromEntries(changed.map(([name, values]) => [name, values[which]]));
  return differenceOf('optimizer', { version: 0, a: side(0), b: side(1) });
}
