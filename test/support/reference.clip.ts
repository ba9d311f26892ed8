// The reference's float32, its norms in the fixed order of docs/SEMANTICS.md, and its clipping.
import { groupOf, origins, type ReferenceOptions } from './reference.options.ts';

// float32 arithmetic by storing into a one-element array: no use of Math.fround, which the library uses
const cell = new Float32Array(1);

/** A float64 rounded to float32. */
export function round(value: number): number {
  cell[0] = value;
  return cell[0];
}

/** The gradient of one tensor on its way through the step: all its values, or those of some rows, ascending. */
export interface Gradient {
  readonly name: string;
  readonly g: Float32Array;
}

const blockLength = 4096;

/** Σg² of one tensor, in float64: blocks of 4,096 values, eight lanes in each. */
export function sumOfSquares(g: Float32Array): number {
  let sum = 0;
  for (let start = 0; start < g.length; start += blockLength) {
    const lanes = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < blockLength && start + i < g.length; i++) lanes[i % 8] += g[start + i] * g[start + i];
    const [l0, l1, l2, l3, l4, l5, l6, l7] = lanes;
    sum += l0 + l4 + (l2 + l6) + (l1 + l5 + (l3 + l7));
  }
  return sum;
}

/** The norm over all these tensors, which stand in layout order. */
export function normOf(gradients: readonly Gradient[]): number {
  let sum = 0;
  for (const { g } of gradients) sum += sumOfSquares(g);
  return round(Math.sqrt(sum));
}

/** Clips in place: norms first, then values. Returns the smallest c / n that was applied, 1 where none was. */
export function clip(gradients: readonly Gradient[], options: ReferenceOptions): number {
  const factors = [1, clipNorms(gradients, options), clipGlobalNorm(gradients, options)];
  for (const { name, g } of gradients) clipValues(g, groupOf(name, options.groups).clipvalue ?? options.clipvalue ?? 0);
  return Math.min(...factors);
}

function clipNorms(gradients: readonly Gradient[], { preset = 'keras2', clipnorm = 0, groups = [] }: ReferenceOptions): number {
  const factors = [1];
  // each set of tensors has one norm: in keras2 those of a group with a limit of its own together, and the others together
  const sets = new Map<unknown, { limit: number; members: Gradient[] }>();
  for (const gradient of gradients) {
    const group = groupOf(gradient.name, groups);
    const key = origins[preset].clipnorm === 'tensor' ? gradient : group.clipnorm === undefined ? 'others' : group;
    const set = sets.get(key) ?? { limit: group.clipnorm ?? clipnorm, members: [] };
    set.members.push(gradient);
    sets.set(key, set);
  }
  for (const { limit, members } of sets.values()) {
    const norm = normOf(members);
    const reached = preset === 'keras2' ? norm >= round(limit) : norm > round(limit);
    if (limit > 0 && reached) factors.push(scale(members, round(limit), norm));
  }
  return Math.min(...factors);
}

function clipGlobalNorm(gradients: readonly Gradient[], { preset = 'keras2', globalClipnorm = 0 }: ReferenceOptions): number {
  if (globalClipnorm === 0) return 1;
  const { added } = origins[preset];
  const norm = round(normOf(gradients) + round(added));
  return norm > round(globalClipnorm) ? scale(gradients, round(globalClipnorm), norm) : 1;
}

function scale(gradients: readonly Gradient[], limit: number, norm: number): number {
  for (const { g } of gradients) for (let i = 0; i < g.length; i++) g[i] = round(round(g[i] * limit) / norm);
  return limit / norm;
}

function clipValues(g: Float32Array, clipvalue: number): void {
  const limit = round(clipvalue);
  if (clipvalue === 0) return;
  for (let i = 0; i < g.length; i++) g[i] = g[i] < -limit ? -limit : g[i] > limit ? limit : g[i];
}
