// What a tap gives of a trainer: the state that it starts with, then every batch that is folded after it.
import type { GradientsHeader } from '../../src/frames/gradients.ts';
import type { Snapshot } from '../../src/frames/snapshot.ts';
import type { Gradients } from '../../src/gradients/check.ts';

/** The trainer's whole state at the version before the batches that follow. */
export interface TapStart {
  readonly kind: 'start';
  readonly snapshot: Snapshot;
  /** The snapshot frame: owned, never written again. */
  readonly frame: Uint8Array;
}

/** One folded batch. An optimizer for the snapshot's layout takes it as it is. */
export interface TappedBatch {
  readonly kind: 'batch';
  /** The version that folding it made. */
  readonly version: number;
  /** The trainer's fencing number when it was admitted. */
  readonly epoch: number;
  readonly run: string;
  /** The journal record: the gradients frame with its stamp. Owned, never written again. */
  readonly frame: Uint8Array;
  readonly header: GradientsHeader;
  /** xxHash64 of the frame as it arrived at the trainer. */
  readonly payload: string;
  /** The checked gradients: views of `frame`. */
  readonly checked: Gradients;
}

/** A start, or a batch that follows on what came before it. */
export type Tapped = TapStart | TappedBatch;
