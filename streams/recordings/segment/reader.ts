// Reading one segment from front to back: its head, then its chunks, each checked before it is given out.
import { Opcode } from '@mcap/core';
import { quote } from '../../../src/errors.ts';
import { type About, aboutName, endingName, readAbout, readEnding } from './about.ts';
import { chunkHeadBytes } from './around.ts';
import { BadPlace } from './bad-place.ts';
import { attachmentName, type Place, profile } from './head.ts';
import { chunkHeadOf, messageIndexBytes, messagesIn, parseAttachment, parseRecord } from './parse.ts';
import { Pieces } from './pieces.ts';
import { guard, metadataFields, readMagic, recordHead, skip } from './records.ts';
import { type ChunkStart, findChunk } from './seek.ts';

/** A group of records as it was written. */
export interface RawChunk {
  /** Where the chunk begins in the file. */
  readonly offset: number;
  /** Where it ends; up to there the segment is sound. */
  readonly end: number;
  readonly firstVersion: number;
  /** The records' bytes: **views** that the next chunk overwrites. */
  readonly records: readonly Uint8Array[];
  /** When each record was written: whole milliseconds since 1970, ascending. */
  readonly times: readonly number[];
}

/** A segment being read. */
export class SegmentReader {
  readonly #pieces: Pieces;
  readonly about: About;
  /** Where the initial weights stand, which a segment that begins with version 1 has; in another the snapshot that it may begin with. */
  readonly attachment: Place | undefined;
  #version: number;
  // of the message index that follows the chunk read last
  #indexBytes = 0;
  #closed = false;
  #continues = false;

  private constructor(pieces: Pieces, about: About, attachment: Place | undefined) {
    this.#pieces = pieces;
    this.about = about;
    this.attachment = attachment;
    this.#version = about.firstVersion;
  }

  /**
   * Opens a segment and reads its head.
   *
   * @throws BadPlace where the head is damaged or is none, GradwireError `E_FORMAT` or `E_FILE`.
   */
  static async open(path: string, pieceBytes?: number): Promise<SegmentReader> {
    const pieces = await Pieces.open(path, pieceBytes);
    try {
      await readMagic(pieces);
      await readHeader(pieces);
      const { opcode } = await recordHead(pieces);
      const attachment = opcode === Opcode.ATTACHMENT ? await skip(pieces, Opcode.ATTACHMENT) : undefined;
      await skip(pieces, Opcode.SCHEMA);
      await skip(pieces, Opcode.CHANNEL);
      const { offset } = pieces;
      const fields = await metadataFields(pieces, aboutName);
      const about = guard(offset, () => readAbout(fields));
      if (attachment === undefined && about.firstVersion === 1)
        throw new BadPlace('a segment that begins with version 1 lacks the initial weights', offset);
      return new SegmentReader(pieces, about, attachment);
    } catch (error) {
      await pieces.close();
      throw error;
    }
  }

  /** The version that comes next. */
  get version(): number {
    return this.#version;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#pieces.size;
  }

  /** Whether the end was reached and says that nothing is missing. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the end was reached and says that another segment follows. */
  get continues(): boolean {
    return this.#continues;
  }

  /**
   * Goes on from the last chunk that begins `before` what is sought, for a reader that has read no chunk yet; gives its place,
   * or undefined where reading begins at the front all the same. What lies before is not read, and so not checked.
   */
  async seek(before: (start: ChunkStart) => boolean): Promise<number | undefined> {
    const found = await findChunk(this.#pieces, this.#version, before);
    if (found !== undefined) this.#version = found.version;
    return found?.offset;
  }

  /** The next chunk, or undefined at the end. Throws {@link BadPlace}. */
  async next(): Promise<RawChunk | undefined> {
    const pieces = this.#pieces;
    if (this.#indexBytes > 0) await skip(pieces, Opcode.MESSAGE_INDEX, this.#indexBytes);
    this.#indexBytes = 0;
    if (this.#closed || pieces.left === 0) return undefined;
    const { opcode } = await recordHead(pieces);
    if (opcode === Opcode.METADATA) return this.#end();
    const { offset } = pieces;
    const content = pieces.left < chunkHeadBytes ? undefined : await this.#content();
    if (content === undefined) throw new BadPlace('no chunk of records stands here', offset);
    const firstVersion = this.#version;
    const messages = guard(offset, () => messagesIn(content.bytes, content.crc));
    for (const { sequence } of messages) {
      if (sequence !== this.#version % 2 ** 32) throw new BadPlace(`a record of version ${sequence} stands here`, offset);
      this.#version += 1;
    }
    this.#indexBytes = messageIndexBytes(messages.length);
    const times = messages.map(({ writtenMs }) => writtenMs);
    return { offset, end: pieces.offset, firstVersion, records: messages.map(({ data }) => data), times };
  }

  /** The frame of the attachment, a copy: of the initial weights, or a snapshot. Throws {@link BadPlace}. */
  async attached(): Promise<Uint8Array | undefined> {
    const { attachment } = this;
    if (attachment === undefined) return undefined;
    const pieces = this.#pieces;
    const { offset } = pieces;
    pieces.seek(attachment.offset);
    await pieces.need(attachment.byteLength);
    const { name, data } = guard(attachment.offset, () => parseAttachment(pieces.take(attachment.byteLength)));
    const expected = attachmentName(this.about.firstVersion);
    if (name !== expected) throw new BadPlace(`the attachment ${quote(name)} instead of ${quote(expected)}`, attachment.offset);
    const frame = data.slice();
    pieces.seek(offset);
    return frame;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#pieces.close();
  }

  async #content(): Promise<{ bytes: Uint8Array; crc: number } | undefined> {
    const pieces = this.#pieces;
    await pieces.need(chunkHeadBytes);
    const head = chunkHeadOf(pieces.peek(chunkHeadBytes));
    if (head === undefined || chunkHeadBytes + head.byteLength > pieces.left) return undefined;
    await pieces.need(chunkHeadBytes + head.byteLength);
    pieces.take(chunkHeadBytes);
    return { bytes: pieces.take(head.byteLength), crc: head.crc };
  }

  async #end(): Promise<undefined> {
    const { offset } = this.#pieces;
    const fields = await metadataFields(this.#pieces, endingName);
    const { run, lastVersion, continues } = guard(offset, () => readEnding(fields));
    if (run !== this.about.run || lastVersion !== this.#version - 1) {
      throw new BadPlace(`the end of another segment, or of one up to version ${lastVersion}, stands here`, offset);
    }
    this.#closed = true;
    this.#continues = continues;
  }
}

async function readHeader(pieces: Pieces): Promise<void> {
  const { offset } = pieces;
  const { byteLength } = await recordHead(pieces);
  await pieces.need(byteLength);
  const header = guard(offset, () => parseRecord(pieces.take(byteLength)));
  const found = header.type === 'Header' ? `the profile ${quote(header.profile)}` : `a ${header.type} record`;
  if (header.type !== 'Header' || header.profile !== profile) throw new BadPlace(`${found} is not ${quote(profile)}`, offset);
}
