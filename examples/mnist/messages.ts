// What the main process, its workers and its replica say to each other, over the channel that `fork` opens.
import type { Failure } from '../support/child.ts';
import type { BorrowerMessage } from '../support/lending.ts';

/** What a worker did since its last report. Staleness: batches that others folded between reading the weights and applying the gradient. */
export interface Report {
  readonly digits: number;
  readonly batches: number;
  /** The sum of the batches' mean losses. */
  readonly lossSum: number;
  readonly stalenessSum: number;
  readonly stalenessMax: number;
}

/** From a worker. */
export type WorkerMessage = BorrowerMessage<Report>;

/** How the replica's weights do. */
export interface Score {
  readonly version: number;
  /** Of the test digits, from 0 to 1. */
  readonly accuracy: number;
  /** Updates to a newer version that were applied, and their bytes. */
  readonly updates: number;
  readonly updateBytes: number;
}

/** To the replica: the trainer ends, and its last weights are wanted. */
export interface ReplicaQuestion {
  readonly type: 'finish';
}

/** From the replica. `final` is what it holds once the trainer has ended. */
export type ReplicaMessage = { type: 'score'; score: Score } | { type: 'final'; score: Score; digest: string } | Failure;
