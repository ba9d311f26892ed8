// Recovery: what a run's directory says about where it stands, before anything new is written to it.
import { GradwireError, quote } from '../../../src/errors.ts';
import { syncFile } from '../disk.ts';
import { findEnd } from '../history/end.ts';
import { type History, historyOf, listSnapshots, readSegments, type Segment } from '../history/history.ts';
import { type FoldStart, newestStart } from '../history/start.ts';
import { judge, type TornTail } from '../history/torn.ts';
import { demandSegments } from './fence.ts';

/** Where a run stands. */
export interface Recovered {
  readonly history: History;
  /** The last version in the recording. */
  readonly lastVersion: number;
  /** The highest epoch of any segment, also of one that was cut off in its head. */
  readonly lastEpoch: number;
  /** The newest sound snapshot, or what the recording begins with. */
  readonly start: FoldStart;
  /** Unfinished last writes, which nobody was told of. */
  readonly torn: readonly TornTail[];
  /** Snapshots that were passed over, and why. */
  readonly damagedSnapshots: readonly GradwireError[];
}

/** A directory in which no run has begun, and what a process that died while beginning one left there. */
export type Untouched = Pick<Recovered, 'lastEpoch' | 'torn'> & { readonly history: undefined };

/**
 * Reads where the run in a directory stands; the heads of segments that are `known` are not read again.
 *
 * @throws GradwireError `E_RECORDING_CORRUPT`, `E_RECORDING_GAP`, `E_RECORDING`, `E_FORMAT`, `E_FILE`.
 */
export async function recover(directory: string, known?: readonly Segment[]): Promise<Recovered | Untouched> {
  await demandSegments(directory);
  const snapshots = await listSnapshots(directory);
  const segments = await readSegments(directory, known);
  const lastEpoch = segments.reduce((most, { epoch }) => Math.max(most, epoch), 0);
  if (segments.every(({ about }) => about === undefined)) {
    return { history: undefined, lastEpoch, torn: await judgeHeads(segments, snapshots, directory) };
  }
  const history = { ...historyOf(segments, directory), directory, snapshots };
  const { lastVersion, torn } = await findEnd(history);
  const damagedSnapshots: GradwireError[] = [];
  const start = await newestStart(history, { onDamaged: (error) => damagedSnapshots.push(error) });
  return { history, lastVersion, lastEpoch, start, torn, damagedSnapshots };
}

/** Makes what was read durable: its process may have died between a write and its sync. */
export async function syncSegments({ segments }: History): Promise<void> {
  for (const { path } of segments) await syncFile(path);
}

/** Segments without a head: each was cut off before anything could be acknowledged, or it is damaged. */
async function judgeHeads(segments: readonly Segment[], snapshots: readonly number[], directory: string): Promise<TornTail[]> {
  const snapshotVersion = snapshots.at(-1) ?? 0;
  const torn: TornTail[] = [];
  for (const { path, bytes, problem, firstVersion } of segments) {
    const version = firstVersion;
    const witnesses = { path, byteLength: bytes, soundUpTo: 0, run: undefined, version, nextVersion: undefined, snapshotVersion };
    if (problem !== undefined) torn.push(await judge(problem, witnesses));
  }
  if (snapshotVersion === 0) return torn;
  const text = `${quote(directory)} has a snapshot of version ${snapshotVersion} and no recording; restore the recording`;
  throw new GradwireError('E_RECORDING_GAP', text);
}
