// norms: how the gradients of each producer, and the loss, went over time; gathered in one pass, in buckets.
import { lastValueFrom, tap } from 'rxjs';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import type { RecordedBatch } from '../history/batches.ts';
import type { ReadProgress } from '../history/chunks.ts';
import { replay } from '../history/replay.ts';

/** How fine, and who hears about it. */
export interface NormsOptions {
  /** At most so many buckets; 64 unless told. */
  readonly buckets?: number;
  readonly progress?: (progress: ReadProgress) => void;
}

/** One producer's gradient norms over time. */
export interface ProducerNorms {
  readonly producer: string;
  readonly producerEpoch: number;
  /** The mean norm of its batches in each bucket; null where it has none there. */
  readonly norms: readonly (number | null)[];
}

/** Norms and losses over versions: plain data. Every array has as many entries as there are buckets in use. */
export interface Norms {
  /** The version that the first bucket begins with. */
  readonly firstVersion: number;
  readonly versionsPerBucket: number;
  /** The first 1,000; those that come later are left out. */
  readonly producers: readonly ProducerNorms[];
  /** The mean loss of the batches that say one; null where none does. */
  readonly losses: readonly (number | null)[];
}

// a producer takes some hundred bytes, and a recording may have any number of them
const mostProducers = 1_000;

/**
 * The norms of a recording's gradients over its versions, by producer, and its losses.
 *
 * @throws GradwireError `E_CONFIG`, and the codes of {@link replay}.
 */
export async function norms(path: string, options: NormsOptions = {}): Promise<Norms> {
  refuseUnknownOptions('norms', options, ['buckets', 'progress']);
  const { progress } = options;
  const gathering = new NormsGathering(options);
  await lastValueFrom(replay(path, { progress, lent: true }).pipe(tap((batch) => gathering.add(batch))), {
    defaultValue: undefined,
  });
  return gathering.result();
}

/** Norms and losses while a recording is read. */
export class NormsGathering {
  readonly #buckets: number;
  readonly #producers: Map<string, { readonly producer: string; readonly producerEpoch: number; readonly means: Means }> =
    new Map();
  readonly #losses: Means;
  #firstVersion: number | undefined;
  #lastBucket = -1;
  #versionsPerBucket = 1;

  /** @throws GradwireError `E_CONFIG`. */
  constructor({ buckets = 64 }: Pick<NormsOptions, 'buckets'> = {}) {
    if (!Number.isSafeInteger(buckets) || buckets < 2 || buckets > 10_000)
      throw new GradwireError('E_CONFIG', `buckets must be an integer from 2 to 10000; got ${String(buckets)}`);
    this.#buckets = buckets;
    this.#losses = new Means(buckets);
  }

  /** Adds the next batch. */
  add({ version, header: { producer, producerEpoch }, checked, loss }: RecordedBatch): void {
    this.#firstVersion ??= version;
    const bucket = this.#bucketOf(version - this.#firstVersion);
    const key = `${producer}\n${producerEpoch}`;
    let known = this.#producers.get(key);
    if (known === undefined && this.#producers.size < mostProducers) {
      known = { producer, producerEpoch, means: new Means(this.#buckets) };
      this.#producers.set(key, known);
    }
    known?.means.add(bucket, normOf(checked.tensors));
    if (loss !== undefined) this.#losses.add(bucket, loss);
  }

  /** What has been gathered. */
  result(): Norms {
    const length = this.#lastBucket + 1;
    return {
      firstVersion: this.#firstVersion ?? 1,
      versionsPerBucket: this.#versionsPerBucket,
      producers: [...this.#producers.values()].map(({ means, ...producer }) => ({ ...producer, norms: means.result(length) })),
      losses: this.#losses.result(length),
    };
  }

  /** The bucket of the version `i` after the first; buckets become twice as wide where there are too few. */
  #bucketOf(i: number): number {
    while (i >= this.#buckets * this.#versionsPerBucket) {
      this.#versionsPerBucket *= 2;
      for (const { means } of this.#producers.values()) means.halve();
      this.#losses.halve();
    }
    this.#lastBucket = Math.floor(i / this.#versionsPerBucket);
    return this.#lastBucket;
  }
}

/** Means by bucket. */
class Means {
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;

  constructor(length: number) {
    this.#sums = new Float64Array(length);
    this.#counts = new Float64Array(length);
  }

  add(bucket: number, value: number): void {
    this.#sums[bucket] += value;
    this.#counts[bucket] += 1;
  }

  /** Puts two buckets into each. */
  halve(): void {
    for (const values of [this.#sums, this.#counts]) {
      for (let i = 0; i < values.length; i++) {
        const j = 2 * i;
        values[i] = j < values.length ? values[j] + (values[j + 1] ?? 0) : 0;
      }
    }
  }

  result(length: number): (number | null)[] {
    return Array.from({ length }, (_, i) => (this.#counts[i] === 0 ? null : this.#sums[i] / this.#counts[i]));
  }
}

function normOf(tensors: RecordedBatch['checked']['tensors']): number {
  let squares = 0;
  for (const { values } of tensors) for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}
