// What the main process and its workers and replicas say to each other, over the channel that `fork` opens.
import type { Range } from './cursor.ts';
import type { Counts } from './metrics.ts';

/** What a worker did since its last report. Staleness: batches that others folded between reading the weights and applying the gradient. */
export interface Report {
  readonly counts: Counts;
  readonly batches: number;
  readonly stalenessSum: number;
  readonly stalenessMax: number;
}

/** From a worker. After `next` it gets one {@link RangeAnswer}; `done` says that all it was handed is learned. */
export type WorkerMessage = { type: 'next' } | { type: 'report'; report: Report } | { type: 'done' } | Failure;

/** The next flights for a worker; none at the end of the run. */
export interface RangeAnswer {
  readonly range?: Range;
}

/** To a replica: `where` asks for its lag behind `version`; `finish` asks for its digest once it has reached `version`. */
export type ReplicaQuestion = { type: 'where'; version: number } | { type: 'finish'; version: number };

/** From a replica. `lag` is how many versions it still lacked of the version it was asked about. */
export type ReplicaMessage =
  | { type: 'position'; version: number; lag: number }
  | { type: 'final'; version: number; digest: string }
  | Failure;

/** Why a process ends early, in one line. */
export interface Failure {
  readonly type: 'failed';
  readonly text: string;
}
