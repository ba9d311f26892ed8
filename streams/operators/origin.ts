// Who made a batch, as an update frame tells it.
import type { UpdateHeader } from '../../src/frames/update.ts';
import { Rollback } from '../../src/rmsprop/state/rollback.ts';
import type { Admitted } from './flow.ts';

/** Producer, producerEpoch and sequence of a batch that has them, of each part of a round's mean; a rollback has none. An admitted batch says so in its header, a plain one beside its gradients. */
export function originOf(batch: unknown): UpdateHeader['folded'] {
  const { header = batch, checked, parts } = (batch ?? {}) as Partial<Pick<Admitted, 'checked' | 'parts'>> & { header?: unknown };
  if (parts !== undefined) return parts.map((each) => [each.producer, each.producerEpoch, each.sequence]);
  const {
    producer,
    producerEpoch = 0,
    sequence,
  } = (header ?? {}) as { producer?: unknown; producerEpoch?: unknown; sequence?: unknown };
  const named = typeof producer === 'string' && typeof sequence === 'number' && !(checked instanceof Rollback);
  return named ? [[producer, Number(producerEpoch), sequence]] : [];
}
