// Token buckets: how many batches each producer may push, and how long it has to wait for the next.
import { mostProducers } from '../../../src/producers.ts';
import type { RateLimit } from './policies.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

/** One bucket for each producer; the one that has been silent longest is forgotten where there are too many. */
export class Buckets {
  readonly #limit: Required<RateLimit>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: Required<RateLimit>) {
    this.#limit = limit;
  }

  /** Takes a token; 0, or the milliseconds after which there is one, where none was taken. */
  take(producer: string, nowMs: number): number {
    const { perSecond, burst } = this.#limit;
    const { tokens: before, atMs } = this.#buckets.get(producer) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, before + (Math.max(0, nowMs - atMs) * perSecond) / 1000);
    const taken = tokens >= 1;
    this.#buckets.delete(producer);
    this.#buckets.set(producer, { tokens: taken ? tokens - 1 : tokens, atMs: nowMs });
    const [silent] = this.#buckets.size > mostProducers ? this.#buckets.keys() : [];
    if (silent !== undefined) this.#buckets.delete(silent);
    return taken ? 0 : Math.max(1, Math.ceil(((1 - tokens) / perSecond) * 1000));
  }
}
