// Retention: which old segments of a run are removed, and when nothing needs them any more.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import { failedWith, fileError, removeFile } from '../disk.ts';
import { parseSegmentName } from '../history/names.ts';

/**
 * How much of a recording is kept. A segment that is beyond any of the limits is removed, oldest first, but never one that
 * holds a version after the second newest sound snapshot: recovery can always fall back to that.
 */
export interface Retention {
  /** Segments kept; all unless told. */
  readonly segments?: number;
  /** Bytes of segments kept; all unless told. */
  readonly bytes?: number;
  /** Milliseconds since a segment was last written to; for ever unless told. */
  readonly ageMs?: number;
}

/** Throws `E_CONFIG` for limits that cannot be. */
export function refuseRetention(retention: Retention): void {
  refuseUnknownOptions('retention', retention, ['segments', 'bytes', 'ageMs']);
  for (const name of ['segments', 'bytes', 'ageMs'] as const) {
    const value = retention[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw new GradwireError('E_CONFIG', `retention.${name} must be an integer from 1; got ${String(value)}`);
  }
}

interface File {
  readonly path: string;
  readonly firstVersion: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Removes what the limits leave out; `needed` is the second newest sound snapshot's version, undefined where there is none. */
export async function removeSegments(
  directory: string,
  { retention, needed, nowMs }: { readonly retention: Retention; readonly needed: number | undefined; readonly nowMs: number },
): Promise<void> {
  const { segments: mostSegments = Infinity, bytes: mostBytes = Infinity, ageMs: mostAgeMs = Infinity } = retention;
  if (needed === undefined || Math.min(mostSegments, mostBytes, mostAgeMs) === Infinity) return;
  const files = await segmentFiles(directory, nowMs);
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  for (const [i, file] of files.entries()) {
    // the versions of a segment end where the next one begins; the newest is being written
    const next = files[i + 1];
    if (next === undefined || next.firstVersion > needed + 1) return;
    if (files.length - i <= mostSegments && bytes <= mostBytes && file.ageMs <= mostAgeMs) return;
    await removeFile(file.path);
    bytes -= file.bytes;
  }
}

async function segmentFiles(directory: string, nowMs: number): Promise<File[]> {
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  const files: File[] = [];
  for (const name of names.sort()) {
    const { firstVersion } = parseSegmentName(name) ?? {};
    if (firstVersion === undefined) continue;
    const path = join(directory, name);
    const found = await stat(path).catch((cause) =>
      failedWith(cause, 'ENOENT') ? undefined : Promise.reject(fileError(path, cause)),
    );
    if (found !== undefined) files.push({ path, firstVersion, bytes: found.size, ageMs: nowMs - found.mtimeMs });
  }
  return files;
}
