// What `gradwire serve` is told about who may come: tokens, TLS, names and origins.
import type { Command } from 'commander';
import { GradwireError } from '../../../src/errors.ts';
import type { ServeOptions, Token } from '../../sockets/index.ts';
import { warn } from '../output.ts';
import { readSecret, watchTokens } from './token-file.ts';
import { tokensIn } from './token-lines.ts';

/** The options as a command takes them. */
export interface ServeAccessOptions {
  host: string;
  tokens?: string;
  tlsCert?: string;
  tlsKey?: string;
  allowHost?: string[];
  allowOrigin?: string[];
}

/** Adds the options to a command that serves. */
export function addServeAccess(command: Command): Command {
  return command
    .option('--host <address>', 'address to bind to; one that is not loopback needs tokens', '127.0.0.1')
    .option(
      '--tokens <file>',
      'who may do what: a line "TOKEN scope,scope [name]" each, of read, push, admin; read again when it changes',
    )
    .option('--tls-cert <file>', 'serve https and wss with this certificate (PEM) …')
    .option('--tls-key <file>', '… and its key (PEM)')
    .option('--allow-host <name...>', 'further names under which requests may come (Host)')
    .option('--allow-origin <origin...>', 'pages that may use the server, such as https://app.example.com (Origin)');
}

type ServeAccess = Pick<ServeOptions, 'host' | 'tokens' | 'tls' | 'allowHosts' | 'allowOrigins'>;

/** What `serve` makes of them, and of GRADWIRE_TOKENS and GRADWIRE_TOKEN in the environment. */
export function serveAccess(options: ServeAccessOptions, environment: NodeJS.ProcessEnv = process.env): ServeAccess {
  const { host, tokens: file, tlsCert, tlsKey, allowHost: allowHosts, allowOrigin: allowOrigins } = options;
  const fixed = tokensOf(environment);
  const watched = file === undefined ? undefined : watchTokens(file);
  const tokens = watched === undefined && fixed.length === 0 ? undefined : () => [...fixed, ...(watched?.() ?? [])];
  if (tokens?.().some(({ token }) => token.length < shortest))
    warn(`a token of less than ${shortest} characters can be guessed; openssl rand -hex 32 makes a good one`);
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new GradwireError('E_CONFIG', '--tls-cert and --tls-key belong together; give both or neither');
  const tls =
    tlsCert === undefined || tlsKey === undefined
      ? undefined
      : { cert: readSecret(tlsCert, { secret: false }), key: readSecret(tlsKey) };
  if (tokens !== undefined && tls === undefined && !/^(localhost|127\.|::1$|\[::1\]$)/.test(host))
    warn('without --tls-cert and --tls-key tokens and weights cross the network as they are, for everybody on it to read');
  return { host, tokens, tls, allowHosts, allowOrigins };
}

// 16 hexadecimal digits are 64 bits
const shortest = 16;

/** GRADWIRE_TOKENS has the lines of a file, `;` between them too; GRADWIRE_TOKEN one token that may do everything. */
function tokensOf({ GRADWIRE_TOKENS: lines = '', GRADWIRE_TOKEN: one = '' }: NodeJS.ProcessEnv): Token[] {
  const listed = tokensIn(lines.replaceAll(';', '\n'), 'GRADWIRE_TOKENS');
  return one === '' ? listed : [...listed, { token: one, scopes: ['read', 'push', 'admin'] }];
}
