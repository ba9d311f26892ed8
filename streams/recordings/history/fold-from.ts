// foldFrom: the state that a recording's batches are folded into: what it begins with, or a snapshot.
import { dirname, join } from 'node:path';
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
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
import { type History, readHistory, type Segment } from './history.ts';
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

/** Which state a fold starts from; the initial weights unless told. */
export interface FoldFromOptions {
  /** A snapshot of the same run. */
  readonly snapshot?: string;
  /** The newest sound snapshot beside the recording that is of this version or an earlier one; the initial weights where there is none. */
  readonly notAfter?: number;
}

/**
 * The state to fold a recording's batches into: its initial weights, the snapshot that it begins with, or another of the same run.
 *
 * @throws GradwireError `E_SNAPSHOT`; `E_RECORDING_GAP` for a recording that begins later than version 1 and brings no
 *   snapshot; `E_CONFIG` for options that do not do; the codes of {@link replay}.
 */
export async function foldFrom<Name extends string = string>(
  path: string,
  options: FoldFromOptions = {},
): Promise<FoldStart<Name>> {
  refuseUnknownOptions('foldFrom', options, ['snapshot', 'notAfter']);
  const { snapshot, notAfter } = options;
  if (snapshot !== undefined && notAfter !== undefined)
    throw new GradwireError('E_CONFIG', 'foldFrom takes a snapshot or notAfter, not both');
  const history = await readHistory(path);
  const start = snapshot === undefined ? startOfNewest(history, notAfter ?? 0) : startOfSnapshot(history, snapshot);
  return (await start) as FoldStart<Name>;
}

/** A fold's start from the newest snapshot up to a version that can be read, or from the initial weights. */
async function startOfNewest(history: History, notAfter: number): Promise<FoldStart> {
  const directory = dirname(history.segments[0].path);
  for (const version of history.snapshots.filter((each) => each <= notAfter).reverse()) {
    try {
      return await startOfSnapshot(history, join(directory, snapshotName(version)));
    } catch (error) {
      // damaged, or removed meanwhile by its trainer: an older one folds to the same bits
      if (!(error instanceof GradwireError)) throw error;
    }
  }
  return startOfInitial(history);
}

/** A fold's start from a snapshot. Throws `E_SNAPSHOT` or `E_FILE`. */
export async function startOfSnapshot({ about }: History, path: string): Promise<FoldStart> {
  return startOf(await readSnapshot(path, about), about);
}

/** A fold's start from what the recording brings: its initial weights, or the snapshot that it begins with. */
export async function startOfInitial(history: History): Promise<FoldStart> {
  const { about } = history;
  const { firstVersion } = firstOf(history);
  if (firstVersion !== 1) return startOf(await readStart(history), about);
  const { run, name, model, optimizer } = about;
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
