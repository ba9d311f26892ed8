// One segment, read once from its first byte to its last, with every check; its batches are given out on the way.
import { Opcode } from '@mcap/core';
import type { About } from '../../segment/about.ts';
import type { BadPlace } from '../../segment/bad-place.ts';
import { Pieces } from '../../segment/pieces.ts';
import { recordHead } from '../../segment/records.ts';
import { checkChunk } from './chunk.ts';
import { CutOff, expectBytes } from './compare.ts';
import { checkEnd, Tally } from './end.ts';
import { type CheckedHead, checkHead } from './head.ts';
import { type CheckedRecord, checkRecord } from './records.ts';

/** A segment while it is read, and what became of it. */
export class SegmentCheck {
  readonly path: string;
  readonly head: CheckedHead;
  /** The version that comes next. */
  version: number;
  /** Where the last sound record ends. */
  soundUpTo: number;
  /** Whether its end was reached and holds. */
  closed = false;
  /** Whether its end says that another segment follows. */
  continues = false;
  /** Where closing it was cut short: its batches are whole. */
  cutOff: BadPlace | undefined;
  /** Records whose payload hash could not be recomputed. */
  payloadsUnproved = 0;
  // MCAP times count from 1970, so that no record has one before its first
  #time = -1n;
  #durableUpTo = 0;
  readonly #pieces: Pieces;
  readonly #tally: Tally = new Tally();

  private constructor(path: string, pieces: Pieces, head: CheckedHead) {
    this.path = path;
    this.head = head;
    this.version = head.about.firstVersion;
    this.soundUpTo = pieces.offset;
    this.#pieces = pieces;
  }

  /** Opens a segment and checks its head. Throws {@link BadPlace}, `E_FORMAT`, `E_FILE`. */
  static async open(path: string): Promise<SegmentCheck> {
    const pieces = await Pieces.open(path);
    try {
      return new SegmentCheck(path, pieces, await checkHead(pieces));
    } catch (error) {
      await pieces.close();
      throw error;
    }
  }

  get about(): About {
    return this.head.about;
  }

  /** Bytes in the file when it was opened. */
  get size(): number {
    return this.#pieces.size;
  }

  /** Bytes read so far. */
  get bytes(): number {
    return this.#pieces.offset;
  }

  /** Reads the rest, gives each record out and closes the file. Throws {@link BadPlace} at the first thing that does not hold. */
  async *records(): AsyncGenerator<CheckedRecord, void, undefined> {
    const pieces = this.#pieces;
    try {
      while (pieces.left > 0 && !this.closed) {
        if ((await recordHead(pieces)).opcode === Opcode.METADATA) await this.#end();
        else yield* this.#group();
      }
    } finally {
      await pieces.close();
    }
  }

  async *#group(): AsyncGenerator<CheckedRecord, void, undefined> {
    const pieces = this.#pieces;
    const { about } = this.head;
    const { place, records, index } = await checkChunk(pieces, this.version, this.#time);
    this.#time = place.end;
    const { offset } = place;
    for (const { data } of records) {
      // a copy, since the piece is overwritten; it also puts the values on a multiple of their size
      const record = checkRecord(data.slice(), { about, version: this.version, durableUpTo: this.#durableUpTo, offset });
      this.#durableUpTo = record.stamp.durableUpTo;
      if (!record.payloadProved) this.payloadsUnproved += 1;
      this.version += 1;
      yield record;
    }
    this.soundUpTo = pieces.offset;
    await expectBytes(pieces, index, 'the message index');
    this.soundUpTo = pieces.offset;
    this.#tally.add(place, records.length);
  }

  async #end(): Promise<void> {
    const { offset } = this.#pieces;
    try {
      this.continues = (await checkEnd(this.#pieces, this.head, this.#tally)).continues;
    } catch (error) {
      // all that stands there is right: its process died, or the disk was full, while it was closed
      if (!(error instanceof CutOff) || error.offset === offset) throw error;
      this.cutOff = error;
    }
    this.closed = true;
  }
}
