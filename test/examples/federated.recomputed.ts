// The rounds of a recorded federated run, computed anew: the batch of each worker from its shard, their mean, and the fold.
import { lastValueFrom, of, toArray } from 'rxjs';
import { Batches, only } from '../../examples/federated/shards.ts';
import { readDigits } from '../../examples/mnist/digits.ts';
import { examplesOf, network } from '../../examples/mnist/network.ts';
import { digestOf } from '../../src/digest.ts';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { checkGradients, type Gradients } from '../../src/gradients/check.ts';
import { meanOf } from '../../src/gradients/mean.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { replay } from '../../streams/recordings/index.ts';
import { assignTo, fromModel, layoutOf, trainFrom } from '../../streams/tfjs/index.ts';
import { sameBits } from '../support/bits.ts';
import { tf } from '../support/tensorflow.ts';

/** What the run was told, and who had which digits. Its workers sent `f32`. */
export interface RecordedRun {
  readonly directory: string;
  readonly shards: readonly Uint32Array[];
  readonly roundsOfPass: number;
  readonly seed: number;
  readonly lr: number;
}

/** What it comes to. */
export interface Recomputed {
  readonly rounds: number;
  readonly batches: number;
  readonly digest: string;
}

/**
 * Computes every round of the run with nothing from the recording but who was in it. Throws where a batch has another payload
 * than that worker's shard gives, or where a recorded mean has other bits than the mean of its batches.
 */
export async function recompute({ directory, shards, roundsOfPass, seed, lr }: RecordedRun): Promise<Recomputed> {
  const net = network(tf, seed);
  const model = layoutOf(net);
  const optimizer = new RMSprop(model, { lr, initial: fromModel(tf, net) });
  const training = readDigits('training');
  const workers = shards.map((positions, i) => ({
    digits: only(training, positions),
    batches: new Batches({ count: positions.length, rounds: roundsOfPass, seed: seed + i + 1 }),
  }));
  let count = 0;
  for (const { parts = [], checked, version } of await lastValueFrom(replay(directory).pipe(toArray()))) {
    const base = version - 1;
    await lastValueFrom(of({ weights: optimizer.parameters }).pipe(assignTo(tf, net)));
    const batches: Gradients[] = [];
    for (const { producer, producerEpoch, sequence, payload } of parts) {
      const { digits, batches: own } = workers[Number(/\d+$/.exec(producer)) - 1];
      const examples = [examplesOf(tf, digits, own.at(base))];
      const batch = await lastValueFrom(trainFrom(tf, net, examples, { layout: model, dispose: true }));
      const frame = encodeGradients(model, { producer, producerEpoch, sequence, base }, batch);
      if (digestOf(frame) !== payload)
        throw new Error(`version ${version} has another batch of ${producer} than its shard gives`);
      batches.push(checkGradients(model, batch.gradients));
      count += 1;
    }
    const mean = meanOf(batches);
    for (const { tensor, values } of checked.tensors)
      sameBits(values, mean[tensor.name] as Float32Array, `version ${version}, ${tensor.name}`);
    optimizer.step(mean);
  }
  return { rounds: optimizer.version, batches: count, digest: optimizer.digest() };
}
