// What `serve` may be told: where it listens, and the limits of everything it holds.
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
import { safetensorsLimits } from '../../../src/frames/safetensors.ts';
import type { Layout } from '../../../src/layout.ts';

/** The limits of a server. Each has a default; times are in milliseconds. */
export interface ServeLimits {
  /** Most WebSockets at a time; 256. */
  readonly connections: number;
  /** Batches that a worker may have in flight; 8. */
  readonly creditBatches: number;
  /** Bytes that a worker may have in flight, one batch being always allowed; 32 MiB. */
  readonly creditBytes: number;
  /** Bytes of all unanswered batches from which on no socket is read, and of the HTTP bodies that are on their way; 64 MiB each. */
  readonly acceptBytes: number;
  /** Unanswered batches from which on no socket is read; 16,384. */
  readonly acceptBatches: number;
  /** Update frames kept for those who lag or come back, and as many records for recorders; 4,096. */
  readonly backlogFrames: number;
  /** Bytes of them; 64 MiB each. */
  readonly backlogBytes: number;
  /** Bytes buffered for a connection from which on nothing is added; 1 MiB. */
  readonly highWaterBytes: number;
  /** Time for a hello after the connection is made; 5 s. */
  readonly helloMs: number;
  /** Silence after which a heartbeat is sent; 10 s. */
  readonly heartbeatMs: number;
  /** Time between WebSocket pings; 15 s. */
  readonly pingMs: number;
  /** Time for the pong; 10 s. */
  readonly pongMs: number;
  /** A connection with something to send that moves no byte for so long is cut; 10 s. */
  readonly stallMs: number;
  /** The least time between two weights or snapshot frames to a connection that fell off the backlog; 30 s. */
  readonly resetMs: number;
  /** Time for which records are kept after the last recorder has gone, and a choice of tensors after its last replica, to come back and resume; 60 s. */
  readonly recordsMs: number;
  /** Choices of tensors that are followed at a time, each with a backlog of its own within the limits above; 16. */
  readonly subsets: number;
  /** Time for the answer to a batch that came by HTTP; 30 s. */
  readonly answerMs: number;
  /** On `close`: time for the batches in flight to be answered, and then for the connections to end; 2 s. */
  readonly closeMs: number;
}

/** What `serve` takes beside the trainer. */
export interface ServeOptions extends Partial<ServeLimits> {
  /** Where to listen: a loopback address, `127.0.0.1` unless told. Others need authentication, which is not here yet. */
  readonly host?: string;
  /** The port; 0, a free one, unless told. */
  readonly port?: number;
  /** Whether any free port does where that one is taken; no, unless told. */
  readonly orAnyPort?: boolean;
}

const defaults: Required<ServeOptions> = {
  host: '127.0.0.1',
  port: 0,
  orAnyPort: false,
  connections: 256,
  creditBatches: 8,
  creditBytes: 32 << 20,
  acceptBytes: 64 << 20,
  acceptBatches: 16_384,
  backlogFrames: 4096,
  backlogBytes: 64 << 20,
  highWaterBytes: 1 << 20,
  helloMs: 5_000,
  heartbeatMs: 10_000,
  pingMs: 15_000,
  pongMs: 10_000,
  stallMs: 10_000,
  resetMs: 30_000,
  recordsMs: 60_000,
  subsets: 16,
  answerMs: 30_000,
  closeMs: 2_000,
};

/** Options with their defaults. Throws `E_CONFIG`. */
export function serveOptionsOf(options: ServeOptions): Required<ServeOptions> {
  refuseUnknownOptions('serve', options, Object.keys(defaults));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const all: typeof defaults = { ...defaults, ...Object.fromEntries(given) };
  for (const [name, value] of Object.entries(all) as [string, number][]) {
    if (name === 'host' || name === 'orAnyPort') continue;
    const least = name === 'port' ? 0 : 1;
    const most = name === 'port' ? 65_535 : 2 ** 31 - 1;
    if (Number.isSafeInteger(value) && value >= least && value <= most) continue;
    throw new GradwireError('E_CONFIG', `${name} must be an integer from ${least} to ${most}; got ${String(value)}`);
  }
  if (typeof all.host !== 'string' || !isLoopback(all.host)) {
    const text = `host must be a loopback address, such as 127.0.0.1, since there is no authentication yet; got ${quote(String(all.host))}`;
    throw new GradwireError('E_CONFIG', text);
  }
  return all;
}

/** Whether a host name or address is this machine alone: `localhost`, 127.0.0.0/8 or ::1, with or without brackets. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(host);
}

/** Bytes of the largest gradients frame of a model: a header, and every row once with its index and values; 1 to 2^31 − 1. */
export function largestFrame({ tensors }: Layout): number {
  const bytes = tensors.reduce((sum, { length, rows, shape }) => sum + length * 4 + (shape.length > 0 ? rows * 8 : 0), 0);
  return Math.min(8 + safetensorsLimits.headerBytes + bytes, 2 ** 31 - 1);
}
