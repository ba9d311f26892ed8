// Differing values of two runs, counted: the first, how many, and by how much.
import { bitsOf } from '../../../../src/floats.ts';
import type { Difference, DifferenceKind } from './finding.ts';

/** Counts what differs at one version. */
export class Tally {
  #first: Pick<Difference, 'tensor' | 'index' | 'a' | 'b' | 'ulps'> | undefined;
  #differing = 0;
  #max: number | null = null;

  /** Whether nothing differs. */
  get isEmpty(): boolean {
    return this.#differing === 0;
  }

  /** Notes two values of a tensor that differ as bits. */
  add(tensor: string, index: number, { a, b, ulps }: { a: number; b: number; ulps: number | null }): void {
    this.#first ??= { tensor, index, a, b, ulps };
    this.#differing += 1;
    const difference = Math.abs(a - b);
    if (!Number.isNaN(difference)) this.#max = Math.max(this.#max ?? 0, difference);
  }

  /** Notes a tensor that only one of them holds. */
  missing(tensor: string, { a, b }: { readonly a: number | null; readonly b: number | null }, length: number): void {
    this.#first ??= { tensor, index: 0, a, b, ulps: null };
    this.#differing += length;
  }

  /** Compares two float32 tensors of the same length as bits. */
  compare(tensor: string, a: Float32Array, b: Float32Array, from: number = 0): void {
    const before = bitsOf(a);
    const after = bitsOf(b);
    for (let i = 0; i < before.length; i++) {
      if (before[i] !== after[i]) this.add(tensor, from + i, { a: a[i], b: b[i], ulps: ulpsBetween(a[i], b[i]) });
    }
  }

  /** The finding, or null where nothing differs. */
  difference(what: DifferenceKind, version: number | null): Difference | null {
    if (this.#first === undefined) return null;
    return { what, version, ...this.#first, differing: this.#differing, maxDifference: this.#max };
  }
}

/** How many steps from one float32 to the next lie between two; null where one is not a number. */
export function ulpsBetween(a: number, b: number): number | null {
  if (Number.isNaN(a) || Number.isNaN(b)) return null;
  const [x, y] = bitsOf(Float32Array.of(a, b));
  return Math.abs(ordered(x) - ordered(y));
}

// the magnitudes of floats are in the order of their bits; -0 and 0 are one place
function ordered(bits: number): number {
  return bits < 0 ? -(bits & 0x7fff_ffff) : bits;
}
