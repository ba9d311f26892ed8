// An optimizer's weights between its own arrays and TF.js' tensors.
import { GradwireError } from '../../../src/errors.ts';
import type { TensorFlow, TfNamedTensor, TfTensor } from '../tensorflow.ts';
import type { TfWeightsInput } from './rmsprop.ts';
import type { SlotWeight } from './slots.ts';

/** Tensors of a list of weights; whoever calls this disposes of them. */
export function tensorsOf(tf: TensorFlow, weights: readonly SlotWeight[]): TfNamedTensor[] {
  return weights.map(({ name = 'iter', shape, values }) => {
    const isCount = name === 'iter' || values instanceof Int32Array;
    const copy = isCount ? Int32Array.from(values) : Float32Array.from(values);
    return { name, tensor: tf.tensor(copy, [...(shape ?? [values.length])], isCount ? 'int32' : 'float32') };
  });
}

/** Reads a list that a caller hands in, tensors as copies. Throws `E_WEIGHTS` for what is no weight. */
export async function readWeights(list: TfWeightsInput): Promise<SlotWeight[]> {
  if (!Array.isArray(list)) throw new GradwireError('E_WEIGHTS', 'setWeights takes a list of weights; nothing was set');
  return await Promise.all(list.map(readWeight));
}

async function readWeight(given: unknown, i: number): Promise<SlotWeight> {
  if (typeof given === 'number') return { name: 'iter', shape: [], values: [given] };
  const { name, tensor = given } = (given ?? {}) as { readonly name?: string; readonly tensor?: unknown };
  if (ArrayBuffer.isView(tensor) || Array.isArray(tensor)) return { name, values: (tensor as Float32Array).slice() };
  const { data, shape, dtype } = (tensor ?? {}) as Partial<TfTensor>;
  if (typeof data !== 'function' || shape === undefined)
    throw new GradwireError('E_WEIGHTS', `number ${i} of the weights is neither a tensor nor an array; nothing was set`);
  const values = await (tensor as TfTensor).data();
  // the list is kept until the variables are known, and the tensor may be gone by then
  return { name, shape: [...shape], values: dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values) };
}
