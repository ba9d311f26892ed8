// exportArrays: parameters, state or gradients of a recording or a safetensors file as NumPy's .npz or as .safetensors.
import { readFile } from 'node:fs/promises';
import { bytesOf } from '../../../../src/digest.ts';
import { GradwireError, quote, refuseUnknownOptions } from '../../../../src/errors.ts';
import { deserialize, type Safetensors, type Tensor } from '../../../../src/frames/safetensors.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../../../src/frames/snapshot.ts';
import { encodeWeights, readWeights } from '../../../../src/frames/weights.ts';
import { fileError } from '../../disk.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { isRecording } from '../../history/is-recording.ts';
import { restore } from '../restore.ts';
import type { ArrayFile, ArraySource } from './array.ts';
import { recordedGradients } from './gradients.ts';
import { NpzFile } from './npz.ts';
import { SafetensorsFile } from './safetensors.ts';

/** What is exported, and to where. */
export interface ExportOptions {
  /** The file to write; its extension, `.npz` or `.safetensors`, is its format. One that exists is replaced. */
  readonly out: string;
  /** `parameters` unless told; `state` adds accumulators and all other slots, `gradients` are those of batches. */
  readonly what?: 'parameters' | 'state' | 'gradients';
  /** Of a recording: the version of the parameters or the state; the newest unless told. */
  readonly version?: number;
  /** Of a recording's gradients: the first version; the recording's own unless told. */
  readonly from?: number;
  /** Of a recording's gradients: the last version. */
  readonly until?: number;
  readonly progress?: (progress: ReadProgress) => void;
}

/** What was written. */
export interface Exported {
  readonly out: string;
  readonly what: 'parameters' | 'state' | 'gradients';
  /** Of parameters and state, where it is known. */
  readonly version: number | undefined;
  readonly arrays: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  /** Of the arrays' data. */
  readonly bytes: number;
}

const limits = { headerBytes: 64 << 20, tensors: 1_000_000 };
const choices = ['parameters', 'state', 'gradients'];

/**
 * Writes arrays of a recording, or of a snapshot, weights or gradients file. Gradients of a recording are stacked as
 * `[versions, …shape]` with an array `versions` beside them, one batch in memory at a time.
 *
 * @throws GradwireError `E_CONFIG` for options that do not fit together; `E_RECORDING` for versions that are not there, and
 *   batches with rows or without some tensor; `E_FILE`, `E_DTYPE`, and the codes of {@link replay} and of frames.
 */
export async function exportArrays(path: string, options: ExportOptions): Promise<Exported> {
  refuseUnknownOptions('export', options, ['out', 'what', 'version', 'from', 'until', 'progress']);
  const { out, what = 'parameters' } = options;
  refuseOptions(options, what);
  const source = (await isRecording(path)) ? await recorded(path, what, options) : await inFile(path, what, options);
  const { arrays, metadata, version } = source;
  const file: ArrayFile = out.endsWith('.npz')
    ? await NpzFile.create(out, arrays)
    : await SafetensorsFile.create(out, arrays, metadata);
  try {
    await source.fill(file);
    await file.finish();
  } catch (error) {
    await file.abandon();
    throw error;
  }
  const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { out, what, version, arrays: arrays.map(({ name, dtype, shape }) => ({ name, dtype, shape })), bytes };
}

function refuseOptions({ out, version, from, until }: ExportOptions, what: string): void {
  const wrong = !/\.(npz|safetensors)$/.test(String(out))
    ? `out must end in .npz or .safetensors; got ${quote(String(out))}`
    : !choices.includes(what)
      ? `what must be one of ${choices.join(', ')}; got ${quote(String(what))}`
      : what === 'gradients' && version !== undefined
        ? 'version is for parameters and state; gradients take from and until'
        : what !== 'gradients' && (from ?? until) !== undefined
          ? `from and until are for gradients; ${what} take version`
          : undefined;
  if (wrong !== undefined) throw new GradwireError('E_CONFIG', wrong);
}

async function recorded(path: string, what: string, options: ExportOptions): Promise<ArraySource> {
  const { version, progress } = options;
  if (what === 'gradients') return await recordedGradients(path, options);
  return snapshotSource(await restore(path, { version, progress }), what);
}

async function inFile(path: string, what: string, { version, from, until }: ExportOptions): Promise<ArraySource> {
  if ((version ?? from ?? until) !== undefined)
    throw new GradwireError('E_CONFIG', `version, from and until are for recordings; ${quote(path)} is none`);
  const bytes = await readFile(path).catch((cause) => Promise.reject(fileError(path, cause)));
  const file = deserialize(bytes, limits);
  const { gradwire, kind } = file.metadata;
  const isFrame = gradwire !== undefined;
  if (isFrame && kind === 'snapshot' && what !== 'gradients') return snapshotSource(decodeSnapshot(bytes), what);
  if (isFrame && kind === 'weights' && what === 'parameters') {
    const { header } = readWeights(file);
    return tensorsOf(file, file.metadata, header.version);
  }
  if (isFrame && kind === 'gradients' && what === 'gradients') return tensorsOf(file, file.metadata, undefined);
  if (!isFrame && what === 'parameters') return tensorsOf(file, file.metadata, undefined);
  const found = isFrame ? `a ${kind} frame` : 'a safetensors file of no kind of ours';
  throw new GradwireError('E_CONFIG', `${quote(path)} is ${found}, which has no ${what} to export`);
}

/** The parameters as a weights frame has them, or all tensors of the state. */
function snapshotSource(snapshot: Snapshot, what: string): ArraySource {
  const { model, run, epoch, version, parameters } = snapshot;
  if (what === 'parameters') {
    const file = deserialize(encodeWeights({ model, run, epoch, version }, parameters), limits);
    return tensorsOf(file, file.metadata, version);
  }
  const file = deserialize(encodeSnapshot(snapshot), limits);
  // without its windows it is no snapshot any more, so it does not claim to be one
  const { gradwire, kind, check, producers, ...metadata } = file.metadata;
  return tensorsOf(file, metadata, version);
}

function tensorsOf({ tensors }: Safetensors, metadata: Safetensors['metadata'], version: number | undefined): ArraySource {
  const chosen: [string, Tensor][] = [...tensors].filter(([name]) => !name.startsWith('#'));
  return {
    arrays: chosen.map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, byteLength: data.byteLength })),
    metadata,
    version,
    fill: async (file) => {
      for (const [i, [, { data }]] of chosen.entries()) await file.append(i, bytesOf(data));
    },
  };
}
