// The end of a segment that is closed: what lets other MCAP tools seek in it, list it and trust it.
import { crc32 } from 'node:zlib';
import { McapRecordBuilder, Opcode } from '@mcap/core';
import { aboutName, type Ending, endingFields, endingName } from './about.ts';
import { attachmentMediaType, type Head, type Place } from './head.ts';
import { channelId, writeChannel, writeSchema } from './schema.ts';

/** What a segment holds, counted while it is written. */
export interface Totals {
  messages: number;
  chunks: number;
  /** Of the first and the last message, in nanoseconds. */
  startTime: bigint;
  endTime: bigint;
}

/** What the summary tells about. */
interface Summarized {
  readonly name: string;
  readonly head: Head;
  readonly createTime: bigint;
  readonly attachedBytes: number;
  readonly totals: Totals;
  /** The chunk index records, encoded as the chunks were written. */
  readonly chunkIndexes: Uint8Array;
  readonly ending: Ending;
}

/** The bytes from the closing metadata record to the last magic, for a file that is `offset` bytes long so far. */
export function encodeEnd(offset: number, summarized: Summarized): Uint8Array[] {
  const builder = new McapRecordBuilder();
  builder.writeMetadata({ name: endingName, metadata: endingFields(summarized.ending) });
  const ending = { offset, byteLength: builder.length };
  // 0 says that there is none: every chunk has a CRC of its own
  builder.writeDataEnd({ dataSectionCrc: 0 });
  const dataEnd = builder.buffer;
  const summaryStart = offset + dataEnd.byteLength;
  const groups = summaryGroups(summarized, ending);
  builder.reset();
  let position = summaryStart;
  for (const [groupOpcode, { byteLength }] of groups) {
    if (byteLength === 0) continue;
    builder.writeSummaryOffset({ groupOpcode, groupStart: BigInt(position), groupLength: BigInt(byteLength) });
    position += byteLength;
  }
  const summary = [...groups.map(([, group]) => group), builder.buffer];
  return [dataEnd, ...summary, footer(summary, summaryStart, position)];
}

/** The groups of the summary section, each of records with one opcode. */
function summaryGroups(summarized: Summarized, ending: Place): [Opcode, Uint8Array][] {
  const { name, chunkIndexes, head } = summarized;
  return [
    [Opcode.SCHEMA, group(writeSchema)],
    [Opcode.CHANNEL, group((builder) => writeChannel(builder, name))],
    [Opcode.STATISTICS, group((builder) => writeStatistics(builder, summarized))],
    [Opcode.METADATA_INDEX, group((builder) => writeMetadataIndexes(builder, head.metadata, ending))],
    [Opcode.ATTACHMENT_INDEX, group((builder) => writeAttachmentIndex(builder, summarized))],
    [Opcode.CHUNK_INDEX, chunkIndexes],
  ];
}

function group(write: (builder: McapRecordBuilder) => void): Uint8Array {
  const builder = new McapRecordBuilder();
  write(builder);
  return builder.buffer;
}

function writeStatistics(builder: McapRecordBuilder, { totals, head }: Summarized): void {
  const messageCount = BigInt(totals.messages);
  builder.writeStatistics({
    messageCount,
    schemaCount: 1,
    channelCount: 1,
    attachmentCount: head.attachment === undefined ? 0 : 1,
    metadataCount: 2,
    chunkCount: totals.chunks,
    messageStartTime: totals.startTime,
    messageEndTime: totals.endTime,
    channelMessageCounts: new Map([[channelId, messageCount]]),
  });
}

function writeMetadataIndexes(builder: McapRecordBuilder, about: Place, ending: Place): void {
  for (const [name, { offset, byteLength }] of [[aboutName, about] as const, [endingName, ending] as const]) {
    builder.writeMetadataIndex({ name, offset: BigInt(offset), length: BigInt(byteLength) });
  }
}

function writeAttachmentIndex(builder: McapRecordBuilder, { head, createTime, attachedBytes }: Summarized): void {
  if (head.attachment === undefined) return;
  builder.writeAttachmentIndex({
    offset: BigInt(head.attachment.offset),
    length: BigInt(head.attachment.byteLength),
    logTime: createTime,
    createTime,
    dataSize: BigInt(attachedBytes),
    name: head.attachment.name,
    mediaType: attachmentMediaType,
  });
}

/** Footer and magic; the CRC covers the summary and the footer's own first bytes. */
function footer(summary: readonly Uint8Array[], summaryStart: number, summaryOffsetStart: number): Uint8Array {
  const positions = { summaryStart: BigInt(summaryStart), summaryOffsetStart: BigInt(summaryOffsetStart) };
  const builder = new McapRecordBuilder();
  builder.writeFooter({ ...positions, summaryCrc: 0 });
  const uncovered = 4;
  const parts = [...summary, builder.buffer.subarray(0, builder.length - uncovered)];
  builder.reset();
  builder.writeFooter({ ...positions, summaryCrc: parts.reduce((crc, part) => crc32(part, crc), 0) });
  builder.writeMagic();
  return builder.buffer;
}
