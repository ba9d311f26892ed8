// One group of a segment, checked: the chunk's head, its CRC, its messages in order, and the index that follows it.
import { chunkHead, chunkHeadBytes } from '../../segment/around.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { type IndexedChunk, messageIndexRecord } from '../../segment/indexes.ts';
import { chunkHeadOf, messageIndexBytes, messagesIn } from '../../segment/parse.ts';
import type { Pieces } from '../../segment/pieces.ts';
import { guard, recordHead } from '../../segment/records.ts';
import { demandEqual } from './compare.ts';

/** A record as its message says. */
interface TimedRecord {
  /** Nanoseconds since 1970. */
  readonly logTime: bigint;
  /** A **view** that the next read overwrites. */
  readonly data: Uint8Array;
}

/** A chunk whose content is whole. */
export interface CheckedChunk {
  readonly place: IndexedChunk;
  readonly records: readonly TimedRecord[];
  /** What must stand after it. */
  readonly index: Uint8Array;
}

/** Reads the chunk that must stand here; `after` is the time of the message before it. Throws {@link BadPlace}. */
export async function checkChunk(pieces: Pieces, version: number, after: bigint): Promise<CheckedChunk> {
  const { offset } = pieces;
  await recordHead(pieces);
  const head = pieces.left < chunkHeadBytes ? undefined : await headOf(pieces);
  if (head === undefined || chunkHeadBytes + head.byteLength > pieces.left)
    throw new BadPlace('no chunk of records stands here', offset);
  await pieces.need(chunkHeadBytes + head.byteLength);
  const found = new Uint8Array(pieces.take(chunkHeadBytes));
  const content = pieces.take(head.byteLength);
  const messages = guard(offset, () => messagesIn(content, head.crc));
  const { records, offsets } = timed(content, messages, after, offset);
  for (const [i, { sequence }] of messages.entries()) {
    if (sequence !== (version + i) % 2 ** 32) throw new BadPlace(`a record of version ${sequence} stands here`, offset);
  }
  const [start, end] = [records[0].logTime, records[records.length - 1].logTime];
  const expected = chunkHead({ parts: [], byteLength: head.byteLength, crc: head.crc, offsets: [] }, start, end);
  demandEqual(found, expected, { offset, what: 'the head of the chunk' });
  const index = messageIndexRecord(records, offsets);
  const byteLength = chunkHeadBytes + head.byteLength;
  const indexBytes = messageIndexBytes(records.length);
  return { place: { offset, byteLength, contentBytes: head.byteLength, indexBytes, start, end }, records, index };
}

async function headOf(pieces: Pieces): Promise<{ byteLength: number; crc: number } | undefined> {
  await pieces.need(chunkHeadBytes);
  return chunkHeadOf(pieces.peek(chunkHeadBytes));
}

/** The messages with their times, which must ascend, and where each begins in the content. */
function timed(
  content: Uint8Array,
  messages: readonly { readonly data: Uint8Array }[],
  after: bigint,
  offset: number,
): { records: TimedRecord[]; offsets: number[] } {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const records: TimedRecord[] = [];
  const offsets: number[] = [];
  let at = 0;
  let previous = after;
  for (const { data } of messages) {
    const logTimeOffset = at + 15;
    const logTime = view.getBigUint64(logTimeOffset, true);
    if (logTime <= previous) throw new BadPlace('the times of the records do not ascend', offset);
    previous = logTime;
    records.push({ logTime, data });
    offsets.push(at);
    at = data.byteOffset + data.byteLength - content.byteOffset;
  }
  return { records, offsets };
}
