// The chunks of a history in order, from segment to segment: no version missing, none twice, every damage judged.
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { fileError } from '../disk.ts';
import type { About } from '../segment/about.ts';
import { BadPlace } from '../segment/bad-place.ts';
import { type RawChunk, SegmentReader } from '../segment/reader.ts';
import type { ChunkStart } from '../segment/seek.ts';
import { fencedFromOf } from './fenced.ts';
import type { History, Segment } from './history.ts';
import { parseSegmentName } from './names.ts';
import { judge, type TornTail, type Witnesses } from './torn.ts';

/** A chunk and the segment that it stands in. */
export interface PlacedChunk extends RawChunk {
  readonly path: string;
  readonly about: About;
}

/** How far reading has come. */
export interface ReadProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  /** The last version read. */
  readonly version: number;
}

/** Which chunks, and who is told what. */
interface ChunkOptions {
  /** Chunks that hold a later version than this one; all unless told. */
  readonly from?: number;
  /** No chunks that begin after this version. */
  readonly until?: number;
  /** Whether a chunk begins before what is sought: in each segment reading goes on from the last such chunk. None is passed over unless told. */
  readonly before?: (start: ChunkStart) => boolean;
  readonly progress?: (progress: ReadProgress) => void;
  /** Told of a tail that was torn off and never acknowledged. */
  readonly onTorn?: (tail: TornTail) => void;
  /** Told of each segment that was read to its end: the version that comes next, and whether it was closed. */
  readonly onSegment?: (segment: Segment, next: { readonly version: number; readonly closed: boolean }) => void;
}

/**
 * Reads the history's chunks.
 *
 * @throws GradwireError `E_RECORDING_CORRUPT` for damage to what had been acknowledged, `E_RECORDING_GAP` for versions that are
 *   in no segment.
 */
export async function* chunksOf(history: History, options: ChunkOptions = {}): AsyncGenerator<PlacedChunk, void, undefined> {
  const { from, until = Number.POSITIVE_INFINITY, onSegment } = options;
  const { segments, count } = history;
  if (count === 0) return;
  const first = startOf(history, from);
  const totalBytes = segments.slice(first, count).reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  let version = segments[first].firstVersion;
  let continues = false;
  for (let i = first; i < count && version <= until; i++) {
    const segment = segments[i];
    demandFirst(segment, version);
    const next: Next = { version, closed: false, continues: false };
    for await (const chunk of segmentChunks(history, i, { ...options, next })) {
      if (chunk.firstVersion > until) return;
      if (next.version - 1 > (from ?? 0)) yield chunk;
      options.progress?.({ bytes: before + chunk.offset, totalBytes, version: next.version - 1 });
    }
    before += segment.bytes;
    version = next.version;
    continues = next.continues;
    onSegment?.(segment, next);
    options.progress?.({ bytes: before, totalBytes, version: version - 1 });
  }
  if (version <= until) await demandEnd(history, { version, continues });
}

/** Where reading stands after a segment's last chunk. */
interface Next {
  /** The version that comes next. */
  version: number;
  closed: boolean;
  /** Whether the segment's end says that another follows. */
  continues: boolean;
}

/** The chunks of one segment; `next` is kept up to date. */
async function* segmentChunks(
  history: History,
  i: number,
  { next, onTorn, before }: ChunkOptions & { next: Next },
): AsyncGenerator<PlacedChunk, void, undefined> {
  const { path, problem } = history.segments[i];
  const fencedFrom = fencedFromOf(history.segments, i);
  let reader: SegmentReader | undefined;
  let soundUpTo = 0;
  try {
    if (problem !== undefined) throw problem;
    reader = await SegmentReader.open(path);
    const { about } = reader;
    if (before !== undefined) soundUpTo = (await reader.seek(before)) ?? 0;
    next.version = reader.version;
    for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
      const records = chunk.records.slice(0, Math.max(0, fencedFrom - chunk.firstVersion));
      next.version = chunk.firstVersion + records.length;
      soundUpTo = chunk.end;
      if (records.length > 0) yield { ...chunk, records, path, about };
      if (records.length < chunk.records.length) return onTorn?.(fencedTail(chunk, reader, { version: next.version, path }));
    }
    next.closed = reader.closed;
    next.continues = reader.continues;
  } catch (error) {
    if (!(error instanceof BadPlace)) throw error;
    const { version } = next;
    // judged whether or not anybody listens: damage to what was acknowledged throws
    const tail = await judgeIn(history, i, error, { version, soundUpTo, byteLength: reader?.size ?? history.segments[i].bytes });
    onTorn?.(tail);
  } finally {
    await reader?.close();
  }
}

function fencedTail(
  { offset }: RawChunk,
  { size }: SegmentReader,
  { version, path }: Pick<TornTail, 'version' | 'path'>,
): TornTail {
  return { path, offset, byteLength: size - offset, version, reason: 'its trainer wrote on after another had taken over' };
}

function judgeIn(
  { about, segments, snapshots }: History,
  i: number,
  place: BadPlace,
  found: Pick<Witnesses, 'version' | 'soundUpTo' | 'byteLength'>,
): Promise<TornTail> {
  const nextVersion = segments[i + 1]?.firstVersion;
  return judge(place, { ...found, path: segments[i].path, run: about.run, nextVersion, snapshotVersion: snapshots.at(-1) ?? 0 });
}

/** The segment that holds the version after `from`. */
function startOf({ segments }: History, from: number | undefined): number {
  if (from === undefined) return 0;
  const start = segments.filter(({ firstVersion }) => firstVersion <= from + 1).length - 1;
  if (start >= 0) return start;
  const { path, firstVersion } = segments[0];
  throw gap(
    `${quote(basename(path))} begins at version ${firstVersion}, versions ${from + 1} to ${firstVersion - 1} are missing`,
  );
}

function demandFirst({ path, firstVersion }: Segment, version: number): void {
  if (firstVersion === version) return;
  const name = quote(basename(path));
  if (firstVersion > version)
    throw gap(`have ..${version - 1} and, in ${name}, ${firstVersion}.., missing ${firstVersion - version} versions`);
  throw new GradwireError(
    'E_RECORDING_CORRUPT',
    `${name} begins at version ${firstVersion}, which the segments before it hold too`,
  );
}

/** What comes after the last segment read must not begin later than it ends, and must be there where it says so. */
async function demandEnd(
  { segments, count, snapshots, directory }: History,
  { version, continues }: Omit<Next, 'closed'>,
): Promise<void> {
  const next = segments[count];
  if (next !== undefined) demandFirst(next, version);
  const newest = snapshots.at(-1) ?? 0;
  if (next === undefined && newest >= version) {
    throw gap(`the recording ends at version ${version - 1}, the newest snapshot is of version ${newest}`);
  }
  if (next !== undefined || !continues || directory === undefined) return;
  // a run that is being written may have begun it since the directory was read
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  if (names.some((name) => parseSegmentName(name)?.firstVersion === version)) return;
  throw gap(`the segment that begins with version ${version} is missing`);
}

function gap(text: string): GradwireError {
  return new GradwireError('E_RECORDING_GAP', `${text}; restore the missing segments`);
}
