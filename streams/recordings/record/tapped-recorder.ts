// What a tapped recording is made of: the trainer's own records, in a segment for each epoch, after the state they began with.
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GradwireError } from '../../../src/errors.ts';
import type { Snapshot } from '../../../src/frames/snapshot.ts';
import { encodeWeights } from '../../../src/frames/weights.ts';
import type { Tapped, TappedBatch, TapStart } from '../../operators/tapped.ts';
import { type CreateFile, existsError, fileError, makeDirectory, syncDirectory } from '../disk.ts';
import { parseSegmentName, segmentName } from '../history/names.ts';
import type { About } from '../segment/about.ts';
import type { Durability } from '../segment/appended.ts';
import { prepareRecord } from '../segment/prepared.ts';
import { SegmentWriter } from '../segment/writer.ts';

/** How a tapped recording is written, and who hears about it. */
export interface TappedRecordOptions {
  /** What a batch that has passed survives: `fsync` power loss, `os` (default) the process, `none` nothing. */
  readonly durability?: Durability;
  /** Milliseconds since 1970, for labels; `Date.now` unless told. */
  readonly clock?: () => number;
  /** Makes a file; that of node:fs unless told. */
  readonly create?: CreateFile;
  /** Told after each write where the recording stands. */
  readonly onWritten?: (progress: TappedProgress) => void;
  /** Told when 64 MiB wait to be written, and when half of that does again: the source should wait meanwhile. */
  readonly onFull?: (full: boolean) => void;
}

/** Where a tapped recording stands. */
export interface TappedProgress {
  /** The file being written. */
  readonly path: string;
  readonly epoch: number;
  /** The last version written; that of the start before the first batch. */
  readonly version: number;
  /** Bytes in all files so far. */
  readonly bytes: number;
}

// a directory's segment that has as many bytes is closed and the next begun
const segmentBytes = 256 << 20;

/** One tapped recording being made. `append` is called one group at a time. */
export class TappedRecorder {
  readonly #path: string;
  readonly #options: TappedRecordOptions & { readonly durability: Durability; readonly clock: () => number };
  #about: Omit<About, 'firstVersion'> | undefined;
  // until the first batch after it is in a segment, since an empty segment may be followed by another
  #start: TapStart | undefined;
  #segment: SegmentWriter | undefined;
  #version = 0;
  #files = 0;
  #bytesBefore = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(path: string, options: TappedRecordOptions) {
    this.#path = path;
    this.#options = { ...options, durability: options.durability ?? 'os', clock: options.clock ?? Date.now };
  }

  /** Whether it has been closed, or is about to be. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Writes a group. Throws `E_FILE`, `E_DISK`, or `E_RECORDING` where a version does not follow. */
  append(group: readonly Tapped[]): Promise<void> {
    const result = this.#queue.then(() => this.#append(group));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Closes the file being written after all that was called before. */
  close(): Promise<void> {
    this.#closing ??= this.#queue.then(() => this.#end());
    return this.#closing;
  }

  async #append(group: readonly Tapped[]): Promise<void> {
    let batches: TappedBatch[] = [];
    for (const value of group) {
      if (value.kind === 'batch' && (batches[0]?.epoch ?? value.epoch) === value.epoch) {
        batches.push(value);
        continue;
      }
      await this.#write(batches);
      batches = value.kind === 'batch' ? [value] : [];
      if (value.kind === 'start') await this.#begin(value);
    }
    await this.#write(batches);
  }

  async #begin(start: TapStart): Promise<void> {
    const { run, epoch, version, model: name, parameters, optimizer } = start.snapshot;
    if (this.#files === 0) await this.#prepare();
    await this.#end();
    this.#about = { run, epoch, epochs: [[epoch, version + 1]], name, model: parameters.layout, optimizer };
    this.#start = start;
    this.#version = version;
    this.#segment = await this.#create(this.#about);
    this.#tell();
  }

  async #write(batches: readonly TappedBatch[]): Promise<void> {
    if (batches.length === 0) return;
    const records = batches.map(({ version, frame, header, run }, i) => {
      this.#demandNext(version, run, i);
      return prepareRecord({ version, parts: [frame], time: header.time });
    });
    const segment = await this.#segmentFor(batches[0].epoch);
    await segment.append(records);
    this.#version += batches.length;
    this.#start = undefined;
    this.#tell();
  }

  /** The segment being written, or the next where the epoch is another or the segment is full. */
  async #segmentFor(epoch: number): Promise<SegmentWriter> {
    const about = this.#about as Omit<About, 'firstVersion'>;
    const full = !this.#isFile && (this.#segment?.bytes ?? 0) >= segmentBytes && this.#start === undefined;
    if (this.#segment !== undefined && about.epoch === epoch && !full) return this.#segment;
    await this.#end();
    const epochs = about.epoch === epoch ? about.epochs : [...about.epochs, [epoch, this.#version + 1] as const];
    this.#about = { ...about, epoch, epochs };
    this.#segment = await this.#create(this.#about);
    return this.#segment;
  }

  async #create(about: Omit<About, 'firstVersion'>): Promise<SegmentWriter> {
    const firstVersion = this.#version + 1;
    const attached = this.#start && attachmentOf(this.#start);
    this.#files += 1;
    const path = this.#pathOf(about.epoch, firstVersion);
    return await SegmentWriter.create(path, { ...about, firstVersion }, attached, this.#options);
  }

  async #end(): Promise<void> {
    const segment = this.#segment;
    this.#segment = undefined;
    await segment?.close();
    this.#bytesBefore += segment?.bytes ?? 0;
  }

  get #isFile(): boolean {
    return this.#path.endsWith('.mcap');
  }

  #pathOf(epoch: number, firstVersion: number): string {
    if (!this.#isFile) return join(this.#path, segmentName({ epoch, firstVersion }));
    return this.#files === 1 ? this.#path : this.#path.replace(/\.mcap$/, `-${this.#files}.mcap`);
  }

  async #prepare(): Promise<void> {
    if (this.#isFile) return;
    const created = await makeDirectory(this.#path);
    if (created !== undefined && this.#options.durability === 'fsync') await syncDirectory(dirname(created));
    await refuseRecording(this.#path);
  }

  #demandNext(version: number, run: string, i: number): void {
    const expected = this.#version + 1 + i;
    if (version === expected && run === this.#about?.run) return;
    const text =
      this.#about === undefined ? 'a batch came before a start' : `version ${version} of the run ${run} does not follow`;
    throw new GradwireError('E_RECORDING', `${text}; nothing of its group was written`);
  }

  #tell(): void {
    const { path = '', bytes = 0 } = this.#segment ?? {};
    const epoch = this.#about?.epoch ?? 0;
    this.#options.onWritten?.({ path, epoch, version: this.#version, bytes: this.#bytesBefore + bytes });
  }
}

/** Throws `E_FILE` where a directory holds a segment. */
async function refuseRecording(directory: string): Promise<void> {
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  const segment = names.find((name) => parseSegmentName(name) !== undefined);
  if (segment !== undefined) throw existsError(join(basename(directory), segment));
}

/** A segment that begins with version 1 has the initial weights, any other the whole state. */
function attachmentOf({ snapshot, frame }: TapStart): Uint8Array {
  return snapshot.version === 0 ? encodeWeights(initialOf(snapshot), snapshot.parameters) : frame;
}

function initialOf({ model, run }: Snapshot): Parameters<typeof encodeWeights>[0] {
  return { model, run, epoch: 1, version: 0 };
}
