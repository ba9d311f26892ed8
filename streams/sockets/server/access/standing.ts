// What one connection may do, by its role and the token of its hello: judged at the hello, and again while it is connected.
import { type CloseCode, closeCodes } from '../../protocol/close-codes.ts';
import type { Role } from '../../protocol/words.ts';
import type { Access } from './access.ts';
import type { Grant, Scope } from './tokens.ts';

/** How a connection is ended, and what stood in its way. */
export interface Ending {
  readonly code: CloseCode;
  readonly reason: string;
  readonly barrier: 'token' | 'scope';
}

// a worker computes on the weights, so what it is fed comes with `push`
const scopeOf: Readonly<Record<Role, Scope>> = { replica: 'read', recorder: 'read', worker: 'push' };

/** The standing of one connection. The token itself is not kept. */
export class Standing {
  readonly #access: Access;
  readonly #role: Role;
  #grant: Grant | undefined;

  constructor(access: Access, role: Role, token: string | undefined) {
    this.#access = access;
    this.#role = role;
    this.#grant = access.grant(token);
  }

  /** The token's name, where it has one. */
  get name(): string | undefined {
    return this.#grant?.name;
  }

  /** Whether the token allows what the role is for. */
  get good(): boolean {
    return this.#grant?.scopes.has(scopeOf[this.#role]) === true;
  }

  /** Why the connection must end; undefined where it may stay. */
  get ending(): Ending | undefined {
    if (this.good) return undefined;
    if (this.#grant === undefined) return unknown;
    const reason = `E_FORBIDDEN: a ${this.#role} needs the scope "${scopeOf[this.#role]}", which the token does not have`;
    return { code: closeCodes.forbidden, reason, barrier: 'scope' };
  }

  /** Asks again what the token allows. */
  renew(): void {
    this.#grant &&= this.#access.renew(this.#grant);
  }
}

const unknown: Ending = {
  code: closeCodes.unauthenticated,
  reason: 'E_FORBIDDEN: a token is needed; that of this hello is missing, not known here, or revoked',
  barrier: 'token',
};
