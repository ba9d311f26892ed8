// Conversions between files: a layers model of TensorFlow.js, which is several files, and a safetensors file.
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { GradwireError, quote } from '../../src/errors.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { type LayersFiles, modelOfSafetensors, safetensorsOfModel } from '../tfjs/index.ts';
import { readBytes } from './model.ts';
import { writeWhole } from './output.ts';

/** What was converted. */
export interface Converted {
  readonly out: string;
  readonly format: 'safetensors' | 'layers-model';
  readonly tensors: number;
  readonly bytes: number;
  readonly files: readonly string[];
}

const manyTensors = { headerBytes: 64 << 20, tensors: 100_000 };

/**
 * Converts a layers model (its `model.json`, or the directory with it) to a `.safetensors` file, or a safetensors file to a layers model.
 *
 * @throws GradwireError `E_CONFIG` for two names of one kind, `E_FILE`, and what a conversion refuses.
 */
export async function convert(from: string, to: string, topology: string | undefined): Promise<Converted> {
  const [fromModel, toModel] = [await isModel(from), !to.endsWith('.safetensors')];
  if (fromModel === toModel) {
    const both = fromModel ? 'both are layers models' : 'both are safetensors files';
    throw new GradwireError(
      'E_CONFIG',
      `convert takes a layers model (a directory or model.json) and a .safetensors file; ${both}`,
    );
  }
  if (fromModel && topology !== undefined)
    throw new GradwireError('E_CONFIG', '--topology is for weights that become a layers model');
  return fromModel ? await toSafetensors(modelPath(from), to) : await toLayersModel(from, modelPath(to), topology);
}

async function toSafetensors(path: string, out: string): Promise<Converted> {
  const bytes = safetensorsOfModel(await readModel(path));
  await writeWhole(out, bytes);
  const tensors = deserialize(bytes, manyTensors).tensors.size;
  return { out, format: 'safetensors', tensors, bytes: bytes.byteLength, files: [out] };
}

async function toLayersModel(path: string, out: string, topology: string | undefined): Promise<Converted> {
  const text = topology === undefined ? undefined : await readFileText(modelPath(topology));
  const { model, shards } = modelOfSafetensors(await readBytes(path), text);
  const directory = dirname(out);
  await mkdir(directory, { recursive: true }).catch((cause: Error) => {
    throw new GradwireError('E_FILE', `cannot make ${quote(directory)}: ${cause.message}`, { cause });
  });
  const files = [...shards].map(([name, bytes]) => [join(directory, name), bytes] as const);
  // model.json last: it is what readers look for
  for (const [file, bytes] of files) await writeWhole(file, bytes);
  const json = new TextEncoder().encode(model);
  await writeWhole(out, json);
  const { weightsManifest } = JSON.parse(model) as { weightsManifest: { weights: unknown[] }[] };
  return {
    out,
    format: 'layers-model',
    tensors: weightsManifest[0].weights.length,
    bytes: files.reduce((sum, [, { byteLength }]) => sum + byteLength, json.byteLength),
    files: [out, ...files.map(([file]) => file)],
  };
}

/** The text of a `model.json` and the files beside it that it names; names that lead elsewhere are refused. */
async function readModel(path: string): Promise<LayersFiles> {
  const model = await readFileText(path);
  const directory = resolve(dirname(path));
  const shards = new Map<string, Uint8Array>();
  for (const name of pathsIn(model)) {
    const file = resolve(directory, name);
    if (!file.startsWith(directory + sep))
      throw new GradwireError('E_FORMAT', `the model names weights outside of its directory: ${quote(name)}`);
    shards.set(name, await readBytes(file));
  }
  return { model, shards };
}

function pathsIn(model: string): string[] {
  try {
    const { weightsManifest = [] } = JSON.parse(model) as { weightsManifest?: { paths?: unknown[] }[] };
    return weightsManifest.flatMap(({ paths = [] }) => paths).filter((path) => typeof path === 'string');
  } catch {
    // whoever reads it as a model says what it is
    return [];
  }
}

async function readFileText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: Error) => {
    throw new GradwireError('E_FILE', `cannot read ${quote(path)}: ${cause.message}`, { cause });
  });
}

async function isModel(path: string): Promise<boolean> {
  if (path.endsWith('.json')) return true;
  const found = await stat(path).catch((cause: Error) => {
    throw new GradwireError('E_FILE', `cannot read ${quote(path)}: ${cause.message}`, { cause });
  });
  return found.isDirectory();
}

function modelPath(path: string): string {
  return path.endsWith('.json') ? path : join(path, 'model.json');
}
