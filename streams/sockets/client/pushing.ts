// What a follower and a worker's face know of its pushes, wherever their code is.
import type { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Ack, Nack } from '../../operators/flow.ts';
import type { Welcome } from '../protocol/words.ts';
import type { Pushed } from './outbox.ts';
import type { PushesOptions, WorkerBatch } from './pushes.ts';

/** The batches of one worker. */
export interface Pushing<Name extends string = string> {
  readonly producer: string;
  /** The epoch that the frames carry; undefined before the first welcome, unless it was given. */
  readonly producerEpoch: number | undefined;
  /** The highest number of this producer and epoch, pushed here or known to the trainer; undefined before the first welcome. */
  readonly sequence: number | undefined;
  /** Batches that are unanswered. */
  readonly size: number;
  /** Resolves with the ack, or rejects after `timeoutMs`. See {@link RemoteWorker.push} for its errors. */
  push(batch: WorkerBatch<Name>, version: number, timeoutMs?: number): Promise<Pushed>;
  /** A connection is there. The first welcome decides the epoch and where the numbers begin. */
  open(welcome: Welcome): void;
  /** The weights are there, and with them the model that batches are checked against. */
  ready(model: Layout<Name>): void;
  /** The connection is gone; `tooLarge` where it ended over the size of a message. */
  shut(tooLarge: boolean): void;
  /** An answer from the trainer. */
  settle(answer: Ack | Nack): void;
  /** Everything unanswered, and every later push, ends with this error. */
  fail(error: GradwireError): void;
}

/** Makes the pushes of a worker, which send frames with `send`. */
export type MakePushes = <Name extends string>(
  options: PushesOptions,
  send: (frame: Uint8Array<ArrayBuffer>) => void,
) => Pushing<Name>;
