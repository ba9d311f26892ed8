// Values of tensors in and out, with as few copies as the backend allows.
import type { TensorFlow, TfTensor, TfVariable } from './tensorflow.ts';

/** The wasm backend's own way to its memory; other backends have none. */
interface Heap {
  typedArrayFromHeap(tensor: TensorInfo): Float32Array;
  makeOutput(shape: readonly number[], dtype: 'float32'): TensorInfo;
}

type TensorInfo = Pick<TfTensor, 'shape' | 'dtype' | 'dataId'>;

interface Adopting {
  makeTensorFromTensorInfo?(info: TensorInfo): TfTensor;
}

/** The values of a float32 tensor: a **view**, good until TF.js is called again, and not to be written. */
export function peek(tf: TensorFlow, tensor: TfTensor): Float32Array {
  const values = heapOf(tf)?.typedArrayFromHeap(tensor) ?? tensor.dataSync();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** A tensor of these values, which are copied; the caller disposes of it. */
export function tensorOf(tf: TensorFlow, values: Float32Array, shape: readonly number[]): TfTensor {
  const heap = heapOf(tf);
  const engine = tf.engine() as Adopting;
  if (heap !== undefined && engine.makeTensorFromTensorInfo !== undefined) {
    const info = heap.makeOutput([...shape], 'float32');
    heap.typedArrayFromHeap(info).set(values);
    return engine.makeTensorFromTensorInfo(info);
  }
  // the cpu backend and others keep the very array that they are given
  return tf.tensor(new Float32Array(values), [...shape], 'float32');
}

/**
 * Writes values into variables: all tensors are made before the first is assigned, so that all are written or none.
 *
 * Never into the memory that a variable has: copies of it stand for the same memory, and the wasm backend multiplies with packed
 * weights that it keeps until their tensor is disposed of.
 */
export function assignAll(tf: TensorFlow, entries: readonly (readonly [TfVariable, Float32Array])[]): void {
  const made: TfTensor[] = [];
  try {
    for (const [variable, values] of entries) made.push(tensorOf(tf, values, variable.shape));
    for (const [i, [variable]] of entries.entries()) variable.assign(made[i]);
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function heapOf(tf: TensorFlow): Heap | undefined {
  const { typedArrayFromHeap, makeOutput } = tf.backend() as Partial<Heap>;
  return typedArrayFromHeap !== undefined && makeOutput !== undefined ? (tf.backend() as Heap) : undefined;
}
