// What the main process and its workers and replicas say to each other, over the channel that `fork` opens.
import type { Failure } from '../support/child.ts';
import type { BorrowerMessage } from '../support/lending.ts';
import type { Counts } from './metrics.ts';

/** What a worker did since its last report. Staleness: batches that others folded between reading the weights and applying the gradient. */
export interface Report {
  readonly counts: Counts;
  readonly batches: number;
  readonly stalenessSum: number;
  readonly stalenessMax: number;
}

/** From a worker. */
export type WorkerMessage = BorrowerMessage<Report>;

/** To a replica: `where` asks for its lag behind `version`; `finish` asks for its digest once it has reached `version`. */
export type ReplicaQuestion = { type: 'where'; version: number } | { type: 'finish'; version: number };

/** From a replica. `lag` is how many versions it still lacked of the version it was asked about. */
export type ReplicaMessage =
  | { type: 'position'; version: number; lag: number }
  | { type: 'final'; version: number; digest: string }
  | Failure;
