// Who sent what: for each producer a window of its last sequence numbers, so that a resend is recognized and applied once.
import { GradwireError, quote } from './errors.ts';
import { finish, type Work } from './work.ts';

/** The identity of a batch. */
export interface BatchIdentity {
  readonly producer: string;
  readonly producerEpoch: number;
  readonly sequence: number;
}

/** One batch of a round, as the record of the round's mean names it. */
export interface RoundPart extends BatchIdentity {
  /** xxHash64 of its frame as it arrived. */
  readonly payload: string;
}

/** A batch that was folded: of one producer, or the mean of a round of several. */
export interface FoldedBatch {
  readonly header: BatchIdentity;
  readonly payload: string;
  /** The batches of the round; undefined for a batch of one producer. */
  readonly parts?: readonly RoundPart[];
}

/** Sequence numbers remembered for each producer. */
export const windowLength = 1024;

/** Producers remembered; beyond it the one that has been silent longest is forgotten. */
export const mostProducers = 10_000;

interface Taken {
  readonly payload: string;
  readonly version: number;
}

interface Producer {
  epoch: number;
  highest: number;
  readonly taken: Map<number, Taken>;
  /** Whether a copy stands on it too: then it is copied before it is changed. */
  shared: boolean;
}

// entries of windows made at once: half a millisecond
const sliceEntries = 2048;

/** Producers as JSON: name, epoch, highest sequence, entries in the window. */
export type ProducerList = readonly (readonly [producer: string, producerEpoch: number, highest: number, entries: number])[];

/** Windows for a snapshot: the list as JSON, the entries as triples of sequence, payload hash and version. */
export interface ProducerWindows {
  readonly list: ProducerList;
  readonly windows: BigUint64Array;
}

/** The dedupe windows of one model. Changed by admitted batches alone, in the order of their versions; so the journal rebuilds them. */
export class Producers {
  // least recently active first
  readonly #producers = new Map<string, Producer>();

  get size(): number {
    return this.#producers.size;
  }

  /**
   * The version that the batch already became, or undefined for a new one.
   *
   * @throws GradwireError `E_PRODUCER_FENCED`, `E_SEQUENCE_REUSED` or `E_SEQUENCE_TOO_OLD`.
   */
  find({ producer, producerEpoch, sequence }: BatchIdentity, payload: string): number | undefined {
    const known = this.#producers.get(producer);
    if (known === undefined || producerEpoch > known.epoch) return undefined;
    if (producerEpoch < known.epoch) {
      const text = `${quote(producer)} has a newer epoch ${known.epoch}, this batch has ${producerEpoch}; another process took its name`;
      throw new GradwireError('E_PRODUCER_FENCED', text);
    }
    const taken = known.taken.get(sequence);
    if (taken?.payload === payload) return taken.version;
    if (taken !== undefined) {
      const text = `sequence ${sequence} of ${quote(producer)} was already used for other bytes (version ${taken.version}); open a new producerEpoch`;
      throw new GradwireError('E_SEQUENCE_REUSED', text);
    }
    if (sequence + windowLength <= known.highest) {
      const text = `sequence ${sequence} of ${quote(producer)} is more than ${windowLength} behind ${known.highest}; open a new producerEpoch`;
      throw new GradwireError('E_SEQUENCE_TOO_OLD', text);
    }
    return undefined;
  }

  /** Notes that a new batch became `version`. */
  note({ producer, producerEpoch, sequence }: BatchIdentity, payload: string, version: number): void {
    let known = this.#producers.get(producer);
    if (known === undefined || producerEpoch > known.epoch)
      known = { epoch: producerEpoch, highest: sequence, taken: new Map(), shared: false };
    else if (known.shared) known = { ...known, taken: new Map(known.taken), shared: false };
    this.#producers.delete(producer);
    this.#producers.set(producer, known);
    known.taken.set(sequence, { payload, version });
    if (sequence > known.highest) {
      known.highest = sequence;
      this.#trim(known);
    }
    const [silent] = this.#producers.size > mostProducers ? this.#producers.keys() : [];
    if (silent !== undefined) this.#producers.delete(silent);
  }

  /** A batch that is noted becomes another version than was said; nothing where a newer epoch of its producer is known. */
  move({ producer, producerEpoch, sequence }: BatchIdentity, version: number): void {
    const known = this.#producers.get(producer);
    const taken = known?.epoch === producerEpoch ? known.taken.get(sequence) : undefined;
    if (taken !== undefined) this.note({ producer, producerEpoch, sequence }, taken.payload, version);
  }

  /** Notes what was folded as `version`: a batch, or every batch of a round. */
  noteFolded({ header, payload, parts }: FoldedBatch, version: number): void {
    if (parts === undefined) this.note(header, payload, version);
    else for (const part of parts) this.note(part, part.payload, version);
  }

  /** The producer's epoch and highest sequence number, or undefined. */
  position(producer: string): { readonly producerEpoch: number; readonly sequence: number } | undefined {
    const known = this.#producers.get(producer);
    return known && { producerEpoch: known.epoch, sequence: known.highest };
  }

  /**
   * A copy that stays as it is, whatever is noted here, and can go its own way. It takes no time for the windows: one that
   * both have is copied when either of them notes its producer's next batch.
   */
  copy(): Producers {
    const copy = new Producers();
    for (const [name, known] of this.#producers) {
      known.shared = true;
      copy.#producers.set(name, known);
    }
    return copy;
  }

  /** Everything, for a snapshot. */
  toList(): ProducerWindows {
    return finish(this.toListInSlices());
  }

  /** {@link toList} as work in slices; nothing may be noted until it is done. */
  *toListInSlices(): Work<ProducerWindows> {
    const list = [...this.#producers].map(([name, { epoch, highest, taken }]) => [name, epoch, highest, taken.size] as const);
    const windows = new BigUint64Array(list.reduce((sum, [, , , entries]) => sum + entries * 3, 0));
    let at = 0;
    for (const { taken } of this.#producers.values()) {
      for (const [sequence, { payload, version }] of taken) {
        windows[at] = BigInt(sequence);
        windows[at + 1] = BigInt(`0x${payload}`);
        windows[at + 2] = BigInt(version);
        at += 3;
        if (at % (3 * sliceEntries) === 0) yield;
      }
    }
    return { list, windows };
  }

  /** What {@link toList} gave. Throws `E_FRAME` where the parts do not fit together. */
  static fromList({ list, windows }: ProducerWindows): Producers {
    const producers = new Producers();
    let at = 0;
    for (const [name, epoch, highest, entries] of list) {
      const taken = new Map<number, Taken>();
      for (let i = 0; i < entries; i++, at += 3) {
        if (at + 3 > windows.length)
          throw new GradwireError('E_FRAME', 'the snapshot has fewer window entries than its producers say');
        taken.set(Number(windows[at]), {
          payload: windows[at + 1].toString(16).padStart(16, '0'),
          version: Number(windows[at + 2]),
        });
      }
      producers.#producers.set(name, { epoch, highest, taken, shared: false });
    }
    return producers;
  }

  // in the window's order of arrival the oldest come first, so what has fallen out stands near the front
  #trim({ highest, taken }: Producer): void {
    if (taken.size <= windowLength) return;
    for (const sequence of taken.keys()) {
      if (sequence + windowLength <= highest) taken.delete(sequence);
      else if (taken.size <= windowLength) return;
    }
  }
}
