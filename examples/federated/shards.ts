// Who has which digits: the data in shards, one for each worker, and the batch that a worker takes from its own in a round.
import { orderOf } from '../mnist/digits.ts';
import { type Digits, pixelCount } from '../mnist/network.ts';

/** How the digits are shared out. */
export interface Sharing {
  /** Shards. */
  readonly workers: number;
  /** Which share of each shard, from 0 to 1, follows the labels: those digits are sorted by what they show before they are dealt. */
  readonly skew: number;
  readonly seed: number;
}

/**
 * The positions of the digits in each shard. No digit is in two, each is in one, and no shard has more than one digit more than
 * another. Without skew each is a fair draw; with a skew of 1 a shard has one label or two, by their order.
 */
export function shardsOf(labels: Uint8Array, { workers, skew, seed }: Sharing): Uint32Array[] {
  const drawn = orderOf({ count: labels.length, seed, pass: 0 });
  const shards = Array.from({ length: workers }, (_, i) => new Uint32Array(share(labels.length, i, workers).length));
  const sortedIn = shards.map(({ length }) => Math.round(length * skew));
  const sortedCount = sortedIn.reduce((sum, each) => sum + each, 0);
  drawn.subarray(0, sortedCount).sort((a, b) => labels[a] - labels[b] || a - b);
  let [sorted, mixed] = [0, sortedCount];
  for (const [i, shard] of shards.entries()) {
    shard.set(drawn.subarray(sorted, (sorted += sortedIn[i])));
    shard.set(drawn.subarray(mixed, (mixed += shard.length - sortedIn[i])), sortedIn[i]);
  }
  return shards;
}

/** The i-th of `parts` even parts of so many. */
function share(count: number, i: number, parts: number): { length: number; bounds: [number, number] } {
  const bounds: [number, number] = [Math.floor((i * count) / parts), Math.floor(((i + 1) * count) / parts)];
  return { length: bounds[1] - bounds[0], bounds };
}

/** The digits at these positions alone, copied. */
export function only({ pixels, labels }: Digits, positions: Uint32Array): Digits {
  const own = {
    count: positions.length,
    pixels: new Uint8Array(positions.length * pixelCount),
    labels: new Uint8Array(positions.length),
  };
  for (const [i, at] of positions.entries()) {
    own.pixels.set(pixels.subarray(at * pixelCount, (at + 1) * pixelCount), i * pixelCount);
    own.labels[i] = labels[at];
  }
  return own;
}

/** Rounds after which all workers have gone through their shards, in batches of so many digits at most. */
export function roundsOfPass({ digits, workers, batch }: { digits: number; workers: number; batch: number }): number {
  // never more than the smallest shard has digits
  return Math.min(Math.ceil(digits / (workers * batch)), Math.floor(digits / workers));
}

/**
 * The places in its shard of the batch that a worker computes on the weights of `version`. It follows from the version alone: a
 * worker that was away goes on with the others, and a run that is started again with itself.
 */
export class Batches {
  readonly #count: number;
  readonly #rounds: number;
  readonly #seed: number;
  #pass: number | undefined;
  #order: Uint32Array = new Uint32Array(0);

  /** Of a shard of `count` digits, in so many rounds a pass; `seed` says in which order. */
  constructor({ count, rounds, seed }: { count: number; rounds: number; seed: number }) {
    this.#count = count;
    this.#rounds = rounds;
    this.#seed = seed;
  }

  at(version: number): Uint32Array {
    const pass = Math.floor(version / this.#rounds);
    if (pass !== this.#pass) this.#order = orderOf({ count: this.#count, seed: this.#seed, pass });
    this.#pass = pass;
    return this.#order.subarray(...share(this.#count, version % this.#rounds, this.#rounds).bounds);
  }
}
