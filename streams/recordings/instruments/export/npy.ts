// The head of a .npy file: NumPy's dtype, C order, and the shape, padded so that the data begin on a multiple of 64.
import { GradwireError, quote } from '../../../../src/errors.ts';
import type { Dtype } from '../../../../src/frames/safetensors.ts';
import type { ArraySpec } from './array.ts';

const descriptions: Readonly<Partial<Record<Dtype, string>>> = {
  BOOL: '|b1',
  U8: '|u1',
  I8: '|i1',
  U16: '<u2',
  I16: '<i2',
  F16: '<f2',
  U32: '<u4',
  I32: '<i4',
  F32: '<f4',
  U64: '<u8',
  I64: '<i8',
  F64: '<f8',
};

/** The head of an array. Throws `E_DTYPE` for a type that NumPy does not have. */
export function npyHead({ name, dtype, shape }: Pick<ArraySpec, 'name' | 'dtype' | 'shape'>): Uint8Array {
  const description = descriptions[dtype];
  if (description === undefined)
    throw new GradwireError('E_DTYPE', `${quote(name)} is ${dtype}, which NumPy does not have; export to .safetensors`);
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${description}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // version 1 counts the header in two bytes, version 2 in four
  const version = text.length + 128 < 2 ** 16 ? 1 : 2;
  const before = version === 1 ? 10 : 12;
  const total = Math.ceil((before + text.length + 1) / 64) * 64;
  const head = Buffer.alloc(total, ' ');
  head.write('\x93NUMPY', 0, 'latin1');
  head[6] = version;
  head[7] = 0;
  if (version === 1) head.writeUInt16LE(total - before, 8);
  else head.writeUInt32LE(total - before, 8);
  head.write(text, before, 'latin1');
  head[total - 1] = 0x0a;
  return new Uint8Array(head);
}
