// The bytes of a model's weights, as TF.js writes them, to tensors of safetensors.
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Tensor } from '../../../src/frames/safetensors.ts';
import type { Quantization, WeightSpec } from './manifest.ts';

const sizes: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 };

/**
 * The weights of one group from its files' bytes. Quantized weights come out as the float32 or int32 that TF.js itself makes of them.
 *
 * @throws GradwireError `E_DTYPE` that names a weight of another type, `E_FORMAT` where the bytes are too few or too many.
 */
export function readWeights(specs: readonly WeightSpec[], bytes: Uint8Array): [string, Tensor][] {
  let end = 0;
  const tensors = specs.map((spec): [string, Tensor] => {
    const begin = end;
    const stored = spec.quantization?.dtype ?? spec.dtype;
    const size = sizes[stored];
    if (size === undefined || (spec.quantization === undefined && !['float32', 'int32', 'bool'].includes(stored)))
      throw new GradwireError(
        'E_DTYPE',
        `the weight ${quote(spec.name)} is ${quote(stored)}; float32, int32, bool and quantized ones can be converted`,
      );
    end += size * spec.shape.reduce((product, dimension) => product * dimension, 1);
    if (end > bytes.byteLength)
      throw new GradwireError(
        'E_FORMAT',
        `the weights' files end within ${quote(spec.name)}: ${bytes.byteLength} bytes, ${end} are needed`,
      );
    return [spec.name, tensorOf(spec, bytes.slice(begin, end).buffer)];
  });
  if (end < bytes.byteLength)
    throw new GradwireError('E_FORMAT', `the weights' files have ${bytes.byteLength} bytes, their manifest ${end}`);
  return tensors;
}

function tensorOf({ name, shape, dtype, quantization }: WeightSpec, buffer: ArrayBuffer): Tensor {
  if (quantization !== undefined) {
    const values = dequantized(name, quantization, buffer);
    if (dtype === 'float32') return { dtype: 'F32', shape, data: Float32Array.from(values) };
    if (dtype === 'int32' && quantization.dtype !== 'float16')
      return { dtype: 'I32', shape, data: Int32Array.from(values, Math.round) };
    throw new GradwireError(
      'E_DTYPE',
      `the weight ${quote(name)} is ${quote(dtype)} quantized as ${quantization.dtype}, which TensorFlow.js has not`,
    );
  }
  if (dtype === 'float32') return { dtype: 'F32', shape, data: new Float32Array(buffer) };
  if (dtype === 'int32') return { dtype: 'I32', shape, data: new Int32Array(buffer) };
  return { dtype: 'BOOL', shape, data: new Uint8Array(buffer) };
}

// before it is rounded to what the weight is
function dequantized(name: string, { dtype, scale, min }: Quantization, buffer: ArrayBuffer): Float64Array {
  if (dtype === 'float16') return Float64Array.from(new Uint16Array(buffer), half);
  if (typeof scale !== 'number' || typeof min !== 'number')
    throw new GradwireError('E_FORMAT', `the weight ${quote(name)} is quantized as ${dtype} without scale and min`);
  const stored = dtype === 'uint8' ? new Uint8Array(buffer) : new Uint16Array(buffer);
  return Float64Array.from(stored, (value) => value * scale + min);
}

/** A float16 by its bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction > 0 ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
