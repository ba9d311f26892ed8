// What a damaged place means: a torn tail that nobody was told of, or the loss of something acknowledged.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { diskError, writeFully } from '../disk.ts';
import type { BadPlace } from '../segment/bad-place.ts';
import { Pieces } from '../segment/pieces.ts';
import { findValid } from '../segment/scan.ts';

/** The unfinished last write of a process that died: nothing of it had been acknowledged. */
export interface TornTail {
  readonly path: string;
  /** Where the tail begins. */
  readonly offset: number;
  readonly byteLength: number;
  /** The version that would have come next. */
  readonly version: number;
  readonly reason: string;
}

/** What is known beside the damaged segment itself. */
export interface Witnesses {
  readonly path: string;
  /** Bytes of the file when it was read; one that is being written has more by now. */
  readonly byteLength: number;
  /** Where the last sound record ends: what follows is searched, not only what follows the damaged place. */
  readonly soundUpTo: number;
  /** The run, where any segment says. */
  readonly run: string | undefined;
  /** The version that should have come next. */
  readonly version: number;
  /** The first version of the next segment, if there is one. */
  readonly nextVersion: number | undefined;
  /** The newest snapshot's version; 0 where there is none. */
  readonly snapshotVersion: number;
}

/**
 * The tail that begins at a damaged place, where it is one.
 *
 * @throws GradwireError `E_RECORDING_CORRUPT` where something later proves that the damaged records had been acknowledged.
 */
export async function judge(place: BadPlace, witnesses: Witnesses): Promise<TornTail> {
  const { path, byteLength, version } = witnesses;
  const { offset, message: reason } = place;
  const proof = await proofOf(witnesses);
  if (proof !== undefined) throw corrupt(place, { path, version }, `; ${proof} proves that it had been acknowledged`);
  return { path, offset, byteLength: byteLength - offset, version, reason };
}

/** What proves that the records at a damaged place had been acknowledged, as the subject of a sentence; undefined where nothing does. */
export async function proofOf(witnesses: Witnesses): Promise<string | undefined> {
  const { path, byteLength, soundUpTo, run, version, nextVersion, snapshotVersion } = witnesses;
  const valid = await findValid(path, { start: soundUpTo, end: byteLength, run, version });
  if (valid !== undefined) return `what stands at offset ${valid}`;
  if (nextVersion === undefined) return snapshotVersion >= version ? `the snapshot of version ${snapshotVersion}` : undefined;
  return nextVersion > version ? `the next segment, which begins at version ${nextVersion},` : undefined;
}

/** The error of a damaged record. */
export function corrupt(
  { message, offset }: Pick<BadPlace, 'message' | 'offset'>,
  { path, version }: { path: string; version: number },
  detail: string = '',
  cause?: unknown,
): GradwireError {
  const where = `segment ${quote(basename(path))}, version ${version}, offset ${offset}`;
  return new GradwireError('E_RECORDING_CORRUPT', `${where}: ${message}${detail}; restore the file from a copy`, { cause });
}

/** Copies a tail to `<segment>.broken` beside it. */
export async function keepBroken({ path, offset, byteLength }: TornTail): Promise<void> {
  if (byteLength === 0) return;
  const target = `${path}.broken`;
  const source = await Pieces.open(path);
  try {
    source.seek(offset);
    const copy = await open(target, 'w', 0o644);
    try {
      for (let at = 0; source.left > 0; ) {
        const piece = Math.min(1 << 20, source.left);
        await source.need(piece);
        await writeFully(copy, [source.take(piece)], at);
        at += piece;
      }
      await copy.sync();
    } finally {
      await copy.close();
    }
  } catch (cause) {
    throw cause instanceof GradwireError ? cause : diskError(target, cause);
  } finally {
    await source.close();
  }
}
