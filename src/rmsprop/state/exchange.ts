// An optimizer's slots under the names of PyTorch and of TF.js, as a safetensors buffer, and back.
import { GradwireError, quote } from '../../errors.ts';
import { finite } from '../../floats.ts';
import { deserialize, serialize, type Tensor } from '../../frames/safetensors.ts';
import type { Layout, TensorSpec } from '../../layout.ts';
import type { Engine } from '../engine.ts';
import { presets } from '../options/presets.ts';
import { copyOf } from './state.ts';

/**
 * Whose names: `torch` has `<tensor>.step`, `.square_avg`, `.grad_avg` and `.momentum_buffer` (the state of
 * `torch.optim.RMSprop`), `tfjs` has `iter`, `<tensor>/rms`, `/mg` and `/momentum` (what `RMSPropOptimizer.getWeights` gives).
 */
export type StateFormat = 'torch' | 'tfjs';

type Slot = 'accumulator' | 'meanGradient' | 'momentum';

interface Names {
  readonly slots: Readonly<Record<Slot, string>>;
  /** Where the learning rate stands in the momentum buffer. */
  readonly momentum: 'inside' | 'outside';
  /** The count of updates: a name for each tensor, or one for all. */
  readonly step: (tensor: string) => string;
  readonly stepDtype: 'F32' | 'I32';
}

const formats: Readonly<Record<StateFormat, Names>> = {
  torch: {
    slots: { accumulator: '.square_avg', meanGradient: '.grad_avg', momentum: '.momentum_buffer' },
    momentum: 'outside',
    step: (tensor) => `${tensor}.step`,
    stepDtype: 'F32',
  },
  tfjs: {
    slots: { accumulator: '/rms', meanGradient: '/mg', momentum: '/momentum' },
    momentum: 'inside',
    step: () => 'iter',
    stepDtype: 'I32',
  },
};

/**
 * The slots and the number of updates, without parameters; what rows owe is paid in the copies.
 *
 * @throws GradwireError `E_CONFIG` for an unknown format, or one whose momentum buffer means something else; `E_WEIGHTS` within an accumulation.
 */
export function exportSlots(model: Layout, engine: Engine, format: StateFormat, updates: number): Uint8Array<ArrayBuffer> {
  const names = namesOf(engine, format);
  const { arena, debts, fold } = engine;
  if (fold.accumulating.size > 0)
    throw new GradwireError('E_WEIGHTS', 'gradients are being accumulated; export after the last batch of an accumulation');
  const entries = new Map<string, Tensor>();
  for (const tensor of model.tensors) {
    const data = names.stepDtype === 'F32' ? Float32Array.of(updates) : Int32Array.of(updates);
    entries.set(names.step(tensor.name), { dtype: names.stepDtype, shape: [], data });
    for (const slot of slotsIn(engine, format)) {
      const values = arena[slot].length > 0 ? copyOf(viewOf(arena[slot], tensor)) : new Float32Array(tensor.length);
      if (slot !== 'momentum') debts.readInto(tensor, values);
      entries.set(tensor.name + names.slots[slot], { dtype: 'F32', shape: tensor.shape, data: values });
    }
  }
  return serialize([...entries], {}, { headerBytes: 64 << 20, tensors: 100_000 });
}

/**
 * Takes such a buffer over; the number of updates it says.
 *
 * @throws GradwireError `E_ST_…` for the buffer, `E_CONFIG` as {@link exportSlots}, `E_WEIGHTS` where it does not fit; nothing is set then.
 */
export function importSlots(model: Layout, engine: Engine, format: StateFormat, buffer: Uint8Array): number {
  const names = namesOf(engine, format);
  const { tensors } = deserialize(buffer, { headerBytes: 64 << 20, tensors: 100_000 });
  const expected = new Set<string>();
  const steps = new Set<number>();
  const read: [Float32Array, Float32Array][] = [];
  for (const tensor of model.tensors) {
    expected.add(names.step(tensor.name));
    steps.add(stepIn(names.step(tensor.name), tensors));
    for (const slot of slotsIn(engine, format)) {
      const name = tensor.name + names.slots[slot];
      expected.add(name);
      const values = valuesIn(name, tensor, tensors);
      if (slot === 'accumulator' && values.some((each) => each < 0)) throw misfit(`${quote(name)} has negative values`);
      if (engine.arena[slot].length > 0) read.push([viewOf(engine.arena[slot], tensor), values]);
    }
  }
  const stray = [...tensors.keys()].find((name) => !expected.has(name));
  if (stray !== undefined) throw misfit(`${quote(stray)} is nothing that this optimizer has`);
  if (steps.size > 1) throw misfit(`tensors have made different numbers of steps (${[...steps].join(', ')})`);
  for (const [to, values] of read) to.set(values);
  engine.arena.gradientSum.fill(0);
  engine.fold.accumulating.clear();
  engine.debts.restore(new Map());
  return [...steps][0] ?? 0;
}

function namesOf({ all }: Engine, format: StateFormat): Names {
  if (!Object.hasOwn(formats, format))
    throw new GradwireError('E_CONFIG', `the format must be ${Object.keys(formats).join(' or ')}; got ${quote(String(format))}`);
  const { momentum } = presets[all.preset];
  if (all.momentum > 0 && momentum !== formats[format].momentum) {
    const text = `the momentum buffer of preset ${all.preset} has the learning rate ${momentum}, that of ${format} ${formats[format].momentum}`;
    throw new GradwireError('E_CONFIG', `${text}; it cannot be exchanged`);
  }
  return formats[format];
}

// TF.js keeps its momentum buffer always
function slotsIn({ all }: Engine, format: StateFormat): Slot[] {
  const slots: Slot[] = ['accumulator'];
  if (all.centered) slots.push('meanGradient');
  if (all.momentum > 0 || format === 'tfjs') slots.push('momentum');
  return slots;
}

function viewOf(slot: Float32Array, { offset, length }: TensorSpec): Float32Array {
  return slot.subarray(offset, offset + length);
}

function valuesIn(name: string, { shape }: TensorSpec, tensors: ReadonlyMap<string, Tensor>): Float32Array {
  const found = tensors.get(name);
  if (found === undefined) throw misfit(`${quote(name)} is missing`);
  if (!(found.data instanceof Float32Array)) throw misfit(`${quote(name)} is ${found.dtype}, not F32`);
  if (JSON.stringify(found.shape) !== JSON.stringify(shape))
    throw misfit(`${quote(name)} is [${found.shape}], the model has [${shape}]`);
  if (!finite(found.data)) throw misfit(`${quote(name)} has values that are not finite`);
  return found.data;
}

function stepIn(name: string, tensors: ReadonlyMap<string, Tensor>): number {
  const { data } = tensors.get(name) ?? {};
  const steps = data?.length === 1 ? Number(data[0]) : Number.NaN;
  if (!Number.isSafeInteger(steps) || steps < 0) throw misfit(`${quote(name)} must be one count`);
  return steps;
}

function misfit(text: string): GradwireError {
  return new GradwireError('E_WEIGHTS', `${text}; nothing was set`);
}
