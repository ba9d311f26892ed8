// Where a fold of a recording's batches starts: what the recording begins with, or a snapshot beside it.
import { dirname, join } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import { decodeSnapshot, type Snapshot } from '../../../src/frames/snapshot.ts';
import { readWeights } from '../../../src/frames/weights.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import { Producers } from '../../../src/producers.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import { Tensors } from '../../../src/tensors.ts';
import { checkSnapshot, readSnapshot } from '../journal/snapshots.ts';
import type { About } from '../segment/about.ts';
import { BadPlace } from '../segment/bad-place.ts';
import { SegmentReader } from '../segment/reader.ts';
import type { History, Segment } from './history.ts';
import { snapshotName } from './names.ts';
import { corrupt } from './torn.ts';

/** Where a fold starts: `replay(path, { from: version, model })` gives the batches that follow. */
export interface FoldStart<Name extends string = string> {
  readonly run: string;
  /** The model's name. */
  readonly name: string;
  readonly model: Layout<Name>;
  /** The optimizer's configuration as recorded. */
  readonly optimizer: RMSpropConfig;
  /** For `optimizer.restore`, or the option `state` of the rmsprop operator. */
  readonly state: RMSpropState;
  readonly version: number;
  /** The published weights of a trainer whose encoding owed something then. */
  readonly published?: Tensors | undefined;
  readonly producers: Producers;
  /** Examples folded so far. */
  readonly examples: number;
  /** The epoch that the state is of. */
  readonly epoch: number;
}

/** Which start is looked for, and who hears of what was passed over. */
export interface NewestOptions {
  /** The start is of this version or an earlier one; any unless told. */
  readonly notAfter?: number;
  /** Told of each snapshot that could not be used, because it is damaged or was removed meanwhile. */
  readonly onDamaged?: (error: GradwireError) => void;
}

/**
 * The newest sound snapshot up to a version, else what the recording begins with, which may be later than asked.
 *
 * @throws GradwireError `E_RECORDING_GAP` where nothing leads to the first batch; `E_RECORDING_CORRUPT`, `E_FILE`.
 */
export async function newestStart(
  history: History,
  { notAfter = Number.POSITIVE_INFINITY, onDamaged }: NewestOptions = {},
): Promise<FoldStart> {
  const { segments, count, snapshots } = history;
  // a path of one segment stands for the run up to its end
  const last = Math.min(notAfter, count < segments.length ? segments[count].firstVersion - 1 : notAfter);
  const candidates = snapshots.filter((version) => version <= last && (version === notAfter || reaches(version, history)));
  return (await firstSound(history, candidates.reverse(), onDamaged)) ?? (await startOfRecording(history));
}

/** Whether no batch between a snapshot and the recording has been removed. */
function reaches(version: number, { segments }: History): boolean {
  return version + 1 >= segments[0].firstVersion;
}

/** The start from the first of these snapshots that is sound. An older one folds to the same bits. */
async function firstSound(
  history: History,
  versions: readonly number[],
  onDamaged?: (error: GradwireError) => void,
): Promise<FoldStart | undefined> {
  const directory = dirname(history.segments[0].path);
  for (const version of versions) {
    try {
      return await startOfSnapshot(history, join(directory, snapshotName(version)));
    } catch (error) {
      if (!(error instanceof GradwireError) || !(error.code === 'E_SNAPSHOT' || isGone(error))) throw error;
      onDamaged?.(error);
    }
  }
  return undefined;
}

/** Whether a file was removed, as a trainer removes old snapshots, after it had been listed. */
function isGone({ cause }: GradwireError): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

/** A fold's start from a snapshot. Throws `E_SNAPSHOT` or `E_FILE`. */
export async function startOfSnapshot({ about }: History, path: string): Promise<FoldStart> {
  return startOf(await readSnapshot(path, about), about);
}

/**
 * A fold's start from what the recording begins with: its initial weights, the snapshot in it, or, where its first segments have
 * been removed, the oldest sound snapshot from which on every batch is there.
 *
 * @throws GradwireError `E_RECORDING_GAP` where there is none of them; `E_RECORDING_CORRUPT`, `E_FILE`.
 */
export async function startOfRecording(history: History): Promise<FoldStart> {
  const { about } = history;
  if (firstOf(history).firstVersion === 1) return await startOfInitial(history);
  if (await hasStart(history)) return startOf(await readStart(history), about);
  const beside = history.snapshots.filter((version) => reaches(version, history));
  // where there is none, it says what is missing
  return (await firstSound(history, beside)) ?? startOf(await readStart(history), about);
}

async function startOfInitial(history: History): Promise<FoldStart> {
  const { run, name, model, optimizer } = history.about;
  const parameters = await readInitial(history);
  const initial = new Tensors(model, parameters);
  const state = new RMSprop(model, { ...optimizer, initial: Object.fromEntries(initial) }).state();
  return { run, name, model, optimizer, state, version: 0, producers: new Producers(), examples: 0, epoch: 1 };
}

/** The initial weights in layout order, of a recording that begins with version 1. Throws `E_RECORDING_CORRUPT`. */
export async function readInitial(history: History): Promise<Float32Array> {
  const { weights } = await readAttached(history, (frame) => {
    const found = readWeights(deserialize(frame));
    if (!sameLayout(found.weights.layout, history.about.model))
      throw new GradwireError('E_LAYOUT', 'the initial weights are of another model');
    return found;
  });
  return weights.flat;
}

/**
 * The snapshot that a recording begins with whose first version is a later one.
 *
 * @throws GradwireError `E_RECORDING_GAP` where it has none, `E_RECORDING_CORRUPT`.
 */
export async function readStart(history: History): Promise<Snapshot> {
  const { firstVersion } = firstOf(history);
  return await readAttached(history, (frame) => {
    const snapshot = checkSnapshot(decodeSnapshot(frame), history.about, 'the start');
    if (snapshot.version === firstVersion - 1) return snapshot;
    throw new GradwireError('E_SNAPSHOT', `the start is of version ${snapshot.version}, not of ${firstVersion - 1}`);
  });
}

/** Whether the recording brings what its first record is folded into. */
export async function hasStart(history: History): Promise<boolean> {
  return await withFirst(history, async ({ attachment }) => attachment !== undefined);
}

function startOf(snapshot: Snapshot, { name, model, optimizer }: About): FoldStart {
  const { run, epoch, version, state, published, producers, examples } = snapshot;
  return { run, name, model, optimizer, state, version, published, producers, examples, epoch };
}

/** The first segment that can be read: a history has one. */
function firstOf({ segments }: History): Segment {
  const [first] = segments.filter((segment) => segment.about !== undefined);
  return first;
}

async function withFirst<T>(history: History, use: (reader: SegmentReader) => Promise<T>): Promise<T> {
  const { path } = firstOf(history);
  const reader = await SegmentReader.open(path).catch((cause: unknown) => {
    throw cause instanceof BadPlace ? corrupt(cause, { path, version: 0 }, '', cause) : cause;
  });
  try {
    return await use(reader);
  } finally {
    await reader.close();
  }
}

async function readAttached<T>(history: History, read: (frame: Uint8Array) => T): Promise<T> {
  const { path, firstVersion } = firstOf(history);
  return await withFirst(history, async (reader) => {
    const { attachment } = reader;
    if (attachment === undefined) {
      const text = `${quote(path)} begins at version ${firstVersion}; give a snapshot of version ${firstVersion - 1} or later`;
      throw new GradwireError('E_RECORDING_GAP', text);
    }
    try {
      return read((await reader.attached()) as Uint8Array);
    } catch (cause) {
      if (cause instanceof GradwireError && cause.code === 'E_FILE') throw cause;
      const place = cause instanceof BadPlace ? cause : { message: String(cause), offset: attachment.offset };
      throw corrupt(place, { path, version: firstVersion - 1 }, '', cause);
    }
  });
}
