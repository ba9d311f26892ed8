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

/** The tensors of packed values in a frame: `name` for floats, else `name#codes` and `name#scale`; `shape` is that of the values. */
export function tensorsOf(packed: Packed, shape: readonly number[], { name, codes, scale }: PackedNames): [string, Tensor][] {
  if (packed instanceof Float32Array) return [[name, { dtype: 'F32', shape, data: packed }]];
  if ('bits' in packed) return [[name, { dtype: packed.dtype, shape, data: packed.bits }]];
  return [
    [scale, { dtype: 'F32', shape: [packed.scale.length], data: packed.scale }],
    [codes, { dtype: 'I8', shape, data: packed.codes }],
  ];
}

/** What the tensors are called: one where there are floats, two where there are codes. */
export interface PackedNames {
  readonly name: string;
  readonly codes: string;
  readonly scale: string;
}
