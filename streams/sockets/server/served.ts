// What a server shows of a trainer, and what it remembers of it so that a hundred joiners cost as much as one.
import type { EncodingName } from '../../../src/encodings/names.ts';
import type { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Epochs } from '../protocol/resume.ts';
import type { Hello } from '../protocol/words.ts';
import type { WeightsAt } from './feed.ts';
import type { WayUp } from './way-up.ts';

/** What an operator may do to a trainer from outside. */
export interface Control {
  /** Publishes nothing until it is released. Throws `E_CONFIG` for what is no reason. */
  hold(reason?: string): void;
  /** Publishes what was held back; resolves with the published version. */
  release(): Promise<number>;
  /** Brings back the state of a version as a new one. Throws the codes of the trainer's `rollback`. */
  rollback(version: number): Promise<{ readonly version: number; readonly to: number }>;
}

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
  /** The version folded, which recorders follow: above the published one while publication is held. The published one unless told. */
  folded?(): number;
  /** The xxHash64 of the published weights, as 16 hexadecimal digits. */
  digest(): string;
  /** A weights frame of the published version: owned, never written again. */
  weights(): Uint8Array;
  /**
   * A snapshot frame of the version that is folded, for recorders: owned, never written again. A server of a trainer without
   * it refuses recorders; so that they get records, the batches that it is told of are admitted ones.
   */
  snapshotFrame?(): Uint8Array;
  /** In which encoding updates go out; `f32` unless told. */
  encoding?(): EncodingName;
  /** What is known of a producer, by its batches. */
  producer(name: string): { readonly producerEpoch: number; readonly sequence: number } | undefined;
  /** Why it takes no batches at the moment, as on a full disk; undefined where it takes them. */
  trouble(): GradwireError | undefined;
  /** What an operator may do to the trainer from outside; nothing unless told. */
  readonly control?: Control;
  /** A relay alone has it: the names of the relays from the trainer down to itself. */
  readonly relays?: readonly string[];
  /**
   * A relay alone has it: asked before a client is welcomed. It gives a worker its way up, and rejects with `TurnedAway`
   * where a client must come back later.
   */
  enter?(hello: Hello): Promise<WayUp | undefined>;
  /** What else the trainer shows under `GET /models/<name>`; plain data. */
  status(): object;
}

/** The version that recorders stand at: the newest that is folded. */
export function foldedVersion(served: Served): number {
  return served.folded?.() ?? served.version();
}

// digests are only ever taken at a few versions: where a client joins, or at a heartbeat
const digestsRemembered = 256;

/** The expensive answers of a {@link Served}, made once for each version. */
export class ServedCache {
  readonly #served: Served;
  readonly #digests = new Map<number, string>();
  #weights: WeightsAt | undefined;
  // versions whose weights got other bits after they had been published
  readonly #revised = new Set<number>();
  readonly #start: { readonly version: number; readonly digest: string } | undefined;

  constructor(served: Served) {
    this.#served = served;
    // whoever comes from an earlier epoch is at this version, and must prove that its weights are these
    if (served.epochs.length > 1) this.#start = { version: served.version(), digest: served.digest() };
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

  /** Lets go of everything: the same version may now have another epoch, or other weights. */
  forget(): void {
    this.#digests.clear();
    this.#revised.clear();
    this.#weights = undefined;
  }

  /** The newest version's weights have got what an encoding had dropped before: other bits under the same version. */
  revise(): void {
    const version = this.#served.version();
    this.#weights = undefined;
    this.#digests.delete(version);
    this.#revised.add(version);
    const [oldest] = this.#revised.size > digestsRemembered ? this.#revised : [];
    if (oldest !== undefined) this.#revised.delete(oldest);
  }

  /** Names the bits of the newest weights, as HTTP's `ETag`. */
  tag(): string {
    const { run, epoch } = this.#served;
    const version = this.#served.version();
    return `"${run}-${epoch}-${version}${this.#revised.has(version) ? '-settled' : ''}"`;
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

  /**
   * The digest at a version, where it is the newest or has been asked for when it was; not of one that had two, whose holders
   * get what they may lack with a digest of its own.
   */
  digestAt(version: number): string | undefined {
    if (this.#revised.has(version)) return undefined;
    if (version === this.#start?.version) return this.#start.digest;
    return version === this.#served.version() ? this.digest() : this.#digests.get(version);
  }
}
