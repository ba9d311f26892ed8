// Folds cases and tells the digests of everything after every step. Node and the browser run this very file on the built package.
import { digestOf, type GradientRecord, GradwireError, type Layout, layout, RMSprop, type RMSpropOptions } from 'gradwire';
import { startThreads } from 'gradwire/threads';
import type { Case, Floats } from '../support/cases.ts';
import { chance } from '../support/random.ts';
import { helped, watched } from '../support/threads.ts';

/** What an optimizer is after a step: its state and Keras' weights, every array as a digest, and what the step said. */
export interface Step {
  readonly state: Readonly<Record<string, unknown>>;
  readonly weights: string;
  /** The code of the error where the batch was refused. */
  readonly result: Readonly<Record<string, unknown>> | string;
}

/** For each case what its optimizer is after every step. */
export async function run(cases: readonly Case[]): Promise<Step[][]> {
  const all: Step[][] = [];
  for (const each of cases) all.push(await fold(each));
  return all;
}

async function fold({ layout: shapes, options, initial, batches, threads: count }: Case): Promise<Step[]> {
  const model = layout(shapes);
  const threads = count === undefined ? undefined : startThreads(count);
  const all = {
    ...(options as RMSpropOptions),
    initial: Object.fromEntries(Object.entries(initial).map(([name, values]) => [name, floats(values, model.get(name)?.length)])),
    threads,
  };
  const optimizer = watched(() => new RMSprop(model, all));
  if (threads !== undefined) await helped(optimizer);
  const steps = batches.map((batch) => {
    const result = resultOf(optimizer.made, recordOf(model, batch));
    return { result, state: digests(optimizer.made.state()), weights: digestOf(...optimizer.made.getWeights().map(bytesOf)) };
  });
  threads?.close();
  return steps;
}

function recordOf(model: Layout, batch: Case['batches'][number]): GradientRecord {
  const entries = Object.entries(batch).map(([name, gradient]) => {
    if (!('rows' in gradient)) return [name, floats(gradient, model.get(name)?.length)];
    const rows = Int32Array.from(gradient.rows);
    return [name, { rows, values: floats(gradient.values, rows.length * (model.get(name)?.rowLength ?? 0)) }];
  });
  return Object.fromEntries(entries);
}

function resultOf(optimizer: RMSprop, record: GradientRecord): Step['result'] {
  try {
    const { touched, ...numbers } = optimizer.step(record);
    return { ...numbers, touched: touched.map(({ tensor, rows }) => `${tensor.name} ${rows ?? 'all'}`) };
  } catch (error) {
    if (error instanceof GradwireError) return error.code;
    throw error;
  }
}

/** The fields with a digest in the place of every array of numbers. */
function digests(fields: object): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, value]) => {
    if (ArrayBuffer.isView(value)) return [name, digestOf(bytesOf(value))];
    return [name, value instanceof Map ? digests(Object.fromEntries(value)) : value];
  });
  return Object.fromEntries(entries);
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The values themselves. Drawn ones are made of bits, because powers of two are not the same on every engine. */
function floats(values: Floats, length = 0): Float32Array {
  if (!('seed' in values)) return Float32Array.from(values);
  const random = chance(values.seed);
  const bits = Uint32Array.from({ length }, () => {
    const sign = random() < 0.5 ? 0x8000_0000 : 0;
    if (random() < 1 / 16) return sign;
    const exponent = values.least + 127 + Math.floor(random() * (values.most - values.least + 1));
    return (sign | (exponent << 23) | Math.floor(random() * 2 ** 23)) >>> 0;
  });
  return new Float32Array(bits.buffer);
}
