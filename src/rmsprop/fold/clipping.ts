// Clipping by norms: which tensors of a batch are scaled down, and by what.
import type { Part } from '../options/groups.ts';
import type { Hyperparameters } from '../options/hyperparameters.ts';
import { presets } from '../options/presets.ts';

/** How one tensor is scaled: g = (g · limit) / norm. */
export interface Scaling {
  readonly limit: number;
  readonly norm: number;
}

/** The norm of a sum of squares, as a float32. */
export function normOf(sum: number): number {
  return Math.fround(Math.sqrt(sum));
}

/** What clipping looks at: a tensor's sum of squares, and what holds for it. */
interface Summed {
  readonly part: Part;
  readonly sum: number;
}

/**
 * The scaling of each tensor of a batch, undefined where it stays as it is; undefined at all where nothing is scaled.
 * Sources and the order of the sums: docs/SEMANTICS.md, Clipping.
 */
export type Clipping = (tensors: readonly Summed[]) => readonly (Scaling | undefined)[] | undefined;

/** The clipping by norms that these options ask for; undefined where they ask for none. */
export function clippingOf(all: Hyperparameters): Clipping | undefined {
  const rules = presets[all.preset];
  if (all.globalClipnorm > 0) {
    const limit = Math.fround(all.globalClipnorm);
    const slack = Math.fround(rules.globalNormSlack);
    return (tensors) => {
      const norm = Math.fround(normOf(tensors.reduce((total, { sum }) => total + sum, 0)) + slack);
      return norm > limit ? tensors.map(() => ({ limit, norm })) : undefined;
    };
  }
  if (all.clipnorm === 0 && !all.groups.some(({ clipnorm = 0 }) => clipnorm > 0)) return undefined;
  return rules.clipnorm === 'batch' ? clipTogether : clipEach;
}

function clipEach(tensors: readonly Summed[]): readonly (Scaling | undefined)[] {
  return tensors.map(({ sum, part: { clipnorm: limit } }) => {
    const norm = normOf(sum);
    return limit > 0 && norm > limit ? { limit, norm } : undefined;
  });
}

// Keras 2: one norm over all, or over each group that has a limit of its own
function clipTogether(tensors: readonly Summed[]): readonly (Scaling | undefined)[] {
  const totals = new Map<number, number>();
  for (const { part, sum } of tensors) totals.set(part.normOf, (totals.get(part.normOf) ?? 0) + sum);
  return tensors.map(({ part: { normOf: key, clipnorm: limit } }) => {
    const norm = normOf(totals.get(key) ?? 0);
    return limit > 0 && norm >= limit ? { limit, norm } : undefined;
  });
}
