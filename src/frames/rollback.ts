// The rollback frame: what the journal keeps of a rollback, with the whole state that it brings back.
import { GradwireError, quote } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { RMSpropConfig } from '../rmsprop/options/hyperparameters.ts';
import { Rollback, type RollbackTarget } from '../rmsprop/state/rollback.ts';
import { type RMSpropState, slotNames } from '../rmsprop/state/state.ts';
import type { Work } from '../work.ts';
import { type GradientsFrame, type Identity, readGradientsHeader } from './gradients.ts';
import { furtherFormat, json, type Metadata } from './metadata.ts';
import { type Safetensors, serializeInSlices, type TensorInput } from './safetensors.ts';
import { furtherState } from './snapshot.ts';

/** The producer that the records of rollbacks name: their place among a trainer's batches. */
export const rollbackProducer = 'gradwire.rollback';

/**
 * A rollback frame, as work in slices; the target is borrowed until it is done. `base` of its identity is the version gone back to.
 *
 * Its tensors are flat, each slot of all parameters in layout order: the recording that it stands in has the layout.
 */
export function* encodeRollbackInSlices(
  { model, producerEpoch, sequence }: Pick<Identity, 'model' | 'producerEpoch' | 'sequence'>,
  { state, optimizer }: RollbackTarget,
): Work<Uint8Array<ArrayBuffer>> {
  const metadata = {
    gradwire: furtherFormat,
    kind: 'rollback',
    ...(model === undefined ? {} : { model }),
    producer: rollbackProducer,
    producerEpoch: String(producerEpoch),
    sequence: String(sequence),
    base: String(state.version),
    optimizer: JSON.stringify(optimizer),
    ...furtherState(state),
    ...(state.owed.size > 0 ? { owed: JSON.stringify([...state.owed.keys()]) } : {}),
  };
  const slots = (['parameters', 'accumulator', ...slotNames] as const).flatMap((slot): [string, TensorInput][] => {
    const values = state[slot];
    return values === undefined ? [] : [[slot, values]];
  });
  const debts = [...state.owed.values()].map((data, i): [string, TensorInput] => [`owed ${i}`, data]);
  return yield* serializeInSlices([...debts, ...slots], metadata, {});
}

/** Reads a rollback for a model. Throws `E_FRAME`, `E_FORMAT`; whether the state fits is found out where it is folded. */
export function readRollback<Name extends string>(
  metadata: Metadata,
  tensors: Safetensors['tensors'],
  model: Layout<Name>,
): GradientsFrame<Name> {
  const header = readGradientsHeader(metadata, { kind: 'rollback', formats: [furtherFormat] });
  const further = metadata.state === undefined ? {} : (json(metadata, 'state') as Partial<RMSpropState>);
  const slots = Object.fromEntries(
    slotNames.filter((slot) => tensors.has(slot)).map((slot) => [slot, floatsIn(tensors, slot, model)]),
  );
  const state: RMSpropState = {
    ...further,
    version: header.base,
    parameters: floatsIn(tensors, 'parameters', model),
    accumulator: floatsIn(tensors, 'accumulator', model),
    ...slots,
    owed: owedIn(metadata, tensors),
  };
  const optimizer = json(metadata, 'optimizer') as RMSpropConfig;
  return { header, gradients: new Rollback(model, { state, optimizer }) };
}

function floatsIn(tensors: Safetensors['tensors'], slot: string, { length }: Layout): Float32Array {
  const data = tensors.get(slot)?.data;
  if (data instanceof Float32Array && data.length === length) return data;
  throw new GradwireError('E_FRAME', `the rollback lacks ${length} float32 values ${quote(slot)}; nothing was applied`);
}

function owedIn(metadata: Metadata, tensors: Safetensors['tensors']): Map<string, Float64Array> {
  const names = metadata.owed === undefined ? [] : json(metadata, 'owed');
  if (!Array.isArray(names))
    throw new GradwireError('E_FRAME', 'the rollback does not say what its rows owe; nothing was applied');
  return new Map(
    names.map((name, i) => {
      const data = tensors.get(`owed ${i}`)?.data;
      if (data instanceof Float64Array) return [String(name), data];
      throw new GradwireError('E_FRAME', `the rollback lacks what the rows of ${quote(String(name))} owe; nothing was applied`);
    }),
  );
}
