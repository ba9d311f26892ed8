// What `tap` may be told.
import type { Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import { type ConnectOptions, connectOptionsOf, type ReplicaOptions } from './connect-options.ts';
import type { SocketClass } from './socket-class.ts';

/** Options of a tap: those of a connection, and what becomes of gaps. Times are in milliseconds. */
export interface TapOptions extends Omit<ReplicaOptions, 'role' | 'mode' | 'tensors' | 'behindBy' | 'readyTimeoutMs'> {
  /** After this time without a start it errs with `E_CONNECTION`; no limit unless told. */
  readonly readyTimeoutMs?: number;
  /** After a gap: another start (true), or the error `E_RECORDING_GAP` (false, unless told). */
  readonly restart?: boolean;
  /** While it says true nothing is read, so that the trainer keeps what comes meanwhile; for WebSocket classes that can pause, as that of ws. */
  readonly hold$?: Observable<boolean>;
  /** Told each time the connection is lost; it is made again. */
  readonly onLost?: (reason: string) => void;
}

/** Everything, with its default. */
export interface TapSettings
  extends Omit<ConnectOptions, 'readyTimeoutMs'>,
    Pick<TapOptions, 'hold$' | 'onLost' | 'readyTimeoutMs'> {
  readonly restart: boolean;
}

const names = [
  'model',
  'WebSocket',
  'token',
  'tls',
  'readyTimeoutMs',
  'connectTimeoutMs',
  'silenceMs',
  'backoffMinMs',
  'backoffMaxMs',
  'random',
  'restart',
  'hold$',
  'onLost',
];

/** Options with their defaults. Throws `E_CONFIG`. */
export function tapOptionsOf(options: TapOptions): TapSettings {
  refuseUnknownOptions('tap', options, names);
  const { restart = false, hold$, onLost, ...connection } = options;
  if (typeof restart !== 'boolean') throw new GradwireError('E_CONFIG', `restart must be true or false; got ${String(restart)}`);
  const settings = connectOptionsOf(connection, WebSocket as unknown as SocketClass);
  return { ...settings, readyTimeoutMs: connection.readyTimeoutMs, restart, hold$, onLost };
}
