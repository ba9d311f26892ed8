// The ack of a batch: the last word of its way through a trainer.
import type { Admitted, Publication } from '../operators/flow.ts';

/** Durable, folded, published or held back: only now does its sender hear of it. */
export function acknowledge({ batch, version }: Pick<Publication<Admitted>, 'batch' | 'version'>): void {
  batch.answer({ type: 'ack', sequence: batch.header.sequence, version, duplicate: false });
}
