// One tensor's entry in the header, and the arithmetic that every entry must satisfy.
import { GradwireError, quote } from '../../errors.ts';
import { arrayClasses, type Dtype } from './dtype.ts';

/** Where a tensor lies: bytes `begin` to `end` of the data section. */
export interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The bytes that a tensor of this dtype and shape has. Throws `E_ST_OVERFLOW` beyond 2^53-1. */
export function byteLengthOf(name: string, dtype: Dtype, shape: readonly number[]): number {
  let product = 1;
  let overflows = false;
  for (const dimension of shape) {
    product *= dimension;
    // at each step, because a later 0 would hide it
    overflows ||= product > Number.MAX_SAFE_INTEGER;
  }
  product *= arrayClasses[dtype].BYTES_PER_ELEMENT;
  if (!overflows && product <= Number.MAX_SAFE_INTEGER) return product;
  throw new GradwireError('E_ST_OVERFLOW', `${quote(name)} ${dtype} [${shape}] has more than 2^53-1 bytes`);
}

/** Throws unless the offsets are in order (`E_ST_OFFSET`) and give the bytes that dtype and shape need (`E_ST_SIZE`). */
export function checkEntry({ name, dtype, shape, begin, end }: Entry): void {
  if (end < begin) throw new GradwireError('E_ST_OFFSET', `${quote(name)} [${begin},${end}] ends before it begins`);
  const needed = byteLengthOf(name, dtype, shape);
  if (end - begin !== needed) {
    throw new GradwireError('E_ST_SIZE', `${quote(name)} ${dtype} [${shape}] needs ${needed} bytes, offsets give ${end - begin}`);
  }
}

/** The entries in the order of their bytes, which they must fill from 0 to `byteLength` without gap, overlap or rest. */
export function inByteOrder(entries: Iterable<Entry>, byteLength: number): Entry[] {
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of ordered) {
    if (begin !== position) {
      const what = begin > position ? `gap of ${begin - position} bytes before` : `overlap of ${position - begin} bytes at`;
      throw new GradwireError('E_ST_OFFSET', `${what} ${quote(name)} [${begin},${end}]`);
    }
    position = end;
  }
  if (position > byteLength) {
    throw new GradwireError('E_ST_TRUNCATED', `tensors need ${position} bytes, the buffer has ${byteLength} for them`);
  }
  if (position < byteLength) throw new GradwireError('E_ST_TRAILING', `${byteLength - position} bytes after the last tensor`);
  return ordered;
}
