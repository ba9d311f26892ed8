// An optimizer's slots as TF.js' list of named weights: `iter`, then each slot in layout order, `<variable>/rms` first.
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Hyperparameters } from '../../../src/rmsprop/options/hyperparameters.ts';
import { presets } from '../../../src/rmsprop/options/presets.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import { sameShape } from '../variables.ts';

/** One weight of an optimizer. What a caller hands in may have neither name nor shape. */
export interface SlotWeight {
  readonly name?: string;
  readonly shape?: readonly number[];
  readonly values: ArrayLike<number>;
}

/** One weight of an optimizer as it is given out. */
export interface NamedSlot extends SlotWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

type Slot = 'accumulator' | 'momentum' | 'meanGradient' | 'average' | 'gradientSum';

const suffixes: Readonly<Record<Slot, string>> = {
  accumulator: 'rms',
  momentum: 'momentum',
  meanGradient: 'mg',
  average: 'average',
  gradientSum: 'gradientSum',
};
const furtherName = 'gradwire/state';

/** The slots, and what else of the state the next steps depend on. */
export function weightsOf(model: Layout, all: Hyperparameters, state: RMSpropState): NamedSlot[] {
  const slots = slotsIn(all).flatMap((slot) => {
    // TF.js' own optimizer has a momentum buffer always
    const values = state[slot] ?? new Float32Array(model.length);
    return model.tensors.map(({ name, shape, offset, length }) => {
      return { name: `${name}/${suffixes[slot]}`, shape, values: values.slice(offset, offset + length) };
    });
  });
  const iterations = { name: 'iter', shape: [], values: Int32Array.of(state.version) };
  return [iterations, ...slots, ...(hasFurther(all) ? [furtherOf(model, state)] : [])];
}

/**
 * The state that such a list makes of another: {@link weightsOf}'s, TF.js', or Keras' without `iter`. Where every weight has its
 * name it is taken by name, otherwise by order.
 *
 * @throws GradwireError `E_WEIGHTS` where the list does not fit.
 */
export function stateWith(model: Layout, all: Hyperparameters, state: RMSpropState, list: readonly SlotWeight[]): RMSpropState {
  const slots = slotsIn(all);
  const count = slots.length * model.tensors.length + (hasFurther(all) ? 1 : 0);
  if (list.length !== count && list.length !== count + 1) {
    const names = slots.map((slot) => suffixes[slot]).join(', ');
    throw misfit(`${list.length} weights; this optimizer takes ${count} (${names}), or ${count + 1} with the iterations first`);
  }
  const version = list.length > count ? countIn(list[0]) : state.version;
  const rest = list.length > count ? list.slice(1) : list;
  const byName = new Map(rest.map((weight) => [weight.name, weight]));
  const expected = slots.flatMap((slot) => model.tensors.map(({ name }) => `${name}/${suffixes[slot]}`));
  const isNamed = expected.every((name) => byName.has(name));
  const read = slots.map((slot, i) => {
    const flat = new Float32Array(model.length);
    for (const [j, tensor] of model.tensors.entries()) {
      const at = i * model.tensors.length + j;
      const weight = isNamed ? (byName.get(expected[at]) as SlotWeight) : rest[at];
      if (weight.name !== undefined && !weight.name.endsWith(`/${suffixes[slot]}`))
        throw misfit(`${quote(weight.name)} stands where ${quote(expected[at])} belongs`);
      flat.set(valuesOf(weight, expected[at], tensor.shape), tensor.offset);
    }
    return [slot, flat] as const;
  });
  // a slot that the optimizer itself does without, as TF.js' idle momentum, is left out
  const kept = read.filter(([slot]) => slot === 'accumulator' || state[slot] !== undefined);
  const further = hasFurther(all) ? furtherIn(model, rest[rest.length - 1]) : {};
  const { skipped: _skipped, lossScale: _scale, accumulating: _names, ...base } = state;
  return { ...base, ...Object.fromEntries(kept), ...further, owed: new Map(), version };
}

function slotsIn(all: Hyperparameters): Slot[] {
  const { momentum, centered, useEma, gradientAccumulationSteps, preset } = all;
  const slots: Slot[] = ['accumulator'];
  if (momentum > 0 || presets[preset].keepsMomentum || preset === 'tfjs') slots.push('momentum');
  if (centered) slots.push('meanGradient');
  if (useEma) slots.push('average');
  if (gradientAccumulationSteps > 1) slots.push('gradientSum');
  return slots;
}

function hasFurther({ lossScale, gradientAccumulationSteps }: Hyperparameters): boolean {
  return typeof lossScale !== 'number' || gradientAccumulationSteps > 1;
}

// three float64 as the bits of six int32, for no float32 holds a count; then a flag for each tensor that is being accumulated
function furtherOf(
  model: Layout,
  { skipped = 0, lossScale = { scale: 1, good: 0 }, accumulating = [] }: RMSpropState,
): NamedSlot {
  const numbers = new Int32Array(Float64Array.of(skipped, lossScale.scale, lossScale.good).buffer);
  const flags = model.tensors.map(({ name }) => (accumulating.includes(name) ? 1 : 0));
  const values = Int32Array.of(...numbers, ...flags);
  return { name: furtherName, shape: [values.length], values };
}

function furtherIn(model: Layout, { name = furtherName, values }: SlotWeight): Partial<RMSpropState> {
  if (name !== furtherName || values.length !== 6 + model.tensors.length)
    throw misfit(`the last weight is not ${quote(furtherName)} of this model`);
  const [skipped, scale, good] = new Float64Array(Int32Array.from(values).slice(0, 6).buffer);
  const accumulating = model.tensors.filter((_, i) => values[6 + i] === 1).map((tensor) => tensor.name);
  return { skipped, lossScale: { scale, good }, ...(accumulating.length > 0 ? { accumulating } : {}) };
}

function countIn({ values, name = 'iter' }: SlotWeight): number {
  const count = values.length === 1 ? Number(values[0]) : Number.NaN;
  if (name === 'iter' && Number.isSafeInteger(count) && count >= 0) return count;
  throw misfit(`the first weight, ${quote(name)}, is not the one count of iterations`);
}

function valuesOf({ values, shape }: SlotWeight, name: string, expected: readonly number[]): ArrayLike<number> {
  const length = expected.reduce((product, dimension) => product * dimension, 1);
  const fits = shape === undefined ? values.length === length : sameShape(shape, expected);
  if (!fits)
    throw misfit(`${quote(name)} is [${expected}], got ${shape === undefined ? `${values.length} values` : `[${shape}]`}`);
  const least = name.endsWith('/rms') ? 0 : Number.NEGATIVE_INFINITY;
  for (let i = 0; i < length; i++) {
    if (!(values[i] >= least && Math.abs(values[i]) < Number.POSITIVE_INFINITY))
      throw misfit(`${quote(name)} has values that are negative or not finite`);
  }
  return values;
}

function misfit(text: string): GradwireError {
  return new GradwireError('E_WEIGHTS', `${text}; nothing was set`);
}
