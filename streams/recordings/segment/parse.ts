// Records out of bytes: small ones by the MCAP library, chunks and attachments in place, without a copy.
import { crc32 } from 'node:zlib';
import { McapStreamReader, Opcode } from '@mcap/core';
import { chunkHeadBytes } from './around.ts';
import { channelId } from './schema.ts';

/** Bytes before every record's content: an opcode and the length. */
export const recordHeadBytes = 9;
/** Bytes of a message record before its data. */
export const messageHeadBytes = 31;

/** Bytes of the message index record of so many messages. */
export function messageIndexBytes(messages: number): number {
  return recordHeadBytes + 2 + 4 + messages * 16;
}

/** A parsed record of the MCAP library. */
type ParsedRecord = NonNullable<ReturnType<McapStreamReader['nextRecord']>>;

/** One whole record, parsed by the library: for the small records of a segment's head and end. Throws for one that is malformed. */
export function parseRecord(bytes: Uint8Array): ParsedRecord {
  const reader = new McapStreamReader({ noMagicPrefix: true });
  reader.append(bytes);
  const record = reader.nextRecord();
  if (record === undefined) throw new Error('a record ends too early');
  return record;
}

/** Sixty-four bits as a number; above 2^53 it is rounded, and larger than any file. */
export function uint64(view: DataView, byteOffset: number): number {
  return view.getUint32(byteOffset, true) + view.getUint32(byteOffset + 4, true) * 2 ** 32;
}

/** What the first bytes of a chunk record say, or undefined where they contradict each other. */
export function chunkHeadOf(view: DataView, byteOffset: number = 0): { byteLength: number; crc: number } | undefined {
  if (view.getUint8(byteOffset) !== Opcode.CHUNK) return undefined;
  const byteLength = uint64(view, byteOffset + 41);
  const consistent =
    uint64(view, byteOffset + 1) === byteLength + chunkHeadBytes - recordHeadBytes &&
    uint64(view, byteOffset + 25) === byteLength &&
    view.getUint32(byteOffset + 37, true) === 0;
  return consistent ? { byteLength, crc: view.getUint32(byteOffset + 33, true) } : undefined;
}

/** One message in a chunk's content. */
export interface RawMessage {
  readonly sequence: number;
  /** When it was written, by its log time: whole milliseconds since 1970. */
  readonly writtenMs: number;
  /** A view. */
  readonly data: Uint8Array;
}

/** The messages in a chunk's content, as views. Throws for content that is damaged. */
export function messagesIn(content: Uint8Array, crc: number): RawMessage[] {
  if (crc32(content) !== crc) throw new Error('the chunk has another CRC than its content');
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const messages: RawMessage[] = [];
  let at = 0;
  while (at < content.byteLength) {
    const left = content.byteLength - at;
    const length = left < messageHeadBytes ? 0 : uint64(view, at + 1);
    const end = at + recordHeadBytes + length;
    const sound = view.getUint8(at) === Opcode.MESSAGE && end - at >= messageHeadBytes && end <= content.byteLength;
    if (!sound || messageHeadOf(view, at).channel !== channelId) throw new Error('the chunk holds something else than records');
    const { sequence, logTime } = messageHeadOf(view, at);
    messages.push({ sequence, writtenMs: milliseconds(logTime), data: content.subarray(at + messageHeadBytes, end) });
    at = end;
  }
  if (messages.length === 0) throw new Error('the chunk is empty');
  return messages;
}

/** What the first bytes of a message record say beside its length. */
export function messageHeadOf(view: DataView, byteOffset: number): { channel: number; sequence: number; logTime: bigint } {
  return {
    channel: view.getUint16(byteOffset + 9, true),
    sequence: view.getUint32(byteOffset + 11, true),
    logTime: view.getBigUint64(byteOffset + 15, true),
  };
}

/** A time of MCAP, in nanoseconds, as whole milliseconds: the finer part only keeps records in their order. */
export function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n);
}

/** The name and the data of an attachment record, as views. Throws for one that is damaged. */
export function parseAttachment(record: Uint8Array): { name: string; data: Uint8Array } {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const crcOffset = record.byteLength - 4;
  if (crc32(record.subarray(recordHeadBytes, crcOffset)) !== view.getUint32(crcOffset, true)) {
    throw new Error('the attachment has another CRC than its content');
  }
  const nameOffset = recordHeadBytes + 16 + 4;
  const nameEnd = nameOffset + view.getUint32(nameOffset - 4, true);
  const dataOffset = nameEnd + 4 + view.getUint32(nameEnd, true) + 8;
  const name = new TextDecoder().decode(record.subarray(nameOffset, nameEnd));
  return { name, data: record.subarray(dataOffset, dataOffset + uint64(view, dataOffset - 8)) };
}
