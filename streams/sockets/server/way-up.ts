// A worker's way up from a relay: what the server knows of it, and how a client is told to come back later.
import type { Arrival } from '../../operators/flow.ts';
import type { CloseCode } from '../protocol/close-codes.ts';
import type { Welcome } from '../protocol/words.ts';

/** Takes the batches of one connection. It lives as long as the connection, or ends it. */
export interface WayUp {
  /** The producer epoch and the highest sequence number, as the trainer says. */
  readonly identity: Pick<Welcome, 'producerEpoch' | 'sequence'>;
  /** Sends the batch up as it is. */
  push(arrival: Arrival): void;
  /** Calls `end` with a close code and a reason once nothing goes up any more; at once where that is so already. */
  whenEnded(end: (code: number, reason: string) => void): void;
  /** The connection is gone. */
  close(): void;
}

/** Why a client is not let in now; the code says whether it may come back. */
export class TurnedAway extends Error {
  readonly code: CloseCode;

  constructor(code: CloseCode, text: string) {
    super(text);
    this.code = code;
  }
}
