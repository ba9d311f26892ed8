// The end of a closed segment: it must be, byte for byte, what a writer of these data would have written.
import { McapRecordBuilder, Opcode } from '@mcap/core';
import { type Ending, endingName, readEnding } from '../../segment/about.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { crcAfter } from '../../segment/crc.ts';
import { type IndexedChunk, writeChunkIndex } from '../../segment/indexes.ts';
import type { Pieces } from '../../segment/pieces.ts';
import { guard } from '../../segment/records.ts';
import { encodeDataEnd, encodeLast, summaryGroups, type Totals } from '../../segment/summary.ts';
import { CutOff, expectBytes } from './compare.ts';
import { type CheckedHead, checkMetadata } from './head.ts';

/** What the summary must tell of, gathered chunk by chunk in a few bytes, however many there are. */
export class Tally {
  readonly totals: Totals = { messages: 0, chunks: 0, startTime: 0n, endTime: 0n };
  /** Bytes of the chunk index records, and their CRC32. */
  byteLength = 0;
  crc = 0;

  add(chunk: IndexedChunk, messages: number): void {
    const builder = new McapRecordBuilder();
    writeChunkIndex(builder, chunk);
    this.byteLength += builder.length;
    this.crc = crcAfter(this.crc, builder.buffer);
    if (this.totals.messages === 0) this.totals.startTime = chunk.start;
    this.totals.endTime = chunk.end;
    this.totals.messages += messages;
    this.totals.chunks += 1;
  }
}

/** Reads the end, from the closing metadata to the last byte of the file, and gives what it says. Throws {@link BadPlace}, or {@link CutOff}. */
export async function checkEnd(pieces: Pieces, head: CheckedHead, tally: Tally): Promise<Ending> {
  const { about, schema, channel, metadata, attachments } = head;
  const place = await checkMetadata(pieces, endingName);
  const ending = guard(place.offset, () => readEnding(place.fields));
  const { run, epoch, lastVersion } = ending;
  if (run !== about.run || epoch !== about.epoch || lastVersion !== about.firstVersion + tally.totals.messages - 1)
    throw new BadPlace(`the end of another segment, or of one up to version ${lastVersion}, stands here`, place.offset);
  await expectBytes(pieces, encodeDataEnd(), 'the record that ends the data');
  const summaryStart = pieces.offset;
  const [attachment] = attachments;
  const summarized = {
    name: about.name,
    head: { metadata, attachment },
    createTime: attachment?.createTime ?? 0n,
    attachedBytes: attachment?.data.byteLength ?? 0,
    totals: tally.totals,
  };
  // the schema and the channel as the head has them: a later release may describe its records in more words
  const repeated = new Map([
    [Opcode.SCHEMA, schema],
    [Opcode.CHANNEL, channel],
  ]);
  const sizes: [Opcode, number][] = [];
  let crc = 0;
  for (const [opcode, encoded] of summaryGroups(summarized, place)) {
    const bytes = repeated.get(opcode) ?? encoded;
    await expectBytes(pieces, bytes, `the summary's ${groupNames.get(opcode)}`);
    crc = crcAfter(crc, bytes);
    sizes.push([opcode, bytes.byteLength]);
  }
  crc = await chunkIndexes(pieces, tally, crc);
  sizes.push([Opcode.CHUNK_INDEX, tally.byteLength]);
  await expectBytes(pieces, encodeLast(summaryStart, sizes, crc), "the summary's offsets, CRC and footer");
  if (pieces.left > 0) throw new BadPlace(`${pieces.left} bytes follow the segment's end`, pieces.offset);
  return ending;
}

const groupNames: ReadonlyMap<Opcode, string> = new Map([
  [Opcode.SCHEMA, 'schema'],
  [Opcode.CHANNEL, 'channel'],
  [Opcode.STATISTICS, 'statistics'],
  [Opcode.METADATA_INDEX, 'metadata index'],
  [Opcode.ATTACHMENT_INDEX, 'attachment index'],
]);

/** Passes over the chunk indexes, piece by piece, and gives the CRC of the summary up to their end. */
async function chunkIndexes(pieces: Pieces, { byteLength, crc: expected }: Tally, before: number): Promise<number> {
  const { offset } = pieces;
  if (pieces.left < byteLength) throw new CutOff("the file ends within the summary's chunk indexes", offset);
  let found = 0;
  let crc = before;
  for (let left = byteLength; left > 0; ) {
    const piece = Math.min(left, 1 << 20);
    await pieces.need(piece);
    const bytes = pieces.take(piece);
    found = crcAfter(found, bytes);
    crc = crcAfter(crc, bytes);
    left -= piece;
  }
  if (found !== expected) throw new BadPlace("the summary's chunk indexes are not those that its data have", offset);
  return crc;
}
