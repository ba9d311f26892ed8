// A safetensors file described: a frame of ours by its metadata, any other by its tensors.
import { GradwireError } from '../../../src/errors.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import { readBytes } from '../model.ts';
import { bytes } from '../output.ts';
import { statisticsOf } from '../statistics.ts';
import type { Description } from './recording.ts';

// what may be long in the metadata of a snapshot, and is shown in another form or not at all
const long = ['producers', 'folded'];

/** Describes a safetensors file. Throws `E_FILE` or `E_ST_…`. */
export async function inspectSafetensors(path: string): Promise<Description> {
  const contents = await readBytes(path);
  const { metadata, tensors } = deserialize(contents, { headerBytes: 64 << 20, tensors: 1_000_000 });
  const { gradwire, kind, ...rest } = metadata;
  const shown = Object.entries(rest).filter(([name]) => !long.includes(name) && name !== 'what');
  const facts = Object.fromEntries(shown.map(([name, value]) => [name, gradwire === undefined ? value : readValue(name, value)]));
  return {
    what: gradwire === undefined ? 'safetensors' : `${kind} frame`,
    ...facts,
    producers: producersIn(metadata),
    bytes: contents.byteLength,
    size: bytes(contents.byteLength),
    tensors: [...tensors]
      .filter(([name]) => !name.startsWith('#'))
      .map(([name, tensor]) => ({ name, dtype: tensor.dtype, shape: tensor.shape, ...statisticsOf(tensor) })),
  };
}

function listIn(producers: string): [string, number, number, number][] {
  try {
    const list = JSON.parse(producers) as [string, number, number, number][];
    if (Array.isArray(list) && list.every((each) => Array.isArray(each) && each.length === 4)) return list;
  } catch (cause) {
    throw new GradwireError('E_FRAME', `the snapshot's "producers" are no JSON`, { cause });
  }
  throw new GradwireError('E_FRAME', `the snapshot's "producers" are not a list of producers`);
}

function producersIn({ kind, producers }: Readonly<Record<string, string>>): Description['producers'] {
  if (kind !== 'snapshot' || producers === undefined) return undefined;
  const list = listIn(producers);
  return list.map(([producer, producerEpoch, highest, entries]) => ({
    producer,
    producerEpoch,
    windowEntries: entries,
    sequences: [highest],
  }));
}

const counts = [
  'epoch',
  'version',
  'examples',
  'from',
  'sequence',
  'base',
  'producerEpoch',
  'durableUpTo',
  'loss',
  'time',
  'learningRate',
];
const objects = ['optimizer', 'state'];

/** A frame's metadata value as what it stands for: numbers as numbers, JSON as objects; what is neither stays as it is. */
function readValue(name: string, value: string): unknown {
  if (counts.includes(name) && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
  if (!objects.includes(name)) return value;
  try {
    return JSON.parse(value);
  } catch {
    // shown as it stands: `verify` says what is wrong with it
    return value;
  }
}
