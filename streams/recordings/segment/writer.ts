// Writing one segment: a head, then one chunk for each group of records, then (if it is closed) a summary.
import { basename, dirname } from 'node:path';
import { McapRecordBuilder } from '@mcap/core';
import { GradwireError, quote } from '../../../src/errors.ts';
import { type CreateFile, createFile, diskError, syncDirectory, type WritableFile, writeFully } from '../disk.ts';
import type { About } from './about.ts';
import { chunkHead, type Message, messageRecords } from './around.ts';
import { byteLengthOf, encodeHead, type Head } from './head.ts';
import { type IndexedChunk, messageIndexRecord, writeChunkIndex } from './indexes.ts';
import { channelId } from './schema.ts';
import { encodeEnd, type Totals } from './summary.ts';

/**
 * When a batch counts as written. `fsync`: once fdatasync has returned, so that it survives a power cut. `os`: once the
 * operating system has it, so that it survives the process. `none`: at once; it is written after, and may be lost.
 */
export type Durability = 'fsync' | 'os' | 'none';

/** A journal record for a segment. */
interface SegmentRecord {
  readonly version: number;
  /** The stamped frame; borrowed until the write is done. */
  readonly bytes: Uint8Array;
  /** When the batch was made, in milliseconds since 1970, if it says. */
  readonly time: number | undefined;
}

/** How segments are written. */
export interface SegmentOptions {
  readonly durability: Durability;
  /** Milliseconds since 1970; the labels of the records, nothing else. */
  readonly clock: () => number;
  /** Makes the file; that of node:fs unless told. */
  readonly create?: CreateFile;
}

/** A segment being written. Its methods are called one at a time; after one has failed, nothing more is written. */
export class SegmentWriter {
  readonly path: string;
  readonly #file: WritableFile;
  readonly #about: About;
  readonly #head: Head;
  readonly #initialBytes: number;
  readonly #createTime: bigint;
  readonly #options: SegmentOptions;
  readonly #totals: Totals = { messages: 0, chunks: 0, startTime: 0n, endTime: 0n };
  // one record for each group, encoded at once: 83 bytes, where an object would take hundreds
  readonly #chunkIndexes = new McapRecordBuilder();
  #bytes = 0;
  #state: 'open' | 'failed' | 'closed' = 'open';

  private constructor(path: string, file: WritableFile, about: About, initial: Uint8Array | undefined, options: SegmentOptions) {
    this.path = path;
    this.#file = file;
    this.#about = about;
    this.#options = options;
    this.#createTime = nanoseconds(options.clock());
    this.#initialBytes = initial?.byteLength ?? 0;
    this.#head = encodeHead(about, initial, this.#createTime);
  }

  /**
   * Makes the file, which must not exist. With durability `fsync` it is on disk under its name when this resolves.
   *
   * @param initial the weights frame of version 0, for a segment that begins with version 1.
   * @throws GradwireError `E_DISK`; the cause of one that exists has the code `EEXIST`.
   */
  static async create(
    path: string,
    about: About,
    initial: Uint8Array | undefined,
    options: SegmentOptions,
  ): Promise<SegmentWriter> {
    const { create = createFile, durability } = options;
    const file = await create(path).catch((cause) => Promise.reject(diskError(path, cause)));
    const segment = new SegmentWriter(path, file, about, initial, options);
    try {
      await segment.#write(segment.#head.parts);
      if (durability === 'fsync') await syncDirectory(dirname(path)).catch((cause) => segment.#fail(cause));
    } catch (error) {
      await segment.close();
      throw error;
    }
    return segment;
  }

  /** Bytes in the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The version that the first record makes. */
  get firstVersion(): number {
    return this.#about.firstVersion;
  }

  /** The version of the last record written; one below its first where there is none. */
  get lastVersion(): number {
    return this.#about.firstVersion + this.#totals.messages - 1;
  }

  /** Writes records as one chunk with its index: all of it is on disk, as far as the durability says, when this resolves. Throws `E_DISK`. */
  async append(records: readonly SegmentRecord[]): Promise<void> {
    const now = nanoseconds(this.#options.clock());
    const { endTime } = this.#totals;
    // strictly ascending, so that readers that sort by time keep the order of versions
    const start = now > endTime ? now : endTime + 1n;
    const messages = records.map((record, i) => messageOf(record, start + BigInt(i)));
    const content = messageRecords(channelId, messages);
    const end = start + BigInt(records.length - 1);
    const offset = this.#bytes;
    const index = messageIndexRecord(messages, content.offsets);
    await this.#write([chunkHead(content, start, end), ...content.parts, index]);
    this.#count(records.length, { offset, start, end, contentBytes: content.byteLength, indexBytes: index.byteLength });
  }

  /** Closes the segment with a summary and the file; a segment that failed is left as it is. Throws `E_DISK`. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const { run, epoch, name } = this.#about;
    if (this.#state === 'open') {
      const summarized = {
        name,
        head: this.#head,
        createTime: this.#createTime,
        initialBytes: this.#initialBytes,
        totals: this.#totals,
        chunkIndexes: this.#chunkIndexes.buffer,
        ending: { run, epoch, lastVersion: this.lastVersion },
      };
      await this.#write(encodeEnd(this.#bytes, summarized));
    }
    this.#state = 'closed';
    await this.#file.close().catch((cause) => Promise.reject(diskError(this.path, cause)));
  }

  #count(messages: number, chunk: Omit<IndexedChunk, 'byteLength'>): void {
    writeChunkIndex(this.#chunkIndexes, { ...chunk, byteLength: this.#bytes - chunk.offset - chunk.indexBytes });
    if (this.#totals.messages === 0) this.#totals.startTime = chunk.start;
    this.#totals.endTime = chunk.end;
    this.#totals.messages += messages;
    this.#totals.chunks += 1;
  }

  async #write(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#state !== 'open') {
      throw new GradwireError('E_DISK', `${quote(basename(this.path))} takes no more records: it is ${this.#state}`, {
        retryable: true,
      });
    }
    try {
      await writeFully(this.#file, parts);
      if (this.#options.durability === 'fsync') await this.#file.datasync();
    } catch (cause) {
      this.#fail(cause);
    }
    this.#bytes += byteLengthOf(parts);
  }

  /** After a failed write the file's end is unknown, and after a failed sync a retry lies: the segment is sealed. */
  #fail(cause: unknown): never {
    this.#state = 'failed';
    throw diskError(this.path, cause);
  }
}

function messageOf({ version, bytes, time }: SegmentRecord, logTime: bigint): Message {
  const made = time !== undefined && time >= 0 && time <= 1e13 ? nanoseconds(time) : logTime;
  // MCAP's sequence has 32 bits; the whole version stands in the record
  return { sequence: version % 2 ** 32, logTime, publishTime: made, data: bytes };
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.max(0, Math.round(milliseconds))) * 1_000_000n;
}
