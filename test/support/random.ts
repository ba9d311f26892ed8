// Seeded chance: the seed is printed, so that a failure can be run again.

/** The seed of this run: GRADWIRE_SEED, or a random one. A browser has no process. */
export const seed: number = Number(globalThis.process?.env.GRADWIRE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A source of numbers from 0 to below 1 (mulberry32). */
export function chance(from: number = seed): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
