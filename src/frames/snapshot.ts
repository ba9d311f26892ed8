// The snapshot frame: everything that a trainer needs to go on from a version as if it had never stopped.
import { bytesOf, digestInSlices, digestOf } from '../digest.ts';
import { GradwireError, quote } from '../errors.ts';
import { bitsOf } from '../floats.ts';
import type { Layout } from '../layout.ts';
import { type ProducerList, Producers } from '../producers.ts';
import type { RMSpropConfig } from '../rmsprop/options/hyperparameters.ts';
import { type RMSpropState, slotNames } from '../rmsprop/state/state.ts';
import { Tensors } from '../tensors.ts';
import { finish, type Work } from '../work.ts';
import { count, demandKind, digestIn, frameFormat, json, text } from './metadata.ts';
import { open } from './safetensors/open.ts';
import { deserialize, type Safetensors, serializeInSlices, type Tensor } from './safetensors.ts';
import type { Position } from './update.ts';
import { denseEntries, parametersIn } from './weights.ts';

/** A trainer at a version. */
export interface Snapshot<Name extends string = string> extends Position {
  readonly model: string;
  /** The optimizer's configuration, as `getConfig` gives it. */
  readonly optimizer: RMSpropConfig;
  /** The parameters by name, a copy; their digest is the snapshot's. */
  readonly parameters: Tensors<Name>;
  readonly state: RMSpropState;
  readonly producers: Producers;
  /** The published weights, where an encoding still owes something of the parameters. */
  readonly published?: Tensors<Name> | undefined;
  /** Examples learned so far, as the batches said. */
  readonly examples: number;
}

// windows make the header of a snapshot longer than that of a frame from outside may be
const headerLimit = 64 << 20;
// each tensor comes with its slots
const tensorLimit = 100_000;

/** A snapshot frame. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array<ArrayBuffer> {
  return finish(encodeSnapshotInSlices(snapshot));
}

/** {@link encodeSnapshot} as work in slices, so that a large state stops nobody for long. The snapshot is borrowed until it is done. */
export function* encodeSnapshotInSlices(snapshot: Snapshot): Work<Uint8Array<ArrayBuffer>> {
  const { model, run, epoch, version, optimizer, parameters, state, examples, producers } = snapshot;
  const { list, windows } = yield* producers.toListInSlices();
  const entries = [...denseEntries(parameters), ...slotEntries(parameters, state), ...publishedEntries(snapshot)];
  if (windows.length > 0) entries.push(['#windows', { dtype: 'U64', shape: [windows.length / 3, 3], data: windows }]);
  const metadata = {
    gradwire: frameFormat,
    kind: 'snapshot',
    model,
    run,
    epoch: String(epoch),
    version: String(version),
    examples: String(examples),
    digest: yield* digestInSlices([bytesOf(parameters.flat)]),
    optimizer: JSON.stringify(optimizer),
    ...furtherState(state),
    producers: JSON.stringify(list),
  };
  const parts = entries.map(([, { data }]) => bytesOf(data));
  const check = yield* digestInSlices(checked(metadata, parts));
  return yield* serializeInSlices(entries, { ...metadata, check }, { headerBytes: headerLimit, tensors: tensorLimit });
}

/** What the check of a snapshot covers: its metadata too, for a wrong count or producer would be as bad as a wrong weight. */
function checked({ check, ...metadata }: Readonly<Record<string, string>>, parts: readonly Uint8Array[]): Uint8Array[] {
  return [new TextEncoder().encode(JSON.stringify(metadata)), ...parts];
}

/** Whether a frame says that it is a snapshot; nothing else of it is looked at. Throws `E_ST_…`. */
export function isSnapshot(frame: Uint8Array): boolean {
  return open(frame, { headerBytes: headerLimit, tensors: tensorLimit }).metadata.get('kind') === 'snapshot';
}

/**
 * Reads and checks a snapshot.
 *
 * @throws GradwireError `E_ST_…`, `E_FRAME`, `E_FORMAT`, `E_CHECK`, `E_DIGEST`.
 */
export function decodeSnapshot(frame: Uint8Array): Snapshot {
  const file = deserialize(frame, { headerBytes: headerLimit, tensors: tensorLimit });
  const { metadata, data, tensors } = file;
  demandKind(metadata, 'snapshot');
  if (digestOf(...checked(metadata, [data])) !== digestIn(metadata, 'check'))
    throw new GradwireError('E_CHECK', `the snapshot's bytes are not those that were written`);
  const parameters = parametersIn(file);
  refuseStrangers(tensors, parameters.layout);
  if (digestOf(bytesOf(parameters.flat)) !== digestIn(metadata, 'digest')) {
    throw new GradwireError('E_DIGEST', `the snapshot's parameters do not have the digest that it states`);
  }
  const windows = tensors.get('#windows')?.data ?? new BigUint64Array();
  return {
    model: text(metadata, 'model'),
    run: text(metadata, 'run'),
    epoch: count(metadata, 'epoch'),
    version: count(metadata, 'version'),
    examples: count(metadata, 'examples'),
    optimizer: json(metadata, 'optimizer') as RMSpropConfig,
    parameters,
    state: stateIn(file, parameters),
    published: publishedIn(tensors, parameters),
    producers: Producers.fromList({ list: json(metadata, 'producers') as ProducerList, windows: windows as BigUint64Array }),
  };
}

/** The check does not cover names: a tensor that nobody would read may be one that is missed. Throws `E_FRAME`. */
function refuseStrangers(tensors: Safetensors['tensors'], { tensors: own }: Layout): void {
  const known = new Set(['#windows']);
  for (const { name } of own)
    for (const slot of ['', '#accumulator', '#owed', '#published', ...slotNames.map((each) => `#${each}`)])
      known.add(name + slot);
  for (const name of tensors.keys())
    if (!known.has(name)) throw new GradwireError('E_FRAME', `the snapshot has a tensor ${quote(name)} that belongs to nothing`);
}

/** What not every optimizer carries, as JSON; nothing where this one does not. */
export function furtherState({ skipped = 0, undone, lossScale, accumulating }: RMSpropState): { state?: string } {
  if (skipped === 0 && lossScale === undefined && accumulating === undefined) return {};
  return { state: JSON.stringify({ skipped, undone, lossScale, accumulating }) };
}

/** The published weights of tensors that differ from the parameters. */
function publishedEntries({ parameters, published }: Snapshot): [string, Tensor][] {
  if (published === undefined) return [];
  return denseEntries(published).flatMap(([name, tensor]): [string, Tensor][] => {
    const differs = bitsOf(tensor.data as Float32Array).some(differsFrom(bitsOf(parameters.get(name))));
    return differs ? [[`${name}#published`, tensor]] : [];
  });
}

function differsFrom(others: Int32Array): (bits: number, i: number) => boolean {
  return (bits, i) => bits !== others[i];
}

function publishedIn(tensors: Safetensors['tensors'], { layout, flat }: Tensors): Tensors | undefined {
  if (!layout.tensors.some(({ name }) => tensors.has(`${name}#published`))) return undefined;
  const published = new Tensors(layout, flat.slice());
  for (const { name, length } of layout.tensors) {
    const data = tensors.get(`${name}#published`)?.data;
    if (data === undefined) continue;
    if (!(data instanceof Float32Array) || data.length !== length)
      throw new GradwireError('E_FRAME', `the snapshot's published weights of ${quote(name)} do not fit it`);
    published.get(name).set(data);
  }
  return published;
}

function slotEntries({ layout }: Tensors, state: RMSpropState): [string, Tensor][] {
  const { owed } = state;
  const slots = (['accumulator', ...slotNames] as const).flatMap((slot) => {
    const values = state[slot];
    if (values === undefined) return [];
    return denseEntries(new Tensors(layout, values)).map(([name, tensor]): [string, Tensor] => [`${name}#${slot}`, tensor]);
  });
  const debts = [...owed].map(([name, data]): [string, Tensor] => [`${name}#owed`, { dtype: 'F64', shape: [data.length], data }]);
  return [...slots, ...debts];
}

function stateIn({ metadata, tensors }: Safetensors, { layout, flat }: Tensors): RMSpropState {
  const owed = new Map<string, Float64Array>();
  for (const { name } of layout.tensors) {
    const debts = tensors.get(`${name}#owed`)?.data;
    if (debts instanceof Float64Array) owed.set(name, debts);
  }
  const accumulator = slotIn('accumulator', tensors, layout);
  if (accumulator === undefined) throw new GradwireError('E_FRAME', 'the snapshot lacks its accumulators');
  const slots = slotNames
    .map((slot) => [slot, slotIn(slot, tensors, layout)] as const)
    .filter(([, values]) => values !== undefined);
  const further = metadata.state === undefined ? {} : (json(metadata, 'state') as Partial<RMSpropState>);
  return { ...further, version: count(metadata, 'version'), parameters: flat, accumulator, ...Object.fromEntries(slots), owed };
}

// a slot of all tensors, or undefined where the first does not have it
function slotIn(slot: string, tensors: Safetensors['tensors'], layout: Layout): Float32Array | undefined {
  const values = new Tensors(layout);
  for (const { name, length } of layout.tensors) {
    const data = tensors.get(`${name}#${slot}`)?.data;
    if (data === undefined && name === layout.tensors[0].name) return undefined;
    if (!(data instanceof Float32Array) || data.length !== length)
      throw new GradwireError('E_FRAME', `the snapshot lacks the ${slot} of ${quote(name)}`);
    values.get(name).set(data);
  }
  return values.flat;
}
