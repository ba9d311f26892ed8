// The segments that one writer makes, one after the other: stamps batches, begins a new segment where one is full.
import { GradwireError } from '../../../src/errors.ts';
import { stampGradients } from '../../../src/frames/record.ts';
import type { About } from './about.ts';
import { type SegmentOptions, SegmentWriter } from './writer.ts';

/** A gradients frame with the version that it makes. */
export interface Versioned {
  readonly frame: Uint8Array;
  readonly version: number;
  /** xxHash64 of the frame as it arrived. */
  readonly payload: string;
  readonly header?: { readonly time: number | undefined };
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

/** Segments being written. Calls are queued; after a failure every further one fails. */
export class SegmentSeries {
  readonly #options: SeriesOptions;
  #segment: SegmentWriter | undefined;
  #bytesBefore = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(options: SeriesOptions) {
    this.#options = options;
  }

  /** The segment being written, if there is one. */
  get path(): string | undefined {
    return this.#segment?.path;
  }

  /** Bytes in all segments of the series. */
  get bytes(): number {
    return this.#bytesBefore + (this.#segment?.bytes ?? 0);
  }

  /** Whether {@link close} has been called. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Begins the first segment; nothing where it has begun. Throws `E_DISK`. */
  begin(firstVersion: number): Promise<void> {
    return this.#enqueue(async () => {
      this.#segment ??= await this.#create(firstVersion);
    });
  }

  /** Writes batches as one group. Throws `E_DISK`, or `E_RECORDING` where a version does not follow the one before; then nothing is written. */
  append(batches: readonly Versioned[]): Promise<void> {
    return this.#enqueue(async () => {
      const { about, segmentBytes } = this.#options;
      let segment = (this.#segment ??= await this.#create(batches[0].version));
      const durableUpTo = segment.lastVersion;
      const records = batches.map(({ frame, version, payload, header }, i) => {
        demandNext(version, durableUpTo + 1 + i);
        const bytes = stampGradients(frame, { run: about.run, epoch: about.epoch, version, durableUpTo, payload });
        return { version, bytes, time: header?.time };
      });
      if (segment.bytes >= segmentBytes && segment.lastVersion >= segment.firstVersion) segment = await this.#rotate(segment);
      await segment.append(records);
    });
  }

  /** Closes the segment after all that was called before. */
  close(): Promise<void> {
    this.#closing ??= this.#queue.then(() => this.#segment?.close());
    return this.#closing;
  }

  async #rotate(full: SegmentWriter): Promise<SegmentWriter> {
    await full.close();
    const next = await this.#create(full.lastVersion + 1);
    this.#bytesBefore += full.bytes;
    this.#segment = next;
    return next;
  }

  #create(firstVersion: number): Promise<SegmentWriter> {
    const { about, initial, pathOf } = this.#options;
    const attached = firstVersion === 1 ? initial() : undefined;
    return SegmentWriter.create(pathOf(firstVersion), { ...about, firstVersion }, attached, this.#options);
  }

  /** Runs a task when those before it are done; none once one has failed or the series is closing. */
  #enqueue(task: () => Promise<void>): Promise<void> {
    if (this.closing) return Promise.reject(new GradwireError('E_CLOSED', 'the recording is closed; nothing was written'));
    const result = this.#queue.then(() => (this.#failure === undefined ? task() : Promise.reject(this.#failure)));
    this.#queue = result.catch((error: unknown) => {
      this.#failure = error;
    });
    return result;
  }
}

function demandNext(version: number, expected: number): void {
  if (version === expected) return;
  throw new GradwireError('E_RECORDING', `version ${version} does not follow ${expected - 1}; nothing of its group was written`);
}
