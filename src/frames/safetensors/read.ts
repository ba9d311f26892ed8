// Reading a safetensors buffer: its tensors as views where their bytes are aligned, as copies where they are not.
import { arrayClasses, type Dtype, type TensorData } from './dtype.ts';
import type { Entry } from './entry.ts';
import type { SafetensorsLimits } from './limits.ts';
import { open } from './open.ts';

/** One tensor: `data` holds the product of `shape` elements in row-major order, in the array class of its dtype. */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What a buffer holds. */
export interface Safetensors {
  /** An object without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The data section, a view of the buffer. */
  readonly data: Uint8Array;
}

/**
 * The metadata and tensors of a safetensors buffer, all of it checked: the tensors fill the data section exactly.
 *
 * Nothing of the data is copied where it lies on a multiple of its element size in memory: those tensors are **views of
 * `buffer`** and change with it. Tensors that lie elsewhere (inside a Node `Buffer`'s pool, or after a tensor of odd length)
 * are copied. Elements are little-endian, as on every engine that gradwire runs in.
 *
 * Differs from the reference: refuses duplicate names, fields and metadata keys, unknown fields, `__metadata__: null`, entries
 * written as arrays, control characters in names, and anything beyond the limits.
 *
 * @throws GradwireError with an `E_ST_*` code; `E_CONFIG` where `buffer` or `limits` are none.
 */
export function deserialize(buffer: ArrayBuffer | Uint8Array, limits?: SafetensorsLimits): Safetensors {
  const { metadata, entries, data } = open(buffer, limits);
  return { metadata: recordOf(metadata), tensors: tensorsIn(data, entries), data };
}

/** The tensors of a data section that these entries fill. */
export function tensorsIn(data: Uint8Array, entries: readonly Entry[]): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    tensors.set(entry.name, { dtype: entry.dtype, shape: entry.shape, data: elements(data, entry) });
  }
  return tensors;
}

/** An object without a prototype, so that no key can collide with one of `Object`'s. */
function recordOf(metadata: ReadonlyMap<string, string>): Record<string, string> {
  // made without one from the start, it would be a dictionary, which is slower to fill and to read
  const record: Record<string, string> = Object.setPrototypeOf({}, null);
  for (const [key, value] of metadata) record[key] = value;
  return record;
}

function elements(section: Uint8Array, { dtype, begin, end }: Entry): TensorData {
  const array = arrayClasses[dtype];
  const byteOffset = section.byteOffset + begin;
  // a typed array on an unaligned offset would be a RangeError
  if (byteOffset % array.BYTES_PER_ELEMENT !== 0) return new array(section.slice(begin, end).buffer);
  return new array(section.buffer, byteOffset, (end - begin) / array.BYTES_PER_ELEMENT);
}
