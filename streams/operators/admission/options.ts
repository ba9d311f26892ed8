// What `admit` may be told.
import type { SchedulerLike } from 'rxjs';
import type { CheckOptions, Gradients } from '../../../src/gradients/check.ts';
import type { Producers } from '../../../src/producers.ts';
import type { AdmissionPolicies } from './policies.ts';
import type { AdmissionTally } from './tally.ts';

/** What admission needs to know, and whom it lets through. */
export interface AdmitOptions extends CheckOptions, AdmissionPolicies {
  /** The model's name: a frame that names another is refused. `default` unless told. */
  readonly name?: string;
  /** The version folded so far, read for each arrival. */
  readonly version: () => number;
  /**
   * The windows of the batches folded so far, kept up to date by whoever folds them. A copy is made at the subscription, and
   * another after a batch that was let through has been answered with a nack. None unless told.
   */
  readonly producers?: Producers;
  /** Throws for a batch that fits the model and that the optimizer could not fold all the same, as `optimizer.demandFoldable` does. */
  readonly demandFoldable?: (gradients: Gradients) => void;
  /** Counts what is refused; one subscription at a time. */
  readonly tally?: AdmissionTally;
  /** The clock of `rate`, `quarantine` and `synchronous.deadlineMs`; one that never goes back unless told. */
  readonly scheduler?: SchedulerLike;
}
