// Packed values: how the numbers of one tensor lie in a frame: as float32, as halves, or as 8-bit codes with scales.
import type { Tensor } from '../frames/safetensors.ts';
import { fromHalves, type Halves } from './halves.ts';
import { type Codes, fromCodes } from './int8.ts';

/** Values as a frame carries them. */
export type Packed = Float32Array | Halves | Codes;

/** The values as float32: **the same array** where they are, else new ones. Every engine gives the same bits. */
export function unpack(packed: Packed): Float32Array {
  if (packed instanceof Float32Array) return packed;
  return 'codes' in packed ? fromCodes(packed) : fromHalves(packed);
}

/** The tensors of packed values in a frame: `key` for floats and halves, else the tensor's `name#codes` and `name#scale`; `shape` is that of the values. */
export function tensorsOf(
  packed: Packed,
  shape: readonly number[],
  { name, key }: { readonly name: string; readonly key: string },
): [string, Tensor][] {
  if (packed instanceof Float32Array) return [[key, { dtype: 'F32', shape, data: packed }]];
  if ('bits' in packed) return [[key, { dtype: packed.dtype, shape, data: packed.bits }]];
  return [
    [`${name}#scale`, { dtype: 'F32', shape: [packed.scale.length], data: packed.scale }],
    [`${name}#codes`, { dtype: 'I8', shape, data: packed.codes }],
  ];
}
