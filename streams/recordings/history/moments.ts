// What a time stands for in a recording: a place between two versions.
import { chunksOf } from './chunks.ts';
import type { History } from './history.ts';

/**
 * The version before the first batch that was written at `timeMs` or after; the last one where there is none. Of each segment
 * up to there one chunk is read, and heads.
 *
 * @throws GradwireError the codes of `replay`.
 */
export async function versionBefore(history: History, timeMs: number): Promise<number> {
  let version = history.segments[0].firstVersion - 1;
  for await (const { firstVersion, times } of chunksOf(history, { before: ({ writtenMs }) => writtenMs < timeMs })) {
    const i = times.findIndex((each) => each >= timeMs);
    if (i >= 0) return firstVersion + i - 1;
    version = firstVersion + times.length - 1;
  }
  return version;
}
