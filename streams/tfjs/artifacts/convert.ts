// A layers model's artifacts to a safetensors buffer, and a safetensors buffer to a layers model's artifacts.
import { GradwireError, quote } from '../../../src/errors.ts';
import { deserialize, serialize, type Tensor } from '../../../src/frames/safetensors.ts';
import { readManifest, type WeightSpec } from './manifest.ts';
import { readWeights } from './weights.ts';

const limits = { headerBytes: 64 << 20, tensors: 100_000 };
// what is not a tensor of a model.json, in the metadata of the safetensors buffer
const restKey = 'tfjs';
const groupsKey = 'tfjs.groups';

// as TF.js' own converter cuts them
const shardBytes = 4 << 20;

/** A `model.json` and the files of weights beside it. */
export interface LayersFiles {
  /** The text of `model.json`. */
  readonly model: string;
  /** The files that its manifest names, by their paths. */
  readonly shards: ReadonlyMap<string, Uint8Array>;
}

/**
 * A safetensors buffer of a layers model's weights, an optimizer's included, under their names; everything else of `model.json` is
 * kept in its metadata. Quantized weights come out as TF.js itself reads them.
 *
 * @throws GradwireError `E_FORMAT` for what is no layers model, `E_FILE` where a file is missing, `E_DTYPE` for a weight that safetensors
 *   or this cannot hold, `E_ST_…` for a name that it cannot.
 */
export function safetensorsOfModel({ model, shards }: LayersFiles): Uint8Array<ArrayBuffer> {
  const { groups, rest } = readManifest(model);
  const tensors = groups.flatMap(({ paths, weights }) =>
    readWeights(weights, joined(paths.map((path) => shardOf(shards, path)))),
  );
  const grouped = groups.flatMap(({ weights }) => weights).filter(({ group }) => group !== undefined);
  const metadata: Record<string, string> = { [restKey]: JSON.stringify(rest) };
  if (grouped.length > 0)
    metadata[groupsKey] = JSON.stringify(Object.fromEntries(grouped.map(({ name, group }) => [name, group])));
  return serialize(tensors, metadata, limits);
}

/**
 * A layers model's files from a safetensors buffer: one that {@link safetensorsOfModel} made, or any other, as a weights frame or a
 * snapshot, with the `topology` of the text of a `model.json`, whose weights it must have, and of which it may have more.
 *
 * @throws GradwireError `E_ST_…` for the buffer, `E_FORMAT` where there is no topology, `E_WEIGHTS` where it asks for other weights,
 *   `E_DTYPE` for a tensor that TF.js has no type for.
 */
export function modelOfSafetensors(buffer: Uint8Array, topology?: string): LayersFiles {
  const { metadata, tensors } = deserialize(buffer, limits);
  const expected = topology === undefined ? undefined : readManifest(topology);
  if (expected === undefined && metadata[restKey] === undefined)
    throw new GradwireError(
      'E_FORMAT',
      'these weights say nothing of the model that they are of; give its model.json as topology',
    );
  const rest = expected?.rest ?? (JSON.parse(metadata[restKey]) as Record<string, unknown>);
  const groups = JSON.parse(metadata[groupsKey] ?? '{}') as Record<string, string>;
  const chosen =
    expected === undefined
      ? [...tensors]
      : chosenFor(
          expected.groups.flatMap(({ weights }) => weights),
          tensors,
        );
  const weights = chosen.map(([name, tensor]) => specOf(name, tensor, groups[name]));
  const bytes = joined(chosen.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
  const count = Math.max(1, Math.ceil(bytes.byteLength / shardBytes));
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const shards = new Map(paths.map((path, i) => [path, bytes.subarray(i * shardBytes, (i + 1) * shardBytes)]));
  return { model: JSON.stringify({ ...rest, weightsManifest: [{ paths, weights }] }), shards };
}

// an optimizer's weights belong to the training that the topology is of, not to these
function chosenFor(specs: readonly WeightSpec[], tensors: ReadonlyMap<string, Tensor>): [string, Tensor][] {
  return specs
    .filter(({ group }) => group !== 'optimizer')
    .map(({ name, shape }) => {
      const tensor = tensors.get(name);
      if (tensor !== undefined && JSON.stringify(tensor.shape) === JSON.stringify(shape)) return [name, tensor];
      const found = tensor === undefined ? 'missing' : `[${tensor.shape}]`;
      throw new GradwireError(
        'E_WEIGHTS',
        `the model's weight ${quote(name)} is [${shape}], here it is ${found}; nothing was written`,
      );
    });
}

function specOf(name: string, { dtype, shape }: Tensor, group: string | undefined): WeightSpec {
  const type = { F32: 'float32', I32: 'int32', BOOL: 'bool' }[dtype as string];
  if (type === undefined)
    throw new GradwireError('E_DTYPE', `the tensor ${quote(name)} is ${dtype}; TensorFlow.js takes F32, I32 and BOOL`);
  return { name, shape, dtype: type, ...(group === undefined ? {} : { group }) };
}

function shardOf(shards: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const shard = shards.get(path);
  if (shard === undefined) throw new GradwireError('E_FILE', `the model's weights in ${quote(path)} are missing`);
  return shard;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
