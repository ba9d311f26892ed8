// The words of the protocol `gradwire.v1`: what the two sides say to each other as JSON text. docs/FORMAT.md is the contract.
import type { EncodingName } from '../../../src/encodings/names.ts';
import type { Shapes } from '../../../src/layout.ts';
import type { Epochs } from './resume.ts';

/** The WebSocket subprotocol: the server's answer whatever the client offers. */
export const subprotocol = 'gradwire.v1';

/** The longest hello, in bytes. */
export const helloBytes = 4096;

/** Whether a text can be a token: 1 to 512 visible ASCII characters, so that it fits into a hello and an HTTP header. */
export function isToken(text: unknown): text is string {
  return typeof text === 'string' && /^[\x21-\x7e]{1,512}$/.test(text);
}

/** A replica follows; a worker follows and pushes batches; a recorder gets the batches themselves. */
export type Role = 'replica' | 'worker' | 'recorder';

/** `every`: each version; `latest`: a replica that lags is skipped to the newest state. */
export type Mode = 'every' | 'latest';

/** What a hello may ask for: with `none` no frames come at all, only answers and heartbeats, as for a relay's ways up. */
export type HelloMode = Mode | 'none';

/** Where a client stood when it was cut off. */
export interface Resume {
  readonly run: string;
  readonly epoch: number;
  readonly version: number;
  /** The xxHash64 of its weights; where it is left out, nothing is compared. */
  readonly digest: string | undefined;
}

/** The client's first message. */
export interface Hello {
  readonly role: Role;
  /** A secret, where the server asks for one. Never shown. */
  readonly token?: string | undefined;
  readonly mode: HelloMode;
  readonly producer: string | undefined;
  readonly producerEpoch: number | undefined;
  readonly resume: Resume | undefined;
  /** The tensors that a replica follows; all, where it is left out. */
  readonly tensors?: readonly string[] | undefined;
}

/** Why a client that wanted to resume starts over with all weights. */
export type ResetReason = 'other-run' | 'ahead' | 'diverged' | 'backlog';

/** How much a worker may have in flight. One batch is always allowed. */
export interface Credit {
  readonly batches: number;
  readonly bytes: number;
}

/** The server's answer to a hello. */
export interface Welcome {
  readonly type: 'welcome';
  readonly run: string;
  readonly epoch: number;
  /** The trainer's version. */
  readonly version: number;
  readonly layout: Shapes;
  /** In which encoding updates go out; each says its own too, for what an encoding dropped follows in `f32`. */
  readonly encoding: EncodingName;
  readonly credit: Credit;
  /** Whether exactly what comes after the client's version follows; otherwise a weights or snapshot frame, and what follows it. */
  readonly resumed: boolean;
  /** Null unless the client wanted to resume and could not. */
  readonly reason: ResetReason | null;
  /** For a worker: the epoch to write into its frames; null where its hello names no producer and no epoch. */
  readonly producerEpoch?: number | null;
  /** For a worker: the highest sequence number known of that producer and epoch; null where there is none. */
  readonly sequence?: number | null;
  /** Every epoch of the run with the first version made in it: by it a relay judges who may resume. */
  readonly epochs?: Epochs;
  /** The relays between the trainer and the client, the trainer's own first; missing at a trainer. */
  readonly relays?: readonly string[];
}

/** Liveness and position, when nothing else has been sent for a while. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly epoch: number;
  readonly version: number;
  readonly digest: string;
}
