// Keras' get_weights and set_weights: slots as a list of arrays, one slot after the other, each in layout order.
import { GradwireError, quote } from '../../errors.ts';
import type { Layout } from '../../layout.ts';
import type { Engine } from '../engine.ts';
import type { Arena } from '../kernel/arena.ts';
import { copyOf } from './state.ts';

/** Keras' `set_weights` argument: slots in layout order, or (Keras 2.3 and later) the number of iterations before them. */
export type KerasWeights = readonly (number | ArrayLike<number>)[];

type Slot = 'accumulator' | 'momentum' | 'meanGradient';

/** Copies of the slots: accumulators, then momentum buffers, then mean gradients; what rows owe is paid in the copies. */
export function kerasWeightsOf(model: Layout, { arena, debts }: Engine): Float32Array[] {
  return slotsIn(arena).flatMap((slot) =>
    model.tensors.map((tensor) => {
      const copy = copyOf(arena[slot].subarray(tensor.offset, tensor.offset + tensor.length));
      if (slot !== 'momentum') debts.readInto(tensor, copy);
      return copy;
    }),
  );
}

/**
 * Sets the slots from such a list, and begins no accumulation; the iterations, where the list has them.
 *
 * @throws GradwireError `E_WEIGHTS` that names the tensor, the expected and the found shape; nothing is set then.
 */
export function setKerasWeights(model: Layout, { arena, debts, fold }: Engine, weights: KerasWeights): number | undefined {
  if (!Array.isArray(weights)) throw new GradwireError('E_WEIGHTS', 'setWeights takes a list of arrays; nothing was set');
  const names = slotsIn(arena);
  const each = model.tensors.length;
  const count = each * names.length;
  const hasIterations = weights.length === count + 1;
  if (weights.length !== count && !hasIterations) {
    const text = `setWeights got ${weights.length} arrays, the model takes ${count} (${names.join(', ')}), or ${count + 1} with iterations first; nothing was set`;
    throw new GradwireError('E_WEIGHTS', text);
  }
  const iterations = hasIterations ? readIterations(weights[0]) : undefined;
  const arrays = hasIterations ? weights.slice(1) : weights;
  const slots = names.map((name, i) => [name, readSlot(model, name, arrays.slice(i * each, (i + 1) * each))] as const);
  for (const [name, values] of slots) arena[name].set(values);
  arena.gradientSum.fill(0);
  debts.restore(new Map());
  fold.accumulating.clear();
  return iterations;
}

function slotsIn({ momentum, meanGradient }: Arena): Slot[] {
  const further: [Slot, Float32Array][] = [
    ['momentum', momentum],
    ['meanGradient', meanGradient],
  ];
  return ['accumulator', ...further.filter(([, values]) => values.length > 0).map(([name]) => name)];
}

function readSlot(model: Layout, slot: Slot, arrays: KerasWeights): Float32Array {
  const flat = new Float32Array(model.length);
  for (const [i, { name, shape, offset, length }] of model.tensors.entries()) {
    const values = arrays[i];
    if (typeof values === 'number' || values?.length !== length) {
      const found = typeof values === 'number' ? 'a number' : `${values?.length} values`;
      const text = `the ${slot} of ${quote(name)} is [${shape}] (${length} values), got ${found}; nothing was set`;
      throw new GradwireError('E_WEIGHTS', text);
    }
    flat.set(values, offset);
    const least = slot === 'accumulator' ? 0 : Number.NEGATIVE_INFINITY;
    if (!flat.subarray(offset, offset + length).every((each) => each >= least && Math.abs(each) < Number.POSITIVE_INFINITY)) {
      const text = `the ${slot} of ${quote(name)} has values that are negative or not finite; nothing was set`;
      throw new GradwireError('E_WEIGHTS', text);
    }
  }
  return flat;
}

function readIterations(value: number | ArrayLike<number>): number {
  const iterations = Number(typeof value === 'object' ? (value.length === 1 ? value[0] : Number.NaN) : value);
  if (Number.isSafeInteger(iterations) && iterations >= 0) return iterations;
  throw new GradwireError('E_WEIGHTS', 'the first of the arrays, the iterations, is not one count; nothing was set');
}
