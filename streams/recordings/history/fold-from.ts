// foldFrom: the state that a recording's batches are folded into: its initial weights, or a snapshot.
import { dirname, join } from 'node:path';
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import { readWeights } from '../../../src/frames/weights.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import { Producers } from '../../../src/producers.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import { Tensors } from '../../../src/tensors.ts';
import { readSnapshot } from '../journal/snapshots.ts';
import { BadPlace } from '../segment/bad-place.ts';
import { SegmentReader } from '../segment/reader.ts';
import { type History, readHistory } from './history.ts';
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
 * The state to fold a recording's batches into: its initial weights, or those of a snapshot of the same run.
 *
 * @throws GradwireError `E_SNAPSHOT`; `E_RECORDING_GAP` for a recording that does not begin with version 1 and needs a
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
  const { run, epoch, version, state, producers, examples } = await readSnapshot(path, about);
  const { name, model, optimizer } = about;
  return { run, name, model, optimizer, state, version, producers, examples, epoch };
}

/** A fold's start from the recording's initial weights. */
export async function startOfInitial(history: History): Promise<FoldStart> {
  const { run, name, model, optimizer } = history.about;
  const parameters = await readInitial(history);
  const initial = new Tensors(model, parameters);
  const state = new RMSprop(model, { ...optimizer, initial: Object.fromEntries(initial) }).state();
  return { run, name, model, optimizer, state, version: 0, producers: new Producers(), examples: 0, epoch: 1 };
}

/** The initial weights in layout order. Throws `E_RECORDING_GAP`, `E_RECORDING_CORRUPT`. */
export async function readInitial({ about, segments }: History): Promise<Float32Array> {
  const [first] = segments.filter((segment) => segment.about !== undefined);
  const { path, firstVersion } = first;
  if (firstVersion !== 1) {
    throw new GradwireError(
      'E_RECORDING_GAP',
      `${quote(path)} begins at version ${firstVersion}; give a snapshot of version ${firstVersion - 1} or later`,
    );
  }
  let reader: SegmentReader | undefined;
  try {
    reader = await SegmentReader.open(path);
    const frame = await reader.initial();
    const { weights } = readWeights(deserialize(frame ?? new Uint8Array()));
    if (!sameLayout(weights.layout, about.model)) throw new GradwireError('E_LAYOUT', 'the initial weights are of another model');
    return weights.flat;
  } catch (cause) {
    const place = cause instanceof BadPlace ? cause : { message: String(cause), offset: reader?.attachment?.offset ?? 0 };
    throw corrupt(place, { path, version: 0 }, '', cause);
  } finally {
    await reader?.close();
  }
}
