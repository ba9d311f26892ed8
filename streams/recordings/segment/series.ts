// The segments that one writer makes, one after the other: stamps batches, begins a new segment where one is full.
import { GradwireError } from '../../../src/errors.ts';
import type { Folding } from '../../../src/frames/fold.ts';
import { stampCheckedGradients, stampGradients } from '../../../src/frames/record.ts';
import type { About } from './about.ts';
import { type PreparedRecord, prepareRecord } from './prepared.ts';
import { type SegmentOptions, SegmentWriter } from './writer.ts';

/** A gradients frame with the version that it makes. */
export interface Versioned extends Folding {
  readonly frame: Uint8Array;
  readonly version: number;
  /** xxHash64 of the frame as it arrived. */
  readonly payload: string;
  readonly header?: { readonly time: number | undefined };
  /** There where the frame has been read and checked, as by an admission. */
  readonly checked?: unknown;
}

/** What all segments of a series have in common. */
interface SeriesOptions extends SegmentOptions {
  readonly about: Omit<About, 'firstVersion'>;
  /** The weights frame of version 0. */
  readonly initial: () => Uint8Array;
  /** Where the segment goes that begins with this version. */
  readonly pathOf: (firstVersion: number) => string;
  /** A segment that has as many bytes is closed and the next begun. */
  readonly segmentBytes: number;
}

/** Segments being written. Calls are queued; after `E_DISK` the next may go well, after any other failure every further one fails. */
export class SegmentSeries {
  readonly #options: SeriesOptions;
  #segment: SegmentWriter | undefined;
  #path: string | undefined;
  #last: number | undefined;
  #bytesBefore = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #unfinished = 0;
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(options: SeriesOptions) {
    this.#options = options;
  }

  /** The segment being written, or the last one; undefined where none has begun. */
  get path(): string | undefined {
    return this.#path;
  }

  /** Bytes in all segments of the series. */
  get bytes(): number {
    return this.#bytesBefore + (this.#segment?.bytes ?? 0);
  }

  /** Whether {@link close} has been called. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Begins the first segment; nothing where it has begun. Throws `E_DISK`, `E_DISK_FAILED`. */
  begin(firstVersion: number): Promise<void> {
    return this.#enqueue(async () => {
      this.#segment ??= await this.#create(firstVersion);
    });
  }

  /** Makes a batch's record: its bytes and their CRC, which take time, while the group before it is being written. */
  prepare({ frame, version, payload, factor, parts: round, header, checked }: Versioned): PreparedRecord {
    const { run, epoch } = this.#options.about;
    // what is durable now, not what will be when it is written: a promise that is kept all the same
    const durableUpTo = this.#last ?? version - 1;
    const stamp = { run, epoch, version, durableUpTo, payload, factor, parts: round };
    const parts = checked === undefined ? [stampGradients(frame, stamp)] : stampCheckedGradients(frame, stamp);
    return prepareRecord({ version, time: header?.time, parts });
  }

  /**
   * Writes records as one group. Throws `E_DISK`, after which the same versions may come again, `E_DISK_FAILED`, or
   * `E_RECORDING` where a version does not follow the one before; in each case nothing is written.
   */
  append(records: readonly PreparedRecord[]): Promise<void> {
    return this.#enqueue(async () => {
      const [first] = records;
      const last = this.#last ?? first.version - 1;
      for (const [i, { version }] of records.entries()) demandNext(version, last + 1 + i);
      let segment = (this.#segment ??= await this.#create(first.version));
      const isFull = segment.bytes >= this.#options.segmentBytes && segment.lastVersion >= segment.firstVersion;
      if (isFull) segment = await this.#rotate(segment);
      await segment.append(records);
      this.#last = segment.lastVersion;
    });
  }

  /** Resolves when all that was written before is on disk, whatever the durability. Throws `E_DISK_FAILED`. */
  sync(): Promise<void> {
    return this.#enqueue(async () => await this.#segment?.sync());
  }

  /** Finds out whether the disk takes so many bytes again. Throws `E_DISK`, `E_DISK_FAILED`. */
  probe(byteLength: number): Promise<void> {
    return this.#enqueue(async () => await this.#segment?.probe(byteLength));
  }

  /** Closes the segment after all that was called before. */
  close(): Promise<void> {
    this.#closing ??= this.#queue.then(() => this.#segment?.close());
    return this.#closing;
  }

  async #rotate(full: SegmentWriter): Promise<SegmentWriter> {
    // the next is there before the end of this one says so
    const next = await this.#create(full.lastVersion + 1);
    // whatever becomes of the end of this one, the next is closed with the series
    this.#segment = next;
    const { bytes } = full;
    this.#bytesBefore += bytes;
    await full.close({ continues: true }).catch(unlessFull);
    this.#bytesBefore += full.bytes - bytes;
    return next;
  }

  async #create(firstVersion: number): Promise<SegmentWriter> {
    const { about, initial, pathOf } = this.#options;
    const attached = firstVersion === 1 ? initial() : undefined;
    const segment = await SegmentWriter.create(pathOf(firstVersion), { ...about, firstVersion }, attached, this.#options);
    this.#path = segment.path;
    this.#last ??= firstVersion - 1;
    return segment;
  }

  /** Runs a task when those before it are done; none once one has failed for good or the series is closing. */
  #enqueue(task: () => Promise<void>): Promise<void> {
    if (this.closing) return Promise.reject(new GradwireError('E_CLOSED', 'the recording is closed; nothing was written'));
    const run = async (): Promise<void> => {
      try {
        if (this.#failure !== undefined) throw this.#failure;
        await task();
      } catch (error) {
        if (!isFull(error)) this.#failure = error;
        throw error;
      } finally {
        this.#unfinished -= 1;
      }
    };
    this.#unfinished += 1;
    // where nothing is before it, the disk is asked in this very turn: what the caller does next goes on beside it
    const result = this.#unfinished === 1 ? run() : this.#queue.then(run);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof GradwireError && error.code === 'E_DISK';
}

// a segment without its summary is as one after a crash: readable, and nothing of it is missing
function unlessFull(error: unknown): void {
  if (!isFull(error)) throw error;
}

function demandNext(version: number, expected: number): void {
  if (version === expected) return;
  throw new GradwireError('E_RECORDING', `version ${version} does not follow ${expected - 1}; nothing of its group was written`);
}
