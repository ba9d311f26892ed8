// Writing a safetensors buffer: what the reader would refuse is refused here, before a byte is written.
import { GradwireError, quote } from '../../errors.ts';
import type { Work } from '../../work.ts';
import { arrayClasses, className, type Dtype, dtypeOfClass, isDtype, type TensorData } from './dtype.ts';
import { byteLengthOf, type Entry } from './entry.ts';
import { type SafetensorsLimits, safetensorsLimits } from './limits.ts';
import { checkName } from './name.ts';
import { mapOf, type Pairs } from './pairs.ts';
import { type Safetensors, tensorsIn } from './read.ts';
import { type Blank, begin } from './text.ts';

/** A tensor to write: an array alone stands for its class's dtype and the shape `[length]`. */
export type TensorInput = TensorData | { readonly dtype?: Dtype; readonly shape?: readonly number[]; readonly data: TensorData };

/**
 * A new buffer with the tensors in the order given and the metadata, which is left out where it is empty.
 *
 * The header is padded with spaces, so that the data begins on a multiple of 8. Within the data nothing is padded: give the
 * widest element types first (8 bytes, 4, 2, 1) and every tensor is aligned. The reference sorts them so; this keeps your order.
 *
 * @throws GradwireError with the `E_ST_*` code with which `deserialize` would refuse the buffer; `E_CONFIG` for arguments of another kind.
 */
export function serialize(
  tensors: Pairs<TensorInput>,
  metadata: Pairs<string> = {},
  limits?: SafetensorsLimits,
): Uint8Array<ArrayBuffer> {
  return written(tensors, metadata, limits).bytes;
}

/** {@link serialize}, with what `deserialize` would read in the bytes: the tensors are views of them. */
export function serializeOpened(
  tensors: Pairs<TensorInput>,
  metadata: Readonly<Record<string, string>>,
): Pick<Safetensors, 'metadata' | 'tensors'> & Pick<Blank, 'bytes'> {
  const { bytes, data, entries } = written(tensors, metadata);
  return { bytes, metadata, tensors: tensorsIn(data, entries) };
}

function written(tensors: Pairs<TensorInput>, metadata: Pairs<string>, limits?: SafetensorsLimits): Headed {
  const whole = headed(tensors, metadata, limits);
  let position = 0;
  for (const part of whole.parts) {
    whole.data.set(part, position);
    position += part.byteLength;
  }
  return whole;
}

// copied at once: half a millisecond where the memory is new
const sliceBytes = 1 << 20;

/** {@link serialize} as work in slices. The tensors are borrowed until it is done. */
export function* serializeInSlices(
  tensors: Pairs<TensorInput>,
  metadata: Pairs<string>,
  limits: SafetensorsLimits,
): Work<Uint8Array<ArrayBuffer>> {
  const { bytes, data, parts } = headed(tensors, metadata, limits);
  let position = 0;
  for (const part of parts) {
    for (let offset = 0; offset < part.byteLength; offset += sliceBytes) {
      const slice = part.subarray(offset, offset + sliceBytes);
      data.set(slice, position);
      position += slice.byteLength;
      if (slice.byteLength === sliceBytes) yield;
    }
  }
  return bytes;
}

/** A buffer with its header in place, and the bytes that go behind it, one part for each tensor. */
interface Headed extends Blank {
  readonly entries: readonly Entry[];
  readonly parts: readonly Uint8Array[];
}

function headed(tensors: Pairs<TensorInput>, metadata: Pairs<string>, limits: SafetensorsLimits | undefined): Headed {
  const entries: Entry[] = [];
  const parts: Uint8Array[] = [];
  let position = 0;
  for (const [name, input] of mapOf('tensors', tensors)) {
    const { dtype, shape, data } = complete(name, input);
    const { buffer, byteOffset, byteLength } = data;
    entries.push({ name, dtype, shape, begin: position, end: position + byteLength });
    parts.push(new Uint8Array(buffer, byteOffset, byteLength));
    position += byteLength;
  }
  const { bytes, data } = begin(metadata, entries, position, limits);
  return { bytes, data, entries, parts };
}

/** The tensor with dtype and shape filled in, as the reader would give it back. */
function complete(name: string, input: TensorInput): { dtype: Dtype; shape: readonly number[]; data: TensorData } {
  checkName(name);
  if (typeof input !== 'object' || input === null) {
    throw new GradwireError('E_ST_FIELD', `${quote(name)} is ${typeof input}, must be an array or { dtype, shape, data }`);
  }
  const { data, dtype, shape } = ArrayBuffer.isView(input) ? { data: input, dtype: undefined, shape: undefined } : input;
  const found = className(data);
  const complete = dtype ?? dtypeOfClass(found);
  if (!isDtype(complete)) {
    const what = dtype === undefined ? `data of type ${found ?? typeof data}` : quote(String(dtype));
    throw new GradwireError('E_ST_DTYPE', `${quote(name)} is ${what}, which is no known dtype`);
  }
  const wanted = arrayClasses[complete].name;
  if (found !== wanted) {
    throw new GradwireError('E_ST_DTYPE', `${quote(name)} is ${complete} in ${found ?? typeof data}, must be in ${wanted}`);
  }
  return { dtype: complete, shape: checkShape(name, complete, shape ?? [data.length], data.byteLength), data };
}

/** The shape, where it is one and fits the data. Throws `E_ST_SHAPE`, `E_ST_OVERFLOW` or `E_ST_SIZE`. */
function checkShape(name: string, dtype: Dtype, shape: readonly number[], byteLength: number): readonly number[] {
  const { rank } = safetensorsLimits;
  if (!Array.isArray(shape) || shape.length > rank) {
    throw new GradwireError('E_ST_SHAPE', `the shape of ${quote(name)} must be an array of at most ${rank} dimensions`);
  }
  for (const [i, dimension] of shape.entries()) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new GradwireError('E_ST_SHAPE', `${quote(name)}[${i}] = ${String(dimension)} is not an integer 0..2^53-1`);
    }
  }
  const needed = byteLengthOf(name, dtype, shape);
  if (needed === byteLength) return shape;
  throw new GradwireError('E_ST_SIZE', `${quote(name)} ${dtype} [${shape}] needs ${needed} bytes, its data has ${byteLength}`);
}
