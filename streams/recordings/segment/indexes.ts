// The index records of a segment: one after each chunk for its messages, and one in the summary for each chunk.
import { McapRecordBuilder } from '@mcap/core';
import type { Message } from './around.ts';
import { channelId } from './schema.ts';

/** A chunk as its index record tells of it. */
export interface IndexedChunk {
  /** Where the chunk record begins, and its bytes. */
  readonly offset: number;
  readonly byteLength: number;
  /** Bytes of its content. */
  readonly contentBytes: number;
  /** Bytes of the message index that follows it. */
  readonly indexBytes: number;
  /** Of the first and the last message, in nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
}

/** The message index record of a chunk; `offsets` are those of its messages in its content. */
export function messageIndexRecord(messages: readonly Pick<Message, 'logTime'>[], offsets: readonly number[]): Uint8Array {
  const builder = new McapRecordBuilder();
  builder.writeMessageIndex({ channelId, records: messages.map(({ logTime }, i) => [logTime, BigInt(offsets[i])]) });
  return builder.buffer;
}

/** Writes the chunk index record of a chunk. */
export function writeChunkIndex(builder: McapRecordBuilder, chunk: IndexedChunk): void {
  builder.writeChunkIndex({
    messageStartTime: chunk.start,
    messageEndTime: chunk.end,
    chunkStartOffset: BigInt(chunk.offset),
    chunkLength: BigInt(chunk.byteLength),
    messageIndexOffsets: new Map([[channelId, BigInt(chunk.offset + chunk.byteLength)]]),
    messageIndexLength: BigInt(chunk.indexBytes),
    compression: '',
    compressedSize: BigInt(chunk.contentBytes),
    uncompressedSize: BigInt(chunk.contentBytes),
  });
}
