// Finding a place in a segment without reading what lies before it: by its summary, or from chunk head to chunk head.
import { MCAP_MAGIC, Opcode } from '@mcap/core';
import { chunkHeadBytes } from './around.ts';
import {
  chunkHeadOf,
  messageHeadBytes,
  messageHeadOf,
  messageIndexBytes,
  milliseconds,
  recordHeadBytes,
  uint64,
} from './parse.ts';
import type { Pieces } from './pieces.ts';
import { channelId } from './schema.ts';

/** Where a chunk begins. */
export interface ChunkStart {
  readonly offset: number;
  /** The version that its first record makes. */
  readonly version: number;
  /** When its first record was written, in whole milliseconds since 1970. */
  readonly writtenMs: number;
}

interface Start extends ChunkStart {
  /** Where the chunk ends and its message index begins. */
  readonly end: number;
  /** In nanoseconds, as its head says. */
  readonly startTime: bigint;
  readonly endTime: bigint;
}

type Before = (start: ChunkStart) => boolean;

/**
 * The last chunk that begins `before` what is sought, where the pieces then stand; undefined, and the pieces as they were, where
 * not even the first chunk does. `pieces` stand at the first chunk, whose first record makes `firstVersion`.
 *
 * Only heads are read. Nothing that contradicts itself is passed over: the search ends before it, so that reading finds it.
 */
export async function findChunk(pieces: Pieces, firstVersion: number, before: Before): Promise<ChunkStart | undefined> {
  const { offset } = pieces;
  const first = await startAt(pieces, offset, firstVersion);
  const found =
    first?.version === firstVersion && before(first)
      ? ((await findByIndex(pieces, first, before)) ?? (await findByHeads(pieces, first, before)))
      : undefined;
  pieces.seek(found?.offset ?? offset);
  return found;
}

/** What stands at the start of the chunk at `offset`; undefined where no sound one does. */
async function startAt(pieces: Pieces, offset: number, firstVersion: number): Promise<Start | undefined> {
  const byteLength = chunkHeadBytes + messageHeadBytes;
  const view = await viewAt(pieces, offset, byteLength);
  const head = view && chunkHeadOf(view);
  if (view === undefined || head === undefined || head.byteLength > pieces.left - chunkHeadBytes) return undefined;
  const { channel, sequence, logTime } = messageHeadOf(view, chunkHeadBytes);
  const startTime = view.getBigUint64(9, true);
  const isMessage = view.getUint8(chunkHeadBytes) === Opcode.MESSAGE && channel === channelId && logTime === startTime;
  if (!isMessage) return undefined;
  return {
    offset,
    end: offset + chunkHeadBytes + head.byteLength,
    version: versionOf(sequence, firstVersion),
    writtenMs: milliseconds(startTime),
    startTime,
    endTime: view.getBigUint64(17, true),
  };
}

/** MCAP's sequence is the version modulo 2^32, and no segment holds as many records. */
function versionOf(sequence: number, firstVersion: number): number {
  const range = 2 ** 32;
  return firstVersion + ((((sequence - firstVersion) % range) + range) % range);
}

// opcode and length, two times, offset and length of the chunk, one message index, its length, no compression, two sizes
const indexBytes = recordHeadBytes + 74;

/** A binary search in the summary's chunk indexes; undefined where there is no summary, or one that is not right. */
async function findByIndex(pieces: Pieces, first: Start, before: Before): Promise<ChunkStart | undefined> {
  const indexes = await chunkIndexes(pieces);
  if (indexes === undefined) return undefined;
  let low = await indexed(pieces, indexes.offset, first.version);
  if (low === undefined || low.offset !== first.offset) return undefined;
  let lowest = 0;
  let highest = indexes.count;
  while (highest - lowest > 1) {
    const middle = Math.floor((lowest + highest) / 2);
    const start = await indexed(pieces, indexes.offset + middle * indexBytes, first.version);
    if (start === undefined || start.offset <= low.offset || start.version <= low.version) return undefined;
    if (before(start)) {
      low = start;
      lowest = middle;
    } else highest = middle;
  }
  if (lowest === 0) return low;
  // its version is that of its first record alone, which nothing has checked yet
  const previous = await indexed(pieces, indexes.offset + (lowest - 1) * indexBytes, first.version);
  return previous !== undefined && (await following(pieces, previous))?.offset === low.offset ? low : undefined;
}

/** Where the chunk indexes stand, and how many, by the footer and the summary offsets. */
async function chunkIndexes(pieces: Pieces): Promise<{ offset: number; count: number } | undefined> {
  const footerBytes = recordHeadBytes + 20;
  const footerAt = pieces.size - MCAP_MAGIC.length - footerBytes;
  const footer = await viewAt(pieces, footerAt, footerBytes + MCAP_MAGIC.length);
  if (footer === undefined || footer.getUint8(0) !== Opcode.FOOTER || uint64(footer, 1) !== 20) return undefined;
  if (MCAP_MAGIC.some((byte, i) => footer.getUint8(footerBytes + i) !== byte)) return undefined;
  const groupBytes = recordHeadBytes + 17;
  for (let at = uint64(footer, recordHeadBytes + 8); at + groupBytes <= footerAt; at += groupBytes) {
    const group = await viewAt(pieces, at, groupBytes);
    if (group === undefined || group.getUint8(0) !== Opcode.SUMMARY_OFFSET || uint64(group, 1) !== 17) return undefined;
    if (group.getUint8(recordHeadBytes) !== Opcode.CHUNK_INDEX) continue;
    const offset = uint64(group, recordHeadBytes + 1);
    const count = uint64(group, recordHeadBytes + 9) / indexBytes;
    return Number.isInteger(count) && count > 0 && offset + count * indexBytes <= at ? { offset, count } : undefined;
  }
  return undefined;
}

/** The chunk of the index record at `offset`, where both say the same of it. */
async function indexed(pieces: Pieces, offset: number, firstVersion: number): Promise<Start | undefined> {
  const view = await viewAt(pieces, offset, indexBytes);
  if (view === undefined || view.getUint8(0) !== Opcode.CHUNK_INDEX || uint64(view, 1) !== indexBytes - recordHeadBytes)
    return undefined;
  const [startTime, endTime] = [view.getBigUint64(9, true), view.getBigUint64(17, true)];
  const [chunkOffset, chunkBytes] = [uint64(view, 25), uint64(view, 33)];
  const start = await startAt(pieces, chunkOffset, firstVersion);
  const same =
    start !== undefined && start.startTime === startTime && start.endTime === endTime && start.end === chunkOffset + chunkBytes;
  return same ? start : undefined;
}

/** From head to head, as long as each chunk begins with the version that the one before leads to. */
async function findByHeads(pieces: Pieces, first: Start, before: Before): Promise<ChunkStart> {
  let last = first;
  for (;;) {
    const next = await following(pieces, last);
    if (next === undefined || !before(next)) return last;
    last = next;
  }
}

/** The chunk that stands after the message index of another, with the version that follows; undefined for anything else. */
async function following(pieces: Pieces, { end, version }: Start): Promise<Start | undefined> {
  const index = await viewAt(pieces, end, recordHeadBytes);
  if (index === undefined || index.getUint8(0) !== Opcode.MESSAGE_INDEX) return undefined;
  const byteLength = recordHeadBytes + uint64(index, 1);
  const messages = (byteLength - messageIndexBytes(0)) / 16;
  const next = messages < 1 ? undefined : await startAt(pieces, end + byteLength, version);
  return next?.version === version + messages ? next : undefined;
}

// a page: after each place that is looked at the next is somewhere else
const probeBytes = 4 << 10;

/** Bytes of the file, or undefined where it does not have them. The pieces stand there then. */
async function viewAt(pieces: Pieces, offset: number, byteLength: number): Promise<DataView | undefined> {
  if (!(offset >= 0 && offset + byteLength <= pieces.size)) return undefined;
  pieces.seek(offset, probeBytes);
  await pieces.need(byteLength);
  return pieces.peek(byteLength);
}
