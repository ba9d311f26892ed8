// What a path stands for, read with more patience than a reader has: damaged heads and strangers are findings, not the end.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { GradwireError, quote } from '../../../../src/errors.ts';
import { fileError } from '../../disk.ts';
import { historyOf } from '../../history/history.ts';
import { parseSegmentName, parseSnapshotName } from '../../history/names.ts';
import { demandSegments, epochName } from '../../journal/fence.ts';
import type { About } from '../../segment/about.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { SegmentReader } from '../../segment/reader.ts';
import type { Finding } from './findings.ts';

/** A segment by its head, or by its name where the head cannot be read. */
export interface SurveyedSegment {
  readonly path: string;
  readonly bytes: number;
  readonly firstVersion: number;
  readonly about: About | undefined;
}

/** What is to be verified. */
export interface Survey {
  readonly directory: string;
  /** In the order of the run; those from `count` on are witnesses, and not read. */
  readonly segments: readonly SurveyedSegment[];
  readonly count: number;
  /** What the newest readable segment says. */
  readonly about: About | undefined;
  /** Versions of the snapshots beside them, ascending. */
  readonly snapshots: readonly number[];
  /** Whether the snapshots are part of what is verified: for a directory they are. */
  readonly whole: boolean;
  readonly findings: readonly Finding[];
}

/** Finds what a path stands for, as `replay` does. Throws `E_FILE`, or `E_RECORDING` for a directory without a recording. */
export async function surveyOf(path: string): Promise<Survey> {
  const isDirectory = (await stat(path).catch((cause) => Promise.reject(fileError(path, cause)))).isDirectory();
  const directory = isDirectory ? path : dirname(resolve(path));
  const alone = !isDirectory && parseSegmentName(basename(path)) === undefined;
  const names = (await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)))).sort();
  const own = alone ? [basename(path)] : names.filter((name) => parseSegmentName(name) !== undefined);
  if (own.length === 0) {
    const text = `${quote(path)} has no segments (seg-….mcap); name a recording or its directory`;
    throw new GradwireError('E_RECORDING', text);
  }
  const found: SurveyedSegment[] = [];
  for (const name of own) found.push(await surveySegment(join(directory, name)));
  const about = aboutIn(found, isDirectory ? undefined : basename(path));
  const findings = isDirectory ? [...names.flatMap(strangerIn), ...(await claimIn(directory))] : [];
  const segments = found.filter((segment) => {
    const stranger = about === undefined || segment.about === undefined ? undefined : refusalOf(segment, found, about);
    // beside a named file, segments of other runs are none of its business
    if (stranger !== undefined && isDirectory) findings.push(stranger);
    return stranger === undefined;
  });
  const last = segments.findIndex(({ path: each }) => basename(each) === basename(path));
  return {
    directory,
    segments,
    count: isDirectory ? segments.length : last + 1,
    about,
    snapshots: alone ? [] : names.map(parseSnapshotName).filter((version) => version !== undefined),
    whole: isDirectory,
    findings,
  };
}

async function surveySegment(path: string): Promise<SurveyedSegment> {
  const { size } = await stat(path).catch((cause) => Promise.reject(fileError(path, cause)));
  try {
    const reader = await SegmentReader.open(path, 16 << 10);
    await reader.close();
    return { path, bytes: size, firstVersion: reader.about.firstVersion, about: reader.about };
  } catch (error) {
    if (!(error instanceof BadPlace) && !(error instanceof GradwireError && error.code === 'E_FORMAT')) throw error;
    const { firstVersion = 1 } = parseSegmentName(basename(path)) ?? {};
    return { path, bytes: size, firstVersion, about: undefined };
  }
}

/** The run's configuration: what the named segment says, or the newest that can be read. */
function aboutIn(segments: readonly SurveyedSegment[], name: string | undefined): About | undefined {
  const named = segments.find(({ path }) => basename(path) === name)?.about;
  return (
    named ??
    segments
      .map(({ about }) => about)
      .filter((each) => each !== undefined)
      .at(-1)
  );
}

/** Why a segment does not belong to the run, or undefined. */
function refusalOf(segment: SurveyedSegment, all: readonly SurveyedSegment[], about: About): Finding | undefined {
  const newest = all.find((each) => each.about === about);
  if (newest === undefined || segment === newest) return undefined;
  const asRead = (each: SurveyedSegment) => ({ ...each, epoch: each.about?.epoch ?? 0, problem: undefined });
  try {
    historyOf([asRead(segment), asRead(newest)], segment.path);
    return undefined;
  } catch (error) {
    if (!(error instanceof GradwireError)) throw error;
    return { severity: 'damage', file: basename(segment.path), code: error.code, text: error.text };
  }
}

const strangers: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\.broken$/, 'a torn tail that a trainer set aside'],
  [/\.tmp$/, 'a write that was never finished'],
  [/(?:)/, 'no file of a recording'],
];

/** What stands beside a recording and is known. */
const besides = ['trainer.pid', epochName];

/** What the claim of the last trainer says is missing. */
async function claimIn(directory: string): Promise<Finding[]> {
  try {
    await demandSegments(directory);
    return [];
  } catch (error) {
    if (!(error instanceof GradwireError) || error.code !== 'E_RECORDING_GAP') throw error;
    return [{ severity: 'damage', file: epochName, code: error.code, text: error.text }];
  }
}

/** The note for a name that is no part of a recording. */
function strangerIn(name: string): Finding[] {
  const known = parseSegmentName(name) !== undefined || parseSnapshotName(name) !== undefined || besides.includes(name);
  if (known) return [];
  const [, what] = strangers.find(([pattern]) => pattern.test(name)) ?? [];
  return [{ severity: 'note', file: name, text: `${what}; it was not looked at` }];
}
