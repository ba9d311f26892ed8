// What recorders are fed from: the folded batches as journal records, in a backlog that is there only while somebody records.
import { stampGradients } from '../../../src/frames/record.ts';
import type { Admitted, Folded } from '../../operators/flow.ts';
import { Backlog } from './backlog.ts';
import type { FeedSource, WeightsAt } from './feed.ts';
import type { ServeLimits } from './serve-options.ts';
import { foldedVersion, type Served } from './served.ts';

type RecordsLimits = Pick<ServeLimits, 'backlogFrames' | 'backlogBytes' | 'recordsMs'>;

/** The records of one server. Without a recorder nothing is encoded and nothing kept. */
export class Records implements FeedSource {
  readonly #served: Served;
  readonly #limits: RecordsLimits;
  readonly #clock: () => number;
  #backlog: Backlog | undefined;
  #snapshot: WeightsAt | undefined;
  #recorders = 0;
  #leftMs = 0;

  constructor(served: Served, limits: RecordsLimits, clock: () => number) {
    this.#served = served;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A recorder has come; it calls what this gives when it goes. */
  enter(): () => void {
    this.#recorders += 1;
    return () => {
      this.#recorders -= 1;
      this.#leftMs = this.#clock();
    };
  }

  /** The records since somebody has been recording; an empty one where nobody has. */
  get backlog(): Backlog {
    const { backlogFrames: frames, backlogBytes: bytes } = this.#limits;
    return (this.#backlog ??= new Backlog(foldedVersion(this.#served), { frames, bytes }));
  }

  /** The snapshot frame of the newest version; the same bytes for all who ask. */
  weights(): WeightsAt {
    const { snapshotFrame } = this.#served;
    if (snapshotFrame === undefined) throw new Error('a recorder was let in though there are no snapshots');
    return (this.#snapshot ??= { version: foldedVersion(this.#served), frame: snapshotFrame.call(this.#served) });
  }

  nowMs(): number {
    return this.#clock();
  }

  /**
   * Queues the record of a batch that is durable and folded; gives its bytes, 0 where nobody records. A batch that was not
   * admitted has no record, and the next one that was sends every recorder a snapshot.
   */
  push({ version, batch }: Folded): number {
    if (this.#backlog === undefined) return 0;
    this.#snapshot = undefined;
    const { frame, payload, factor, parts } = (batch ?? {}) as Partial<Admitted>;
    if (frame === undefined || payload === undefined) return 0;
    const { run, epoch } = this.#served;
    const stamp = { run, epoch, version, durableUpTo: version - 1, payload, factor, parts };
    const { buffer, byteOffset, byteLength } = stampGradients(frame, stamp);
    this.#backlog.push({ from: version - 1, version, frame: Buffer.from(buffer, byteOffset, byteLength) });
    return byteLength;
  }

  /** Lets go of everything once the last recorder has been gone for so long that it will not come back. */
  sweep(nowMs: number): void {
    if (this.#recorders > 0 || nowMs - this.#leftMs < this.#limits.recordsMs) return;
    this.#backlog = undefined;
    this.#snapshot = undefined;
  }
}
