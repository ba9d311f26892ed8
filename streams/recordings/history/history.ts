// The segments of a run and the snapshots beside them, in order: what a path of a file or a directory stands for.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { sameLayout } from '../../../src/layout.ts';
import { fileError } from '../disk.ts';
import type { About } from '../segment/about.ts';
import { BadPlace } from '../segment/bad-place.ts';
import { SegmentReader } from '../segment/reader.ts';
import { parseSegmentName, parseSnapshotName } from './names.ts';

/** A segment by what its head says, or by its name where the head is damaged. */
export interface Segment {
  readonly path: string;
  readonly bytes: number;
  readonly epoch: number;
  readonly firstVersion: number;
  /** Undefined where the head cannot be read. */
  readonly about: About | undefined;
  readonly problem: BadPlace | undefined;
}

/** A run on disk. */
export interface History {
  /** What the newest readable segment that the path stands for says: run, model, optimizer, all epochs. */
  readonly about: About;
  /** In the order of the run. */
  readonly segments: readonly Segment[];
  /** How many of them the path stands for; those after them are known, and not read. */
  readonly count: number;
  /** The directory, where the path stands for all that is in it; undefined where it is one file. */
  readonly directory: string | undefined;
  /** Versions of the snapshots in the directory, ascending. */
  readonly snapshots: readonly number[];
}

/**
 * The history that a path stands for: a directory's whole run; a segment in its directory, with those of its run before it;
 * or one file alone.
 *
 * @throws GradwireError `E_FILE`, `E_FORMAT`, or `E_RECORDING` for what is no recording.
 */
export async function readHistory(path: string): Promise<History> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    (cause) => Promise.reject(fileError(path, cause)),
  );
  // before the segments: a run that is being written may make a snapshot of a later version meanwhile
  const snapshots = await listSnapshots(isDirectory ? path : dirname(resolve(path)));
  if (isDirectory) {
    const segments = await readSegments(path);
    if (segments.length === 0)
      throw new GradwireError('E_RECORDING', `${quote(path)} has no segments (seg-….mcap); name a recording or its directory`);
    return { ...historyOf(segments, path), directory: path, snapshots };
  }
  const own = await readSegment(path);
  if (parseSegmentName(basename(path)) === undefined || own.about === undefined) return historyOf([own], path);
  const { run } = own.about;
  const directory = dirname(resolve(path));
  const siblings = (await readSegments(directory)).filter(({ about }) => about === undefined || about.run === run);
  const count = siblings.findIndex((segment) => basename(segment.path) === basename(path)) + 1;
  return { ...historyOf(siblings, path), about: own.about, count, snapshots };
}

/** The segments in a directory, in the order of their names; the heads of those that are `known` are not read again, for they never change. */
export async function readSegments(directory: string, known: readonly Segment[] = []): Promise<Segment[]> {
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  const segments: Segment[] = [];
  for (const name of names.filter((each) => parseSegmentName(each) !== undefined).sort()) {
    const path = join(directory, name);
    const before = known.find((segment) => segment.path === path && segment.about !== undefined);
    segments.push(before === undefined ? await readSegment(path) : { ...before, bytes: await bytesOf(path) });
  }
  return segments;
}

/** The versions of the snapshots in a directory, ascending. */
export async function listSnapshots(directory: string): Promise<number[]> {
  const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
  return names
    .map(parseSnapshotName)
    .filter((version) => version !== undefined)
    .sort((a, b) => a - b);
}

/**
 * Segments as one history.
 *
 * @throws GradwireError `E_RECORDING` where none of them can be read, or where they are not of one run.
 */
export function historyOf(segments: readonly Segment[], path: string): History {
  const about = segments
    .map((segment) => segment.about)
    .filter((each) => each !== undefined)
    .at(-1);
  if (about === undefined)
    throw new GradwireError('E_RECORDING', `${quote(path)} is no recording: ${segments[0]?.problem?.message}`);
  for (const segment of segments) {
    if (segment.about !== undefined) demandSameRun(segment.about, about, segment.path);
  }
  return { about, segments, count: segments.length, directory: undefined, snapshots: [] };
}

async function bytesOf(path: string): Promise<number> {
  return (await stat(path).catch((cause) => Promise.reject(fileError(path, cause)))).size;
}

async function readSegment(path: string): Promise<Segment> {
  // before the head is read: one that is being written has no record up to here if it has no head yet
  const size = await bytesOf(path);
  // only the head: the pieces that the records are read in would be a waste here
  const headBytes = 16 << 10;
  try {
    const reader = await SegmentReader.open(path, headBytes);
    await reader.close();
    const { epoch, firstVersion } = reader.about;
    return { path, bytes: reader.size, epoch, firstVersion, about: reader.about, problem: undefined };
  } catch (problem) {
    if (!(problem instanceof BadPlace)) throw problem;
    const { epoch = 0, firstVersion = 1 } = parseSegmentName(basename(path)) ?? {};
    return { path, bytes: size, epoch, firstVersion, about: undefined, problem };
  }
}

function demandSameRun(found: About, expected: About, path: string): void {
  const different =
    found.run !== expected.run
      ? `belongs to the run ${found.run}, others to ${expected.run}`
      : found.name !== expected.name || !sameLayout(found.model, expected.model)
        ? 'has another model than the others'
        : JSON.stringify(found.optimizer) !== JSON.stringify(expected.optimizer)
          ? 'has another optimizer than the others'
          : undefined;
  if (different !== undefined)
    throw new GradwireError('E_RECORDING', `the segment ${quote(basename(path))} ${different}; keep one run in a directory`);
}
