// What flows through a trainer's pipe, station by station: arrival, admitted batch, step, publication.
import type { Folding } from '../../src/frames/fold.ts';
import type { GradientsHeader, OpenedFrame } from '../../src/frames/gradients.ts';
import type { UpdateHeader } from '../../src/frames/update.ts';
import type { Gradients } from '../../src/gradients/check.ts';
import type { RMSprop, StepResult } from '../../src/rmsprop/rmsprop.ts';
import type { Tensors } from '../../src/tensors.ts';

/** The batch is in the journal, synced, and applied exactly once, as `version`. */
export interface Ack {
  readonly type: 'ack';
  readonly sequence: number;
  readonly version: number;
  /** Whether it had been applied before, and this answer repeats the first. */
  readonly duplicate: boolean;
}

/** The batch was refused and changed nothing. */
export interface Nack {
  readonly type: 'nack';
  /** Null where the frame did not say. */
  readonly sequence: number | null;
  readonly code: string;
  /** Whether the same bytes may be sent again after `retryAfterMs`. */
  readonly retryable: boolean;
  readonly retryAfterMs: number;
  /** The trainer's version. */
  readonly version: number;
  readonly text: string;
}

/** Each arrival gets one answer. */
export type Answer = Ack | Nack;

/** A gradients frame as a transport hands it over. The frame is owned and never written again. */
export interface Arrival {
  readonly frame: Uint8Array;
  /** Called once: with the ack when the batch is durable and folded, or with the nack. */
  readonly answer: (answer: Answer) => void;
  /** What `deserialize` would read in this very frame, where whoever made it knows: it is trusted, not read again. */
  readonly opened?: OpenedFrame;
  /** What is known already where the trainer made it itself, as a rollback: it is not checked, only given its version. */
  readonly known?: Pick<Admitted, 'header' | 'checked' | 'payload'>;
}

/** A batch that passed the checks and has its version; in synchronous mode the mean of a round, with its `parts`. */
export interface Admitted<Name extends string = string> extends Arrival, Folding {
  readonly header: GradientsHeader;
  /** The checked gradients, or the rollback, which the optimizer trusts. */
  readonly checked: Gradients<Name>;
  /** The version that folding it makes. */
  readonly version: number;
  /** xxHash64 of the frame. */
  readonly payload: string;
}

/** One batch folded. */
export interface Step<Name extends string = string, Input = unknown> extends StepResult<Name> {
  /** The parameters: **live views** that the next step overwrites; `parameters.copy(name)` stays as it is. */
  readonly parameters: Tensors<Name>;
  /** What came in. */
  readonly batch: Input;
  /** The optimizer itself, for its state; live. */
  readonly optimizer: RMSprop<Name>;
  /** Batches refused so far in this subscription. */
  readonly refused: number;
  /** Where earlier steps were held back, what is published with this one. */
  readonly merged?: Merged;
}

/** The steps that one publication publishes together. */
export interface Merged {
  /** The version that was published last. */
  readonly from: number;
  /** Who made their batches, oldest first; of more than 1,024 the newest alone. */
  readonly folded: UpdateHeader['folded'];
}

/** What recorders are told of a step: the batch, which is an admitted one where they are to have it, and the version it made. */
export interface Folded {
  readonly version: number;
  readonly batch: unknown;
}

/** One update of the published weights. */
export interface Publication<Input = unknown> {
  /** The version that it applies to; `version` itself where it only brings what an encoding had dropped. */
  readonly from: number;
  readonly version: number;
  /** The learning rate of the last step in it. */
  readonly learningRate: number;
  /** The update frame: owned, never written again; share it, keep it, send it. */
  readonly frame: Uint8Array;
  /** The published weights: a **live view**. */
  readonly weights: Tensors;
  /** The batches that it merges, in the order of their versions; none where `from` is `version`, and of what a guard held back the last. */
  readonly batches: readonly Input[];
}
