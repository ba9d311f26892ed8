// The batches that are recorded: the flights job's own, on its real data, and dense ones of any size.

import { weightCount } from '../../examples/flights/features.ts';
import { Learner } from '../../examples/flights/learner.ts';
import { Prequential } from '../../examples/flights/metrics.ts';
import { emptyFlights, FlightSource } from '../../examples/flights/source.ts';
import { digestOf } from '../../src/digest.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { type Batch, type GradientRecord, type Layout, layout, RMSprop, type RMSpropOptions } from '../../src/index.ts';
import type { Admitted } from '../../streams/operators/index.ts';
import { gradientOf } from '../kernel/gradients.ts';

/** Batches of one model, and the optimizer that folds them. */
export interface Job {
  readonly model: Layout<'weights'>;
  readonly optimizer: RMSpropOptions<'weights'>;
  readonly batches: readonly Batch<'weights'>[];
}

/** Flights in a batch, as the example has it. */
const flightsInBatch = 64;

/** The first batches of the flights job: the gradients that one worker would send, each computed on the weights before it. */
export async function flightsJob(count: number): Promise<Job> {
  const model = layout({ weights: [weightCount] });
  const optimizer = { lr: 0.01, rho: 0.99, sparse: 'lazy' } as const;
  const fold = new RMSprop(model, optimizer);
  const source = new FlightSource();
  const flights = emptyFlights(flightsInBatch);
  const learner = new Learner();
  const score = new Prequential();
  const batches: Batch<'weights'>[] = [];
  for (let i = 0; i < count; i++) {
    await source.read(i * flightsInBatch, flightsInBatch, flights);
    const { rows, values, loss } = learner.learn(flights, fold.parameters.get('weights'), score);
    const gradients: GradientRecord<'weights'> = { weights: { rows, values } };
    fold.step(gradients);
    batches.push({ gradients, examples: flights.count, loss });
  }
  return { model, optimizer, batches };
}

/** Dense batches with gradients of `byteLength` bytes, `count` of them in memory of their own. */
export function denseJob(byteLength: number, count: number): Job {
  const model = layout({ weights: [byteLength / 4] });
  const batches = Array.from({ length: count }, () => ({ gradients: { weights: gradientOf(byteLength / 4).slice() } }));
  return { model, optimizer: { lr: 0.01 }, batches };
}

/** Batches as admission lets them through, before they have a version. */
export function admittedOf({ model, batches }: Job): Omit<Admitted<'weights'>, 'version'>[] {
  return batches.map((batch, i) => {
    const frame = encodeGradients(model, { model: 'default', producer: 'w', producerEpoch: 1, sequence: i, base: 0 }, batch);
    const { header, gradients: checked } = decodeGradients(frame, model);
    return { frame, header, checked, payload: digestOf(frame), answer: () => undefined };
  });
}
