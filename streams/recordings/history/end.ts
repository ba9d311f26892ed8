// The end of a history, found by reading its last segment alone.
import { chunksOf } from './chunks.ts';
import type { History, Segment } from './history.ts';
import type { TornTail } from './torn.ts';

/**
 * The last version of the history: one below its first where it has no batch. Nothing is decoded.
 *
 * @throws GradwireError `E_RECORDING_CORRUPT`, `E_RECORDING_GAP`.
 */
export async function findEnd(history: History): Promise<{ lastVersion: number; torn: TornTail[] }> {
  const last = history.segments
    .slice(0, history.count)
    .map(({ about }) => about !== undefined)
    .lastIndexOf(true);
  const segments = history.segments.slice(last);
  let lastVersion = 0;
  const torn: TornTail[] = [];
  const onSegment = (_: Segment, { version }: { version: number }): void => {
    lastVersion = version - 1;
  };
  const count = history.count - last;
  const chunks = chunksOf({ ...history, segments, count }, { onSegment, onTorn: (tail) => torn.push(tail) });
  // whoever folds the records decodes them
  while ((await chunks.next()).done !== true);
  return { lastVersion, torn };
}
