// publish: steps in, update frames out. What is published is what replicas hold.
import { defer, map, type OperatorFunction } from 'rxjs';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { refuseUnknownOptions } from '../../src/errors.ts';
import { encodeUpdate, type UpdateHeader } from '../../src/frames/update.ts';
import type { BatchIdentity } from '../../src/producers.ts';
import { Published } from '../../src/published.ts';
import type { Publication, Step } from './flow.ts';

/** Whose updates they are. */
export interface PublishOptions<Name extends string = string> {
  /** The model's name, `default` unless told. */
  readonly name?: string;
  /** The model's history, `local` unless told. */
  readonly run?: string;
  /** The trainer's fencing number, 0 unless told. */
  readonly epoch?: number;
  /** Every how many versions the update carries a digest of all weights; 256 unless told. */
  readonly digestEvery?: number;
  /** The published weights to go on from; unless told, those of the first step. */
  readonly published?: Published<Name>;
}

/**
 * Publishes every version in encoding `f32`: the new values of the tensors and rows that the step touched.
 *
 * @throws GradwireError `E_CONFIG` for an option that it does not know.
 */
export function publish<Name extends string, Input>(
  options: PublishOptions<Name> = {},
): OperatorFunction<Step<Name, Input>, Publication<Input>> {
  refuseUnknownOptions('publish', options, ['name', 'run', 'epoch', 'digestEvery', 'published']);
  const { name = 'default', run = 'local', epoch = 0, digestEvery = 256, published } = options;
  return (source) =>
    defer(() => {
      let held = published;
      return source.pipe(
        map(({ version, learningRate, parameters, touched, batch }) => {
          held ??= new Published(parameters);
          const forms = held.take(touched, parameters);
          const digest = version % digestEvery === 0 ? digestOf(bytesOf(held.weights.flat)) : undefined;
          const from = version - 1;
          const position = { model: name, run, epoch, from, version };
          const frame = encodeUpdate({ ...position, encoding: 'f32', learningRate, digest, folded: originOf(batch) }, forms);
          return { from, version, learningRate, frame, weights: held.weights, batch };
        }),
      );
    });
}

// an admitted batch says who made it in its header, a plain batch beside its gradients
function originOf(batch: unknown): UpdateHeader['folded'] {
  const { header = batch, parts } = (batch ?? {}) as { header?: unknown; parts?: readonly BatchIdentity[] };
  if (parts !== undefined) return parts.map((each) => [each.producer, each.producerEpoch, each.sequence]);
  const {
    producer,
    producerEpoch = 0,
    sequence,
  } = (header ?? {}) as { producer?: unknown; producerEpoch?: unknown; sequence?: unknown };
  return typeof producer === 'string' && typeof sequence === 'number' ? [[producer, Number(producerEpoch), sequence]] : [];
}
