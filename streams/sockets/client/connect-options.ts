// What `connect` may be told.
import { WebSocket } from 'ws';
import { type EncodingOptions, encodingOf, encodingOptionNames } from '../../../src/encodings/encodings.ts';
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
import { isPrintable } from '../../../src/layout.ts';
import { isToken, type Mode } from '../protocol/words.ts';
import type { SocketClass } from './socket-class.ts';

/** How a client checks the trainer's certificate. */
export interface ClientTls {
  /** The certificates of the authorities to trust, as PEM, in place of those that Node comes with. */
  readonly ca: string | Uint8Array;
}

/** Options of a replica. Times are in milliseconds. */
export interface ReplicaOptions {
  readonly role?: 'replica';
  /** The model's name, where the address leaves it out; the server's one model unless told. */
  readonly model?: string;
  /** `every` version (default), or the `latest` state whenever this replica lags. */
  readonly mode?: Mode;
  /** The WebSocket class; that of the package ws unless told. */
  readonly WebSocket?: SocketClass;
  /** What shows the trainer who this is, where it asks for that; sent in the first message, never in the address. */
  readonly token?: string;
  /** For `https://` and `wss://` in Node: what the trainer's certificate is checked against. Browsers use their own. */
  readonly tls?: ClientTls;
  /** After this time without weights `ready` rejects with `E_CONNECTION`; no limit unless told. It goes on connecting. */
  readonly readyTimeoutMs?: number;
  /** Time from the start of a connection to its welcome; 10 s. */
  readonly connectTimeoutMs?: number;
  /** Silence after which the connection is given up, and made anew; 35 s. */
  readonly silenceMs?: number;
  /** The first waiting time before coming back, of which a random part is waited; 200 ms. It doubles with each failure … */
  readonly backoffMinMs?: number;
  /** … up to this; 30 s. */
  readonly backoffMaxMs?: number;
  /** The source of chance for it; `Math.random`. */
  readonly random?: () => number;
}

/** Options of a worker. */
export interface WorkerOptions extends Omit<ReplicaOptions, 'role'>, EncodingOptions {
  readonly role: 'worker';
  /** The worker's name, under which its batches are numbered; a random one unless told. */
  readonly producer?: string;
  /** Fences lower ones of the same name; one higher than any that the trainer knows, unless told. */
  readonly producerEpoch?: number;
  /** Batches pushed and not answered, at most; 256. */
  readonly maxQueue?: number;
  /** Bytes of them, one batch being always allowed; 256 MiB. */
  readonly maxQueueBytes?: number;
}

/** Everything, with its default. */
export type ConnectOptions = Required<Omit<WorkerOptions, 'role' | Optional>> &
  Pick<WorkerOptions, Optional> & { readonly role: 'replica' | 'worker' };

type Optional = 'model' | 'token' | 'tls' | 'readyTimeoutMs' | 'producerEpoch' | 'producer' | keyof EncodingOptions;

const defaults = {
  role: 'replica',
  mode: 'every',
  WebSocket: WebSocket as unknown as SocketClass,
  connectTimeoutMs: 10_000,
  silenceMs: 35_000,
  backoffMinMs: 200,
  backoffMaxMs: 30_000,
  random: Math.random,
  maxQueue: 256,
  maxQueueBytes: 256 << 20,
} as const;

const withoutDefault: readonly string[] = [
  'model',
  'token',
  'tls',
  'readyTimeoutMs',
  'producer',
  'producerEpoch',
  ...encodingOptionNames,
];
const forWorkers = ['producer', 'producerEpoch', 'maxQueue', 'maxQueueBytes', ...encodingOptionNames];
const numbers = ['connectTimeoutMs', 'silenceMs', 'backoffMinMs', 'backoffMaxMs', 'maxQueueBytes', 'readyTimeoutMs'] as const;

// beyond it the oldest unanswered batch would leave the trainer's window of sequence numbers
const longestQueue = 1024;

/** Options with their defaults. Throws `E_CONFIG`. */
export function connectOptionsOf(options: ReplicaOptions | WorkerOptions): ConnectOptions {
  const worker = options.role === 'worker';
  refuseUnknownOptions('connect', options, [...Object.keys(defaults), ...withoutDefault]);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const stray = given.find(([name]) => !worker && forWorkers.includes(name));
  if (stray !== undefined) throw new GradwireError('E_CONFIG', `${stray[0]} is for workers; add role: 'worker'`);
  const all: ConnectOptions = { ...defaults, ...Object.fromEntries(given) };
  refuse('role', all.role, all.role === 'replica' || worker, '"replica" or "worker"');
  refuse('mode', all.mode, all.mode === 'every' || all.mode === 'latest', '"every" or "latest"');
  for (const name of numbers) {
    const value = all[name];
    refuse(
      name,
      value,
      value === undefined || (Number.isFinite(value) && value > 0 && value < 2 ** 31),
      'a number from above 0 to 2^31-1',
    );
  }
  encodingOf(all);
  const { producer, producerEpoch, maxQueue, token, tls } = all;
  // what is no token may be another secret: it is not shown
  refuse('token', 'something else', token === undefined || isToken(token), '1 to 512 visible ASCII characters');
  if (tls !== undefined) refuseUnknownOptions('tls', tls, ['ca']);
  const isName = typeof producer === 'string' && producer !== '' && producer.length <= 256 && isPrintable(producer);
  refuse('producer', producer, producer === undefined || isName, '1 to 256 printable characters');
  refuse(
    'producerEpoch',
    producerEpoch,
    producerEpoch === undefined || (Number.isSafeInteger(producerEpoch) && producerEpoch >= 0),
    'an integer 0..2^53-1',
  );
  refuse(
    'maxQueue',
    maxQueue,
    Number.isSafeInteger(maxQueue) && maxQueue >= 1 && maxQueue <= longestQueue,
    `an integer 1..${longestQueue}`,
  );
  return all;
}

/** A name that no other worker has. */
export function randomName(): string {
  return `worker-${crypto.randomUUID()}`;
}

function refuse(name: string, value: unknown, fits: boolean, expected: string): void {
  if (fits) return;
  throw new GradwireError(
    'E_CONFIG',
    `${name} must be ${expected}; got ${typeof value === 'string' ? quote(value) : String(value)}`,
  );
}
