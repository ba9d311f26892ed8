// Seeded chance: the seed is printed, so that a failure can be run again.

/** The seed of this run: GRADWIRE_SEED, or a random one. A browser has no process. */
export const seed: number = Number(globalThis.process?.env.GRADWIRE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A source of numbers from 0 to below 1. */
export type Random = () => number;

/** A source of numbers from 0 to below 1 (mulberry32). */
export function chance(from: number = seed): Random {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer from `least` to `most`. */
export function whole(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of the values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[whole(random, 0, values.length - 1)];
}

/** A number from `least` to `most`, every magnitude as likely as another. */
export function between(random: Random, least: number, most: number): number {
  return least * (most / least) ** random();
}
