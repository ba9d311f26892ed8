// What an optimizer carries from step to step, and Keras' lists of it.
import { GradwireError, quote } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { Owed } from './debts.ts';

/** The complete state: resuming from it gives the same bits as never having stopped. Everything in it is a copy. */
export interface RMSpropState {
  /** Batches folded. */
  readonly version: number;
  /** All parameters in layout order. */
  readonly parameters: Float32Array;
  /** All mean squares in layout order, unpaid. */
  readonly accumulator: Float32Array;
  /** What rows owe their accumulators (`sparse: 'exact'`). */
  readonly owed: Owed;
}

/** Throws `E_WEIGHTS` where a state does not fit the model; changes nothing. */
export function refuseState(model: Layout, { version, parameters, accumulator, owed }: RMSpropState): void {
  if (!Number.isSafeInteger(version) || version < 0)
    throw new GradwireError('E_WEIGHTS', `the state's version ${version} is not a count`);
  for (const [what, values] of Object.entries({ parameters, accumulator })) {
    if (!(values instanceof Float32Array) || values.length !== model.length) {
      throw new GradwireError(
        'E_WEIGHTS',
        `the state has ${values?.length} ${what}, the model ${model.length}; nothing was restored`,
      );
    }
  }
  if (!finite(parameters))
    throw new GradwireError('E_WEIGHTS', 'the state has parameters that are not finite; nothing was restored');
  if (!finite(accumulator) || accumulator.some((each) => each < 0)) {
    throw new GradwireError('E_WEIGHTS', 'the state has accumulators that are negative or not finite; nothing was restored');
  }
  for (const [name, counts] of owed) {
    const rows = model.get(name)?.rows;
    if (rows !== counts.length || counts.some((each) => !Number.isSafeInteger(each) || each < 0)) {
      throw new GradwireError('E_WEIGHTS', `what the rows of ${quote(name)} owe does not fit the model; nothing was restored`);
    }
  }
}

/** Keras' `set_weights` argument: accumulators in layout order, or (Keras 2.3) the number of iterations before them. */
export type KerasWeights = readonly (number | ArrayLike<number>)[];

/**
 * A Keras list read: the accumulators as one flat range, and the iterations where the list has them.
 *
 * @throws GradwireError `E_WEIGHTS` that names the tensor, the expected and the found shape.
 */
export function readKerasWeights(
  model: Layout,
  weights: KerasWeights,
): { accumulator: Float32Array; iterations: number | undefined } {
  const count = model.tensors.length;
  const hasIterations = weights.length === count + 1;
  if (weights.length !== count && !hasIterations) {
    const text = `setWeights got ${weights.length} arrays, the model takes ${count} accumulators, or ${count + 1} with iterations first; nothing was set`;
    throw new GradwireError('E_WEIGHTS', text);
  }
  const accumulator = new Float32Array(model.length);
  for (const [i, { name, shape, offset, length }] of model.tensors.entries()) {
    const values = weights[i + Number(hasIterations)];
    if (typeof values === 'number' || values?.length !== length) {
      const found = typeof values === 'number' ? 'a number' : `${values?.length} values`;
      throw new GradwireError(
        'E_WEIGHTS',
        `the accumulator of ${quote(name)} is [${shape}] (${length} values), got ${found}; nothing was set`,
      );
    }
    accumulator.set(values, offset);
    if (!accumulator.subarray(offset, offset + length).every((each) => each >= 0 && each < Number.POSITIVE_INFINITY)) {
      throw new GradwireError(
        'E_WEIGHTS',
        `the accumulator of ${quote(name)} has values that are negative or not finite; nothing was set`,
      );
    }
  }
  return { accumulator, iterations: hasIterations ? readIterations(weights[0]) : undefined };
}

function readIterations(value: number | ArrayLike<number>): number {
  const iterations = Number(typeof value === 'object' ? (value.length === 1 ? value[0] : Number.NaN) : value);
  if (Number.isSafeInteger(iterations) && iterations >= 0) return iterations;
  throw new GradwireError('E_WEIGHTS', 'the first of the arrays, the iterations, is not one count; nothing was set');
}

/** Whether every value is finite. */
export function finite(values: Float32Array): boolean {
  return values.every((each) => Math.abs(each) < Number.POSITIVE_INFINITY);
}
