// What `serve` may be told: where it listens, and the limits of everything it holds.
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
import { safetensorsLimits } from '../../../src/frames/safetensors.ts';
import type { Layout } from '../../../src/layout.ts';
import { Access } from './access/access.ts';
import type { TokenSource } from './access/tokens.ts';
import { isLoopback } from './loopback.ts';
import type { Pages } from './pages.ts';
import { demandTls, type TlsOptions } from './tls.ts';

/** The limits of a server. Each has a default; times are in milliseconds. */
export interface ServeLimits {
  /** Most WebSockets at a time; 256. */
  readonly connections: number;
  /** Most connections of one address (of IPv6: one /64); unless told 16, and for loopback no limit of its own. */
  readonly connectionsPerAddress: number | undefined;
  /** Most connections that have not yet said a hello or asked for something that they may have; 64. */
  readonly unauthenticated: number;
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
  /** Time for the headers of a request, and for a TLS handshake; 10 s. */
  readonly headersMs: number;
  /** Time between two looks at the tokens of those who are connected, at most 30 s; 10 s. */
  readonly tokensMs: number;
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
  /** Where to listen: `127.0.0.1` unless told. An address that is not loopback needs `tokens`. */
  readonly host?: string;
  /** The port; 0, a free one, unless told. */
  readonly port?: number;
  /** Whether any free port does where that one is taken; no, unless told. */
  readonly orAnyPort?: boolean;
  /** Who may do what. Without them everybody who reaches the server may do everything, so it binds to loopback alone. */
  readonly tokens?: TokenSource;
  /** Further names under which the server may be called, with or without a port: `trainer.example.com`. */
  readonly allowHosts?: readonly string[];
  /** Origins whose pages may use the server: `https://app.example.com`. */
  readonly allowOrigins?: readonly string[];
  /** A certificate and its key: the server then speaks https and wss, and nothing else. */
  readonly tls?: TlsOptions;
  /** Asked for what else is to be had by GET, at addresses that are not the server's own; no token is asked for there. */
  readonly pages?: Pages;
}

type Optional = 'tokens' | 'tls' | 'pages' | 'connectionsPerAddress';

/** Everything, with its default. */
export type ServeSettings = Required<Omit<ServeOptions, Optional>> & Pick<ServeOptions, 'tokens' | 'tls' | 'pages'> & ServeLimits;

const defaults: ServeSettings = {
  host: '127.0.0.1',
  port: 0,
  orAnyPort: false,
  tokens: undefined,
  allowHosts: [],
  allowOrigins: [],
  tls: undefined,
  pages: undefined,
  connections: 256,
  connectionsPerAddress: undefined,
  unauthenticated: 64,
  creditBatches: 8,
  creditBytes: 32 << 20,
  acceptBytes: 64 << 20,
  acceptBatches: 16_384,
  backlogFrames: 4096,
  backlogBytes: 64 << 20,
  highWaterBytes: 1 << 20,
  headersMs: 10_000,
  tokensMs: 10_000,
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

// what is no whole number of its own
const others: readonly string[] = [
  'host',
  'orAnyPort',
  'tokens',
  'allowHosts',
  'allowOrigins',
  'tls',
  'pages',
] satisfies (keyof ServeOptions)[];

/** Options with their defaults. Throws `E_CONFIG`. */
export function serveOptionsOf(options: ServeOptions): ServeSettings {
  refuseUnknownOptions('serve', options, Object.keys(defaults));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const all: ServeSettings = { ...defaults, ...Object.fromEntries(given) };
  for (const [name, value] of Object.entries(all) as [string, number | undefined][]) {
    if (others.includes(name) || value === undefined) continue;
    const least = name === 'port' ? 0 : 1;
    const most = name === 'port' ? 65_535 : name === 'tokensMs' ? 30_000 : 2 ** 31 - 1;
    if (Number.isSafeInteger(value) && value >= least && value <= most) continue;
    throw new GradwireError('E_CONFIG', `${name} must be an integer from ${least} to ${most}; got ${String(value)}`);
  }
  demandReach(all);
  if (all.tls !== undefined) demandTls(all.tls);
  if (all.pages !== undefined && typeof all.pages !== 'function')
    throw new GradwireError('E_CONFIG', `pages must be a function that gives the page at a path; got ${typeof all.pages}`);
  return all;
}

/** Throws `E_CONFIG` for a host that would be open to strangers, and for names and origins that nobody can have. */
function demandReach({ host, tokens, allowHosts, allowOrigins }: ServeSettings): void {
  if (typeof host !== 'string' || host === '')
    throw new GradwireError('E_CONFIG', `host must be an address to bind to, such as 127.0.0.1; got ${quote(String(host))}`);
  if (tokens !== undefined) new Access(tokens);
  else if (!isLoopback(host)) {
    const text = `host ${quote(host)} is open to the network, which needs tokens (gradwire serve: --tokens FILE, GRADWIRE_TOKENS or GRADWIRE_TOKEN); without them use a loopback address, such as 127.0.0.1`;
    throw new GradwireError('E_CONFIG', text);
  }
  demandEach(
    'allowHosts',
    allowHosts,
    /^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i,
    'a name as trainer.example.com, with or without a port',
  );
  demandEach(
    'allowOrigins',
    allowOrigins,
    /^[a-z][a-z0-9+.-]*:\/\/[^/\s*]+$/i,
    'an origin as https://app.example.com; null is refused',
  );
}

function demandEach(name: string, values: readonly string[], form: RegExp, expected: string): void {
  const wrong = Array.isArray(values) ? values.find((each) => typeof each !== 'string' || !form.test(each)) : 'no list';
  if (wrong !== undefined) throw new GradwireError('E_CONFIG', `${name} must each be ${expected}; got ${quote(String(wrong))}`);
}

/** Bytes of the largest gradients frame of a model: a header, and every row once with its index and values; 1 to 2^31 − 1. */
export function largestFrame({ tensors }: Layout): number {
  const bytes = tensors.reduce((sum, { length, rows, shape }) => sum + length * 4 + (shape.length > 0 ? rows * 8 : 0), 0);
  return Math.min(8 + safetensorsLimits.headerBytes + bytes, 2 ** 31 - 1);
}
