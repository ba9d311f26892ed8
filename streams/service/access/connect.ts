// What the commands that connect are told: the token by which the trainer knows them, and whom they trust.
import type { Command } from 'commander';
import { GradwireError, quote } from '../../../src/errors.ts';
import type { ReplicaOptions } from '../../sockets/index.ts';
import { readSecret } from './token-file.ts';

/** The options as a command takes them. */
export interface ConnectAccessOptions {
  tokenFile?: string;
  tlsCa?: string;
}

/** Adds the options to a command that connects. There is none for a token itself: every user of a machine sees a command's words. */
export function addConnectAccess(command: Command): Command {
  return command
    .option('--token-file <file>', 'the token that the trainer asks for (default: GRADWIRE_TOKEN of the environment)')
    .option('--tls-ca <file>', "the authority (PEM) of the trainer's certificate (default: those that Node knows)");
}

/** What `connect` and `tap` make of them. Throws `E_FILE`, and `E_CONFIG` for a file without a token. */
export function connectAccess(
  { tokenFile, tlsCa }: ConnectAccessOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Pick<ReplicaOptions, 'token' | 'tls'> {
  const token = tokenFile === undefined ? environment.GRADWIRE_TOKEN : readSecret(tokenFile).trim();
  // a file made for a server has the scopes after the token
  if (tokenFile !== undefined && !/^[\x21-\x7e]+$/.test(token ?? ''))
    throw new GradwireError('E_CONFIG', `${quote(tokenFile)} must hold one token, and nothing else`);
  return {
    ...(token === undefined || token === '' ? {} : { token }),
    ...(tlsCa === undefined ? {} : { tls: { ca: readSecret(tlsCa, { secret: false }) } }),
  };
}
