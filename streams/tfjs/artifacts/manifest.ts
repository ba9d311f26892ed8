// A layers model's `model.json`: the weights that it names, in the order of their bytes, and the rest, which is kept as it is.
import { GradwireError, quote } from '../../../src/errors.ts';

/** How a weight's values were made smaller: value · scale + min, or float16. */
export interface Quantization {
  readonly dtype: 'uint8' | 'uint16' | 'float16';
  readonly scale?: number;
  readonly min?: number;
}

/** One weight in a manifest. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly group?: string;
  readonly quantization?: Quantization;
}

/** Weights whose bytes stand one after the other in the files, taken together. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightSpec[];
}

/** A `model.json` read. */
export interface Manifest {
  readonly groups: readonly WeightGroup[];
  /** Everything but the weights: format, topology, training configuration and the like. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/** Reads the text of a `model.json`. Throws `E_FORMAT` for anything else. */
export function readManifest(text: string): Manifest {
  const { weightsManifest, ...rest } = parse(text);
  if (!Array.isArray(weightsManifest)) throw wrong('it has no weightsManifest');
  if (rest.format !== undefined && rest.format !== 'layers-model')
    throw wrong(`its format is ${quote(String(rest.format))}; only layers models, as model.save writes them, can be converted`);
  return { groups: weightsManifest.map(groupOf), rest };
}

function parse(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>;
  } catch {
    // said below
  }
  throw wrong('it is not a JSON object');
}

function groupOf(group: unknown): WeightGroup {
  const { paths, weights } = (group ?? {}) as Record<string, unknown>;
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string') || !Array.isArray(weights))
    throw wrong('a group of its weights has no paths or weights');
  return { paths, weights: weights.map(specOf) };
}

function specOf(given: unknown): WeightSpec {
  const spec = (given ?? {}) as WeightSpec;
  const { name, shape, dtype } = spec;
  const fits = typeof name === 'string' && Array.isArray(shape) && shape.every((each) => Number.isSafeInteger(each) && each >= 0);
  if (!fits || typeof dtype !== 'string') throw wrong(`a weight ${quote(String(name))} has no name, shape or dtype`);
  return spec;
}

function wrong(what: string): GradwireError {
  return new GradwireError('E_FORMAT', `this is not a TensorFlow.js layers model: ${what}`);
}
