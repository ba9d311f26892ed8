// What the end of a segment means: closed, torn before anybody was told, or damaged.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { MCAP_MAGIC, McapRecordBuilder } from '@mcap/core';
import { GradwireError } from '../../../../src/errors.ts';
import { fileError } from '../../disk.ts';
import { proofOf } from '../../history/torn.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { writeChannel, writeFirstSchema, writeSchema } from '../../segment/schema.ts';
import type { Finding } from './findings.ts';
import type { SegmentCheck } from './segment.ts';
import type { Survey } from './survey.ts';

/** How far a segment held. */
interface Reached {
  readonly version: number;
  readonly soundUpTo: number;
}

/** The end of the segment `i` of a survey. */
export class Ending {
  readonly #survey: Survey;
  readonly #i: number;

  constructor(survey: Survey, i: number) {
    this.#survey = survey;
    this.#i = i;
  }

  /** A place that does not hold, as a finding; what is no such place is thrown on. */
  async judge(error: unknown, reached: Reached): Promise<Finding> {
    const { path, bytes: byteLength } = this.#survey.segments[this.#i];
    const file = basename(path);
    if (error instanceof GradwireError && error.code === 'E_FORMAT')
      return { severity: 'damage', file, offset: 0, code: 'E_FORMAT', text: error.text };
    if (!(error instanceof BadPlace)) throw error;
    const { offset, message } = error;
    const { snapshots, segments, about } = this.#survey;
    const nextVersion = segments[this.#i + 1]?.firstVersion;
    const witnesses = { ...reached, path, byteLength, nextVersion, run: about?.run, snapshotVersion: snapshots.at(-1) ?? 0 };
    const proof = (await endsAsClosed(path)) ? 'the end of the file, which closes it,' : await proofOf(witnesses);
    const place = { file, offset, version: reached.version };
    if (proof === undefined)
      return { severity: 'torn', ...place, text: `${message}; ${byteLength - offset} bytes of an unfinished write` };
    const text = `${message}; ${proof} proves that it had been written whole`;
    return { severity: 'damage', ...place, code: 'E_RECORDING_CORRUPT', text };
  }

  /** What there is to say of a segment that holds. */
  findingsOf({ path, cutOff, closed, continues, version, head, about }: SegmentCheck): Finding[] {
    const file = basename(path);
    const found: Finding[] = [];
    if (cutOff !== undefined)
      found.push({
        severity: 'torn',
        file,
        offset: cutOff.offset,
        text: `closing it was cut short: ${cutOff.message}; its batches are whole`,
      });
    const last = this.#survey.whole && this.#i === this.#survey.segments.length - 1;
    if (continues && last)
      found.push({
        severity: 'damage',
        file,
        version,
        code: 'E_RECORDING_GAP',
        text: `it says that another segment follows; the one that begins with version ${version} is missing`,
      });
    // nothing but this release's own words can witness them where there is no summary
    const isOwn = [writeSchema, writeFirstSchema].some((write) => {
      const own = new McapRecordBuilder();
      write(own);
      writeChannel(own, about.name);
      return Buffer.compare(own.buffer, Buffer.concat([head.schema, head.channel])) === 0;
    });
    if (!closed && !isOwn) found.push({ severity: 'note', file, text: 'its schema or channel is none that this release knows' });
    return found;
  }

  /** What could not be proved of a segment that holds. */
  unprovedOf({ path, closed, head }: SegmentCheck): string[] {
    const file = basename(path);
    const unproved: string[] = [];
    const last = this.#i === this.#survey.segments.length - 1;
    if (!closed && last)
      unproved.push(`that nothing is missing at the end of ${file}: it was not closed, and its last group has no later witness`);
    if (!head.libraryWitnessed) unproved.push(`the name of the library in the header of ${file}: nothing repeats it`);
    return unproved;
  }
}

/** Whether the file's last bytes are those that close an MCAP file. */
async function endsAsClosed(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const { length } = MCAP_MAGIC;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, Math.max(length, size - length));
      return bytesRead === length && MCAP_MAGIC.every((byte, i) => byte === buffer[i]);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}
