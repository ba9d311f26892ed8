// Writing one segment: a head, then one chunk for each group of records, then (if it is closed) a summary.
import { basename, dirname } from 'node:path';
import { McapRecordBuilder } from '@mcap/core';
import { GradwireError, quote } from '../../../src/errors.ts';
import {
  type CreateFile,
  createFile,
  diskError,
  existsError,
  failedWith,
  syncDirectory,
  type WritableFile,
  writeFully,
} from '../disk.ts';
import type { About } from './about.ts';
import { chunkHead, type Message, messageRecords } from './around.ts';
import { byteLengthOf, encodeHead, type Head } from './head.ts';
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
  readonly #attachedBytes: number;
  readonly #createTime: bigint;
  readonly #options: SegmentOptions;
  readonly #totals: Totals = { messages: 0, chunks: 0, startTime: 0n, endTime: 0n };
  // one record for each group, encoded at once: 83 bytes, where an object would take hundreds
  readonly #chunkIndexes = new McapRecordBuilder();
  #bytes = 0;
  #state: 'open' | 'failed' | 'closed' = 'open';

  private constructor(path: string, file: WritableFile, about: About, attached: Uint8Array | undefined, options: SegmentOptions) {
    this.path = path;
    this.#file = file;
    this.#about = about;
    this.#options = options;
    this.#createTime = nanoseconds(options.clock());
    this.#attachedBytes = attached?.byteLength ?? 0;
    this.#head = encodeHead(about, attached, this.#createTime);
  }

  /**
   * Makes the file, which must not exist. With durability `fsync` it is on disk under its name when this resolves.
   *
   * @param attached the weights frame of version 0, for a segment that begins with version 1; for another, the snapshot frame
   *   of the version before its first, or nothing.
   * @throws GradwireError `E_FILE` where the file is there already (its cause has the code `EEXIST`), `E_DISK`.
   */
  static async create(
    path: string,
    about: About,
    attached: Uint8Array | undefined,
    options: SegmentOptions,
  ): Promise<SegmentWriter> {
    const { create = createFile, durability } = options;
    const file = await create(path).catch((cause) => Promise.reject(createError(path, cause)));
    const segment = new SegmentWriter(path, file, about, attached, options);
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
    const index = this.#messageIndex(messages, content.offsets);
    await this.#write([chunkHead(content, start, end), ...content.parts, index]);
    this.#count(records.length, { offset, start, end, size: content.byteLength, indexBytes: index.byteLength });
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
        attachedBytes: this.#attachedBytes,
        totals: this.#totals,
        chunkIndexes: this.#chunkIndexes.buffer,
        ending: { run, epoch, lastVersion: this.lastVersion },
      };
      await this.#write(encodeEnd(this.#bytes, summarized));
    }
    this.#state = 'closed';
    await this.#file.close().catch((cause) => Promise.reject(diskError(this.path, cause)));
  }

  #messageIndex(messages: readonly Message[], offsets: readonly number[]): Uint8Array {
    const builder = new McapRecordBuilder();
    builder.writeMessageIndex({ channelId, records: messages.map(({ logTime }, i) => [logTime, BigInt(offsets[i])]) });
    return builder.buffer;
  }

  #count(messages: number, chunk: { offset: number; start: bigint; end: bigint; size: number; indexBytes: number }): void {
    const length = this.#bytes - chunk.offset - chunk.indexBytes;
    this.#chunkIndexes.writeChunkIndex({
      messageStartTime: chunk.start,
      messageEndTime: chunk.end,
      chunkStartOffset: BigInt(chunk.offset),
      chunkLength: BigInt(length),
      messageIndexOffsets: new Map([[channelId, BigInt(chunk.offset + length)]]),
      messageIndexLength: BigInt(chunk.indexBytes),
      compression: '',
      compressedSize: BigInt(chunk.size),
      uncompressedSize: BigInt(chunk.size),
    });
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

function createError(path: string, cause: unknown): GradwireError {
  return failedWith(cause, 'EEXIST') ? existsError(path, cause) : diskError(path, cause);
}

function messageOf({ version, bytes, time }: SegmentRecord, logTime: bigint): Message {
  const made = time !== undefined && time >= 0 && time <= 1e13 ? nanoseconds(time) : logTime;
  // MCAP's sequence has 32 bits; the whole version stands in the record
  return { sequence: version % 2 ** 32, logTime, publishTime: made, data: bytes };
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.max(0, Math.round(milliseconds))) * 1_000_000n;
}
