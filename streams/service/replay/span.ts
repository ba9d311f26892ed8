// The part of a recording that `gradwire replay` was asked for, in versions.
import { firstValueFrom } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { type RecordedBatch, replay } from '../../recordings/index.ts';
import { warn } from '../output.ts';

/** A part of a recording. */
export interface Span {
  /** The version to go on from; undefined where none was asked for. */
  readonly from: number | undefined;
  /** The last version; undefined for that of the recording. */
  readonly until: number | undefined;
  /** Whether the recording goes as far as `--until`, for the version that the replay came to; undefined without it. */
  reached(version: number): boolean | undefined;
}

/** Times as versions, by what was written when. Throws `E_CONFIG` where the recording has no such part. */
export async function spanOf(
  path: string,
  { from, until }: { readonly from?: number | Date; readonly until?: number | Date },
): Promise<Span> {
  const start = from instanceof Date ? await versionBefore(path, from) : from;
  if (from instanceof Date && start === undefined) throw beyond(from.toISOString(), 'nothing was written then or later');
  if (typeof from === 'number' && !(await holds(path, from))) throw beyond(String(from), 'the recording ends before it');
  const end = until instanceof Date ? await versionBefore(path, new Date(until.getTime() + 1)) : until;
  if (start !== undefined && end !== undefined && end < start) {
    throw new GradwireError('E_CONFIG', `--until, which is version ${end}, lies before --from, which is version ${start}`);
  }
  const reachesTime = until instanceof Date && (await versionBefore(path, until)) !== undefined;
  return {
    from: start,
    until: end,
    reached: (version) => (typeof until === 'number' ? version >= until : until && reachesTime),
  };
}

/** Says on standard error where the recording ended before `--until`. */
export function warnOfEnd({ reached }: Span, version: number): void {
  if (reached(version) === false) warn(`the recording ends at version ${version}, before --until`);
}

/** The first batch of a part of a recording. */
export async function firstBatch(
  path: string,
  part: { readonly from?: number | Date; readonly until?: number },
): Promise<RecordedBatch | undefined> {
  return await firstValueFrom(replay(path, part), { defaultValue: undefined });
}

/** Whether a version is in the recording, or just before it. */
export async function holds(path: string, version: number): Promise<boolean> {
  if (version === 0 || (await firstBatch(path, { from: version, until: version + 1 })) !== undefined) return true;
  return (await firstBatch(path, { from: version - 1, until: version })) !== undefined;
}

/** The version before the first batch written then or later; undefined where there is none. */
async function versionBefore(path: string, time: Date): Promise<number | undefined> {
  const batch = await firstBatch(path, { from: time });
  return batch && batch.version - 1;
}

function beyond(place: string, why: string): GradwireError {
  return new GradwireError('E_CONFIG', `--from ${place} lies beyond the end: ${why}`);
}
