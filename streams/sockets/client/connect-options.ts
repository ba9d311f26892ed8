// What `connect` may be told.
import { type EncodingOptions, encodingOptionNames } from '../../../src/encodings/names.ts';
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
export interface ReplicaOptions<Name extends string = string> {
  readonly role?: 'replica';
  /** The model's name, where the address leaves it out; the server's one model unless told. */
  readonly model?: string;
  /** `every` version (default), or the `latest` state whenever this replica lags. */
  readonly mode?: Mode;
  /** The tensors to follow, 3,072 bytes of names at most; all of the model unless told. `weights` and `layout` hold these alone. */
  readonly tensors?: readonly Name[];
  /** Versions behind the trainer from which on the status is `behind`; 100. */
  readonly behindBy?: number;
  /** The WebSocket class; in Node that of the package ws, in a browser its own, unless told. */
  readonly WebSocket?: SocketClass;
  /** What shows the trainer who this is, where it asks for that; sent in the first message, never in the address. */
  readonly token?: string;
  /** For `https://` and `wss://` in Node: what the trainer's certificate is checked against. Browsers use their own. */
  readonly tls?: ClientTls;
  /** After this time without weights `ready` rejects with `E_CONNECTION`; 30 s, `Infinity` for no limit. It goes on connecting. */
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
export interface WorkerOptions extends Omit<ReplicaOptions, 'role' | 'tensors'>, EncodingOptions {
  readonly role: 'worker';
  /** The worker's name, under which its batches are numbered; a random one unless told. */
  readonly producer?: string;
  /** Fences lower ones of the same name; one higher than any that the trainer knows, unless told. */
  readonly producerEpoch?: number;
  /** Batches pushed and not answered, at most; 256. */
  readonly maxQueue?: number;
  /** Time for the answer to a push, from the push on, across cuts and restarts; 120 s, `Infinity` for no limit. */
  readonly pushTimeoutMs?: number;
  /** Bytes of them, one batch being always allowed; 256 MiB. */
  readonly maxQueueBytes?: number;
}

/** Everything, with its default. */
export type ConnectOptions = Required<Omit<WorkerOptions, 'role' | Optional>> &
  Pick<WorkerOptions, Optional> & { readonly role: 'replica' | 'worker'; readonly tensors?: readonly string[] };

type Optional = 'model' | 'token' | 'tls' | 'producerEpoch' | 'producer' | keyof EncodingOptions;

const defaults = {
  role: 'replica',
  mode: 'every',
  behindBy: 100,
  readyTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  silenceMs: 35_000,
  backoffMinMs: 200,
  backoffMaxMs: 30_000,
  random: Math.random,
  maxQueue: 256,
  maxQueueBytes: 256 << 20,
  pushTimeoutMs: 120_000,
} as const;

const withoutDefault: readonly string[] = [
  'model',
  'WebSocket',
  'tensors',
  'token',
  'tls',
  'producer',
  'producerEpoch',
  ...encodingOptionNames,
];
const forWorkers = ['producer', 'producerEpoch', 'maxQueue', 'maxQueueBytes', 'pushTimeoutMs', ...encodingOptionNames];
const numbers = ['connectTimeoutMs', 'silenceMs', 'backoffMinMs', 'backoffMaxMs', 'maxQueueBytes', 'behindBy'] as const;
const deadlines = ['readyTimeoutMs', 'pushTimeoutMs'] as const;

// beside the rest of a hello, which has 4 KiB
const longestTensors = 3072;

// beyond it the oldest unanswered batch would leave the trainer's window of sequence numbers
const longestQueue = 1024;

/** Options with their defaults. Throws `E_CONFIG`. */
export function connectOptionsOf(options: ReplicaOptions | WorkerOptions, WebSocket: SocketClass | undefined): ConnectOptions {
  const worker = options.role === 'worker';
  refuseUnknownOptions('connect', options, [...Object.keys(defaults), ...withoutDefault]);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const stray = given.find(([name]) => !worker && forWorkers.includes(name));
  if (stray !== undefined) throw new GradwireError('E_CONFIG', `${stray[0]} is for workers; add role: 'worker'`);
  const all = { ...defaults, WebSocket, ...Object.fromEntries(given) } as ConnectOptions;
  refuse('WebSocket', all.WebSocket, typeof all.WebSocket === 'function', 'a WebSocket class');
  refuse('role', all.role, all.role === 'replica' || worker, '"replica" or "worker"');
  refuse('mode', all.mode, all.mode === 'every' || all.mode === 'latest', '"every" or "latest"');
  refuseTensors(all);
  for (const name of numbers) refuse(name, all[name], isNumber(all[name]), 'a number from above 0 to 2^31-1');
  for (const name of deadlines)
    refuse(
      name,
      all[name],
      isNumber(all[name]) || all[name] === Number.POSITIVE_INFINITY,
      'a number from above 0 to 2^31-1, or Infinity',
    );
  const { producer, producerEpoch, maxQueue, token, tls } = all;
  // what is no token may be another secret: it is not shown
  refuse('token', 'something else', token === undefined || isToken(token), '1 to 512 visible ASCII characters');
  if (tls !== undefined) refuseUnknownOptions('tls', tls, ['ca']);
  refuse('producer', producer, producer === undefined || isName(producer), '1 to 256 printable characters');
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

function isNumber(value: number): boolean {
  return Number.isFinite(value) && value > 0 && value < 2 ** 31;
}

function refuseTensors({ role, tensors }: ConnectOptions): void {
  if (tensors === undefined) return;
  if (role === 'worker')
    throw new GradwireError('E_CONFIG', 'a worker needs all tensors; leave out tensors, or follow as a replica');
  const fits = Array.isArray(tensors) && tensors.length > 0 && tensors.every(isName) && new Set(tensors).size === tensors.length;
  refuse('tensors', tensors, fits, 'a list of distinct names, at least one');
  const { byteLength } = new TextEncoder().encode(JSON.stringify(tensors));
  if (byteLength > longestTensors)
    throw new GradwireError(
      'E_CONFIG',
      `the names of ${tensors.length} tensors take ${byteLength} bytes, a hello has room for ${longestTensors}; follow all`,
    );
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name !== '' && name.length <= 256 && isPrintable(name);
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
