// A worker's way up from a relay: what the server knows of it, and how a client is told to come back later.

import type { Arrival } from '../../operators/flow.ts';
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts';
import type { Hello, Welcome } from '../protocol/words.ts';
import type { Served } from './served.ts';

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

/** The way up of a client, once the relay that is served has said that it may come, or why not; until then it is not read. */
export async function entered(
  socket: { pause(): void; resume(): void },
  hello: Hello,
  served: Pick<Served, 'enter'>,
): Promise<WayUp | TurnedAway | undefined> {
  socket.pause();
  const failed = new TurnedAway(closeCodes.internal, 'E_NOT_READY: this failed inside');
  const way = await served.enter?.(hello).catch((error: unknown) => (error instanceof TurnedAway ? error : failed));
  socket.resume();
  return way;
}
