// The weights frame: every parameter as published, at one version. What a replica joins with, and a plain safetensors file.
import { bytesOf, digestOf } from '../digest.ts';
import { GradwireError, quote } from '../errors.ts';
import { type Layout, layout } from '../layout.ts';
import { Tensors } from '../tensors.ts';
import { sign, unsigned } from './header-check.ts';
import { count, demandKind, digestIn, frameFormat, text } from './metadata.ts';
import { type Safetensors, serialize, type Tensor } from './safetensors.ts';
import type { Position } from './update.ts';

/** What a weights frame says about itself. */
export interface WeightsHeader extends Position {
  readonly model: string;
}

/** A weights frame read: values are a copy in layout order. */
export interface Weights<Name extends string = string> {
  readonly header: WeightsHeader;
  readonly digest: string;
  readonly weights: Tensors<Name>;
}

/** A weights frame of all of `weights`. */
export function encodeWeights({ model, run, epoch, version }: WeightsHeader, weights: Tensors): Uint8Array<ArrayBuffer> {
  const digest = digestOf(bytesOf(weights.flat));
  const place = { model, run, epoch: String(epoch), version: String(version) };
  return sign(serialize(denseEntries(weights), { header: unsigned, gradwire: frameFormat, kind: 'weights', ...place, digest }));
}

/** Reads and checks a weights frame. Throws `E_FRAME`, `E_FORMAT`, `E_DTYPE`, `E_LAYOUT` or `E_DIGEST`. */
export function readWeights(file: Safetensors): Weights {
  const { metadata } = file;
  demandKind(metadata, 'weights');
  const header = {
    model: text(metadata, 'model'),
    run: text(metadata, 'run'),
    epoch: count(metadata, 'epoch'),
    version: count(metadata, 'version'),
  };
  const weights = parametersIn(file);
  const digest = digestOf(bytesOf(weights.flat));
  if (digest !== digestIn(metadata, 'digest')) {
    throw new GradwireError(
      'E_DIGEST',
      `the weights have the digest ${digest}, their header says ${metadata.digest}; nothing was applied`,
    );
  }
  return { header, digest, weights };
}

/** Every F32 tensor of a safetensors file without `#` in its name, as parameters: a copy with a layout of its own. */
export function parametersIn({ tensors }: Pick<Safetensors, 'tensors'>): Tensors {
  const own = [...tensors].filter(([name]) => !name.includes('#'));
  const model: Layout = layout(own.map(([name, { shape }]) => [name, shape] as const));
  const weights = new Tensors(model);
  for (const [name, { dtype, data }] of own) {
    if (!(data instanceof Float32Array)) throw new GradwireError('E_DTYPE', `${quote(name)} is ${dtype}, parameters are F32`);
    weights.get(name).set(data);
  }
  return weights;
}

/** Every tensor, dense, in layout order. */
export function denseEntries(weights: Tensors): [string, Tensor][] {
  return weights.layout.tensors.map(({ name, shape }) => [name, { dtype: 'F32', shape, data: weights.get(name) }]);
}
