// Who may do what: by the token in a hello, or in the Authorization of an HTTP request.
import type { IncomingMessage } from 'node:http';
import { GradwireError } from '../../../../src/errors.ts';
import type { GateOptions } from '../gate.ts';
import { type Grant, type Scope, scopes, type TokenSource, Tokens } from './tokens.ts';

/** Who may come to a server, and what they may do. */
export interface HubAccess extends GateOptions {
  readonly tokens?: TokenSource | undefined;
}

/** How an HTTP request is refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly error: GradwireError;
  readonly headers: Readonly<Record<string, string>>;
}

const everything: Grant = { scopes: new Set(scopes), name: undefined };

/** The access rules of one server. Without tokens everybody who reaches it may do everything. */
export class Access {
  readonly #tokens: Tokens | undefined;

  /** Throws `E_CONFIG` for tokens that cannot be meant. */
  constructor(source?: TokenSource) {
    this.#tokens = source === undefined ? undefined : new Tokens(source);
  }

  /** Whether nobody is asked for a token. */
  get open(): boolean {
    return this.#tokens === undefined;
  }

  /** What the token of a hello allows; undefined where it is missing or not known. */
  grant(token: string | undefined): Grant | undefined {
    if (this.#tokens === undefined) return everything;
    return token === undefined ? undefined : this.#tokens.find(token);
  }

  /** What an earlier grant is now; undefined where its token has been revoked. */
  renew(grant: Grant): Grant | undefined {
    return this.#tokens === undefined ? grant : this.#tokens.renew(grant);
  }

  /** Whether an HTTP request may do that. */
  allows(request: IncomingMessage, scope: Scope): boolean {
    return this.refuse(request, scope) === undefined;
  }

  /** Why an HTTP request may not do that, or nothing at all where no scope is given; undefined where it may. */
  refuse({ headers }: IncomingMessage, scope?: Scope): Refusal | undefined {
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(headers.authorization ?? '')?.[1];
    const grant = this.grant(token);
    if (grant === undefined) return unknown(headers.authorization === undefined ? missing : wrong);
    if (scope === undefined || grant.scopes.has(scope)) return undefined;
    const error = new GradwireError('E_FORBIDDEN', `this needs the scope "${scope}", which the token does not have`);
    return { status: 403, error, headers: { 'WWW-Authenticate': `${challenge}, error="insufficient_scope", scope="${scope}"` } };
  }
}

const challenge = 'Bearer realm="gradwire"';
const missing = ['a token is needed; send it as "Authorization: Bearer <token>"', challenge];
const wrong = ['the token is not known here', `${challenge}, error="invalid_token"`];

function unknown([text, header]: string[]): Refusal {
  return { status: 401, error: new GradwireError('E_FORBIDDEN', text), headers: { 'WWW-Authenticate': header } };
}
