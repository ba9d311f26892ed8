// What the main process and its workers say to each other: the task as an argument, the rest over the channel that `fork` opens.
import type { Failure } from '../support/child.ts';
import type { EncodingName } from '../support/command-line.ts';

/** All that a worker is told. The digits it has itself. */
export interface Task {
  readonly url: string;
  /** From 1; it has the shard of that number. */
  readonly number: number;
  readonly workers: number;
  readonly digits: number;
  readonly skew: number;
  readonly seed: number;
  /** Rounds of a pass. */
  readonly roundsOfPass: number;
  /** It makes no batch on weights of this version or a later one. */
  readonly until: number;
  /** Of its gradients. */
  readonly encoding: EncodingName;
}

/** The name under which worker `number` pushes. */
export function producerOf(number: number): string {
  return `worker-${number}`;
}

/** Of one batch, once it is acknowledged. */
export interface Report {
  readonly loss: number;
  /** Whether its round was over when it came, so that it went into a later one. */
  readonly late: boolean;
  /** Bytes sent since the last report. */
  readonly bytes: number;
}

/** From a worker. `ready`: it has its shard and the weights. `done`: there is no more to do. */
export type WorkerMessage = { type: 'ready' } | { type: 'report'; report: Report } | { type: 'done' } | Failure;

/** To a worker: to begin, and to end where its batch is not answered any more. */
export interface WorkerOrder {
  readonly type: 'begin' | 'finish';
}
