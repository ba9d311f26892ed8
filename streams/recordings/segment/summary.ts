// The end of a segment that is closed: what lets other MCAP tools seek in it, list it and trust it.
import { McapRecordBuilder, Opcode } from '@mcap/core';
import { aboutName, type Ending, endingFields, endingName } from './about.ts';
import { crcAfter } from './crc.ts';
import { attachmentMediaType, byteLengthOf, type Head, type Place } from './head.ts';
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
export interface Summarized {
  readonly name: string;
  readonly head: Pick<Head, 'metadata' | 'attachment'>;
  readonly createTime: bigint;
  readonly attachedBytes: number;
  readonly totals: Totals;
}

/** A group of the summary section: records of one opcode. */
type Group = readonly [opcode: Opcode, bytes: Uint8Array];

/**
 * The bytes from the closing metadata record to the last magic, for a file that is `offset` bytes long so far; `chunkIndexes`
 * are the chunk index records, encoded as the chunks were written.
 */
export function encodeEnd(
  offset: number,
  { chunkIndexes, ending, ...summarized }: Summarized & { readonly chunkIndexes: Uint8Array; readonly ending: Ending },
): Uint8Array[] {
  const builder = new McapRecordBuilder();
  builder.writeMetadata({ name: endingName, metadata: endingFields(ending) });
  const place = { offset, byteLength: builder.length };
  const closing = [builder.buffer, encodeDataEnd()];
  const groups: Group[] = [...summaryGroups(summarized, place), [Opcode.CHUNK_INDEX, chunkIndexes]];
  const bytes = groups.map(([, group]) => group);
  const sizes = groups.map(([opcode, { byteLength }]) => [opcode, byteLength] as const);
  return [...closing, ...bytes, encodeLast(offset + byteLengthOf(closing), sizes, crcOf(bytes))];
}

/** The record that ends the data; its CRC is 0, which says that there is none: every chunk has a CRC of its own. */
export function encodeDataEnd(): Uint8Array {
  const builder = new McapRecordBuilder();
  builder.writeDataEnd({ dataSectionCrc: 0 });
  return builder.buffer;
}

/** What follows the groups of the summary, whose CRC is `crc`: where each of them is, the footer, the magic. */
export function encodeLast(
  summaryStart: number,
  groups: readonly (readonly [opcode: Opcode, byteLength: number])[],
  crc: number,
): Uint8Array {
  const builder = new McapRecordBuilder();
  let position = summaryStart;
  for (const [groupOpcode, byteLength] of groups) {
    if (byteLength === 0) continue;
    builder.writeSummaryOffset({ groupOpcode, groupStart: BigInt(position), groupLength: BigInt(byteLength) });
    position += byteLength;
  }
  const positions = { summaryStart: BigInt(summaryStart), summaryOffsetStart: BigInt(position) };
  const start = builder.length;
  builder.writeFooter({ ...positions, summaryCrc: 0 });
  // the CRC covers the summary and the footer's own first bytes
  const summaryCrc = crcAfter(crc, builder.buffer.subarray(0, builder.length - 4));
  const offsets = builder.buffer.slice(0, start);
  builder.reset();
  builder.writeFooter({ ...positions, summaryCrc });
  builder.writeMagic();
  return new Uint8Array(Buffer.concat([offsets, builder.buffer]));
}

/** The CRC32 of parts one after the other. */
function crcOf(parts: readonly Uint8Array[]): number {
  return parts.reduce(crcAfter, 0);
}

/** The groups of the summary section, each of records with one opcode; those of the chunks, the last, are left to the caller. */
export function summaryGroups(summarized: Summarized, ending: Place): Group[] {
  const { name, head } = summarized;
  return [
    [Opcode.SCHEMA, group(writeSchema)],
    [Opcode.CHANNEL, group((builder) => writeChannel(builder, name))],
    [Opcode.STATISTICS, group((builder) => writeStatistics(builder, summarized))],
    [Opcode.METADATA_INDEX, group((builder) => writeMetadataIndexes(builder, head.metadata, ending))],
    [Opcode.ATTACHMENT_INDEX, group((builder) => writeAttachmentIndex(builder, summarized))],
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
