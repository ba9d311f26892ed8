// Folds cases and tells the digests after every step. Node and the browser run this very file on the built package.
import { digestOf, type GradientRecord, layout, RMSprop, type RMSpropOptions } from 'gradwire';
import type { Case, Floats } from '../support/cases.ts';
import { chance } from '../support/random.ts';

/** What an optimizer is after a step: digests of the parameters and of Keras' weights, and the step's learning rate. */
export interface Step {
  readonly parameters: string;
  readonly accumulators: string;
  readonly learningRate: number;
}

/** For each case what its optimizer is after every step. */
export function run(cases: readonly Case[]): Step[][] {
  return cases.map(fold);
}

function fold({ layout: shapes, options, initial, batches }: Case): Step[] {
  const model = layout(shapes);
  const lengthOf = (name: string): number => model.get(name)?.length ?? 0;
  const optimizer = new RMSprop(model, {
    ...(options as RMSpropOptions),
    initial: Object.fromEntries(Object.entries(initial).map(([name, values]) => [name, floats(values, lengthOf(name))])),
  });
  return batches.map((batch) => {
    const record: GradientRecord = Object.fromEntries(
      Object.entries(batch).map(([name, gradient]) => {
        if (!('rows' in gradient)) return [name, floats(gradient, lengthOf(name))];
        const rows = Int32Array.from(gradient.rows);
        return [name, { rows, values: floats(gradient.values, rows.length * (model.get(name)?.rowLength ?? 0)) }];
      }),
    );
    const { learningRate } = optimizer.step(record);
    const accumulators = digestOf(...optimizer.getWeights().map(({ buffer }) => new Uint8Array(buffer)));
    return { parameters: optimizer.digest(), accumulators, learningRate };
  });
}

/** The values themselves. Drawn ones are made of bits, because powers of two are not the same on every engine. */
function floats(values: Floats, length: number): Float32Array {
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
