// What a server shows of a trainer, and what it remembers of it so that a hundred joiners cost as much as one.
import type { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Epochs } from '../protocol/resume.ts';
import type { WeightsAt } from './feed.ts';

/** A trainer as its server sees it. Everything is read when it is needed; `weights` and `digest` once for each version. */
export interface Served {
  /** The model's name, as in `/models/<name>`. */
  readonly model: string;
  readonly layout: Layout;
  /** The model's history. */
  readonly run: string;
  /** The trainer's fencing number in it. */
  readonly epoch: number;
  /** Every epoch of the run, oldest first, with the first version made in it; the last is `epoch`. */
  readonly epochs: Epochs;
  /** The learning rate of the next step. */
  readonly learningRate: number;
  /** The published version. */
  version(): number;
  /** The xxHash64 of the published weights, as 16 hexadecimal digits. */
  digest(): string;
  /** A weights frame of the published version: owned, never written again. */
  weights(): Uint8Array;
  /**
   * A snapshot frame of the published version, for recorders: owned, never written again. A server of a trainer without it
   * refuses recorders; so that they get records, the batches of its publications are admitted ones.
   */
  snapshotFrame?(): Uint8Array;
  /** What is known of a producer, by its batches. */
  producer(name: string): { readonly producerEpoch: number; readonly sequence: number } | undefined;
  /** Why it takes no batches at the moment, as on a full disk; undefined where it takes them. */
  trouble(): GradwireError | undefined;
  /** What else the trainer shows under `GET /models/<name>`; plain data. */
  status(): object;
}

// digests are only ever taken at a few versions: where a client joins, or at a heartbeat
const digestsRemembered = 256;

/** The expensive answers of a {@link Served}, made once for each version. */
export class ServedCache {
  readonly #served: Served;
  readonly #digests = new Map<number, string>();
  #weights: WeightsAt | undefined;

  constructor(served: Served) {
    this.#served = served;
  }

  /** The newest version. */
  version(): number {
    return this.#served.version();
  }

  /** The weights frame of the newest version; the same bytes for all who ask. */
  weights(): WeightsAt {
    const version = this.#served.version();
    if (this.#weights?.version !== version) this.#weights = { version, frame: this.#served.weights() };
    return this.#weights;
  }

  /** The digest of the newest version. */
  digest(): string {
    const version = this.#served.version();
    const known = this.#digests.get(version);
    if (known !== undefined) return known;
    const digest = this.#served.digest();
    this.#digests.set(version, digest);
    const [oldest] = this.#digests.size > digestsRemembered ? this.#digests.keys() : [];
    if (oldest !== undefined) this.#digests.delete(oldest);
    return digest;
  }

  /** The digest at a version, where it is the newest or has been asked for when it was. */
  digestAt(version: number): string | undefined {
    return version === this.#served.version() ? this.digest() : this.#digests.get(version);
  }
}
