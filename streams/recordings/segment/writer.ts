// Writing one segment: a head, then one chunk for each group of records, then (if it is closed) a summary.
import { McapRecordBuilder } from '@mcap/core';
import type { About } from './about.ts';
import { AppendedFile, type AppendOptions } from './appended.ts';
import { chunkHead, type Message, messageRecords } from './around.ts';
import { encodeHead, type Head } from './head.ts';
import { type IndexedChunk, messageIndexRecord, writeChunkIndex } from './indexes.ts';
import type { PreparedRecord } from './prepared.ts';
import { channelId } from './schema.ts';
import { encodeEnd, type Totals } from './summary.ts';

/** How segments are written. */
export interface SegmentOptions extends AppendOptions {
  /** Milliseconds since 1970; the labels of the records, nothing else. */
  readonly clock: () => number;
}

/** What a segment begins with. */
interface Beginning {
  readonly about: About;
  readonly head: Head;
  readonly attachedBytes: number;
  readonly createTime: bigint;
}

/** A segment being written. Its methods are called one at a time. */
export class SegmentWriter {
  readonly #file: AppendedFile;
  readonly #beginning: Beginning;
  readonly #clock: () => number;
  readonly #totals: Totals = { messages: 0, chunks: 0, startTime: 0n, endTime: 0n };
  // one record for each group, encoded at once: 83 bytes, where an object would take hundreds
  readonly #chunkIndexes = new McapRecordBuilder();

  private constructor(file: AppendedFile, beginning: Beginning, clock: () => number) {
    this.#file = file;
    this.#beginning = beginning;
    this.#clock = clock;
  }

  /**
   * Makes the file, which must not exist. With durability `fsync` it is on disk under its name when this resolves.
   *
   * @param attached the weights frame of version 0, for a segment that begins with version 1; for another, the snapshot frame
   *   of the version before its first, or nothing.
   * @throws GradwireError `E_FILE` where it exists, `E_DISK`, `E_DISK_FAILED`; no file is left then.
   */
  static async create(
    path: string,
    about: About,
    attached: Uint8Array | undefined,
    options: SegmentOptions,
  ): Promise<SegmentWriter> {
    const createTime = nanoseconds(options.clock());
    const head = encodeHead(about, attached, createTime);
    const file = await AppendedFile.create(path, head.parts, options);
    return new SegmentWriter(file, { about, head, attachedBytes: attached?.byteLength ?? 0, createTime }, options.clock);
  }

  get path(): string {
    return this.#file.path;
  }

  /** Bytes in the file. */
  get bytes(): number {
    return this.#file.bytes;
  }

  /** The version that the first record makes. */
  get firstVersion(): number {
    return this.#beginning.about.firstVersion;
  }

  /** The version of the last record written; one below its first where there is none. */
  get lastVersion(): number {
    return this.#beginning.about.firstVersion + this.#totals.messages - 1;
  }

  /** Writes records as one chunk with its index: all of it is on disk, as far as the durability says, when this resolves. Throws `E_DISK`. */
  async append(records: readonly PreparedRecord[]): Promise<void> {
    const now = nanoseconds(this.#clock());
    const { endTime } = this.#totals;
    // strictly ascending, so that readers that sort by time keep the order of versions
    const start = now > endTime ? now : endTime + 1n;
    const messages = records.map((record, i) => messageOf(record, start + BigInt(i)));
    const content = messageRecords(channelId, messages);
    const end = start + BigInt(records.length - 1);
    const offset = this.#file.bytes;
    const index = messageIndexRecord(messages, content.offsets);
    await this.#file.append([chunkHead(content, start, end), ...content.parts, index]);
    this.#count(records.length, { offset, start, end, contentBytes: content.byteLength, indexBytes: index.byteLength });
  }

  /** Waits until all that has been written is on disk, whatever the durability. Throws `E_DISK_FAILED`. */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /** Finds out whether the disk takes so many bytes, and leaves the file as it was. Throws as {@link append} does. */
  async probe(byteLength: number): Promise<void> {
    await this.#file.probe(byteLength);
  }

  /**
   * Closes the segment with a summary, and the file; one that is sealed, or whose summary the disk does not take, is left
   * without, as a crash leaves it.
   *
   * @param continues whether another segment of the same epoch follows; its absence is then known.
   * @throws GradwireError `E_DISK`, `E_DISK_FAILED`; the file is closed all the same.
   */
  async close({ continues = false }: { readonly continues?: boolean } = {}): Promise<void> {
    const { about, ...beginning } = this.#beginning;
    const { run, epoch, name } = about;
    try {
      if (!this.#file.isOpen) return;
      const chunkIndexes = this.#chunkIndexes.buffer;
      const ending = { run, epoch, lastVersion: this.lastVersion, continues };
      await this.#file.append(encodeEnd(this.bytes, { ...beginning, name, totals: this.#totals, chunkIndexes, ending }));
    } finally {
      await this.#file.close();
    }
  }

  #count(messages: number, chunk: Omit<IndexedChunk, 'byteLength'>): void {
    writeChunkIndex(this.#chunkIndexes, { ...chunk, byteLength: this.bytes - chunk.offset - chunk.indexBytes });
    if (this.#totals.messages === 0) this.#totals.startTime = chunk.start;
    this.#totals.endTime = chunk.end;
    this.#totals.messages += messages;
    this.#totals.chunks += 1;
  }
}

function messageOf(data: PreparedRecord, logTime: bigint): Message {
  const { version, time } = data;
  const made = time !== undefined && time >= 0 && time <= 1e13 ? nanoseconds(time) : logTime;
  // MCAP's sequence has 32 bits; the whole version stands in the record
  return { sequence: version % 2 ** 32, logTime, publishTime: made, data };
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.max(0, Math.round(milliseconds))) * 1_000_000n;
}
