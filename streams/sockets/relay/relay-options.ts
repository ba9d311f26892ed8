// What `relay` may be told: how it follows its upstream, and how it serves.
import { WebSocket } from 'ws';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import { type ConnectOptions, connectOptionsOf, type ReplicaOptions } from '../client/connect-options.ts';
import type { SocketClass } from '../client/socket-class.ts';
import { type ServeOptions, serveOptionsOf } from '../server/serve-options.ts';

/** Options of a relay: those of a replica for its upstream, and `listen` for its own clients. */
export interface RelayOptions extends Omit<ReplicaOptions, 'role'> {
  /** The server; on any free port of 127.0.0.1 unless told. */
  readonly listen?: ServeOptions;
  /** How long a client that knows a later version than this relay is kept waiting for it, in milliseconds; 5 s. */
  readonly catchUpMs?: number;
}

/** Everything, with its default. */
export interface RelaySettings {
  readonly connect: ConnectOptions;
  readonly listen: ServeOptions;
  /** For an answer from upstream to a batch that came by HTTP. */
  readonly answerMs: number;
  readonly catchUpMs: number;
}

const forReplicas = ['role', 'producer', 'producerEpoch', 'maxQueue', 'maxQueueBytes'];

/** Options with their defaults. Throws `E_CONFIG`. */
export function relayOptionsOf({ listen = {}, catchUpMs = 5_000, ...options }: RelayOptions): RelaySettings {
  const stray = forReplicas.find((name) => name in options);
  if (stray !== undefined) refuseUnknownOptions('relay', { [stray]: true }, []);
  if (!(Number.isFinite(catchUpMs) && catchUpMs > 0 && catchUpMs < 2 ** 31))
    throw new GradwireError('E_CONFIG', `catchUpMs must be a number from above 0 to 2^31-1; got ${String(catchUpMs)}`);
  const { answerMs } = serveOptionsOf(listen);
  return { connect: connectOptionsOf(options, WebSocket as unknown as SocketClass), listen, answerMs, catchUpMs };
}
