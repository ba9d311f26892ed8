// Tokens: who may do what. They are kept and compared as keyed hashes, and never shown.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { GradwireError, quote, refuseUnknownOptions } from '../../../../src/errors.ts';
import { isPrintable } from '../../../../src/layout.ts';
import { isToken } from '../../protocol/words.ts';

/** What a token may allow: `read` weights and status, `push` gradients, `admin` to hold and roll back. */
export const scopes = ['read', 'push', 'admin'] as const;

/** One of them. */
export type Scope = (typeof scopes)[number];

/** A token and what it allows. */
export interface Token {
  /** 1 to 512 visible ASCII characters. A secret: make it long and random. */
  readonly token: string;
  /** At least one. */
  readonly scopes: readonly Scope[];
  /** Who has it, for status pages and metrics; no secret. */
  readonly name?: string;
}

/**
 * The tokens of a server: a list, or a function that gives the current one. The function is called for every hello and
 * request, and from time to time for those who are connected; while it throws or gives no list, nobody is let in.
 */
export type TokenSource = readonly Token[] | (() => readonly Token[]);

/** What somebody may do here. */
export interface Grant {
  readonly scopes: ReadonlySet<Scope>;
  /** The token's name, where it has one. */
  readonly name: string | undefined;
}

interface Entry extends Grant {
  readonly hash: Buffer;
}

/** The tokens of one server. */
export class Tokens {
  readonly #key = randomBytes(32);
  readonly #current: () => readonly Entry[];
  readonly #hashes = new WeakMap<Grant, Buffer>();

  /** Throws `E_CONFIG` for tokens that cannot be meant, and where there are none. */
  constructor(source: TokenSource) {
    const entries = this.#entries(typeof source === 'function' ? source() : source);
    if (entries.length === 0)
      throw new GradwireError('E_CONFIG', 'tokens is empty, so nobody could come in; leave it out or fill it');
    this.#current = typeof source === 'function' ? () => this.#entriesOrNone(source) : () => entries;
  }

  /** What a token allows; undefined where it is not known. */
  find(token: string): Grant | undefined {
    return this.#match(this.#hash(token));
  }

  /** What the token of an earlier {@link find} allows now; undefined where it has been revoked. */
  renew(grant: Grant): Grant | undefined {
    const hash = this.#hashes.get(grant);
    return hash && this.#match(hash);
  }

  /** Every entry is looked at, and in constant time, so that the time says nothing of what is right. */
  #match(hash: Buffer): Grant | undefined {
    const found = this.#current().filter((entry) => timingSafeEqual(entry.hash, hash));
    if (found.length === 0) return undefined;
    // a token that stands twice allows what both say
    const grant = { scopes: new Set(found.flatMap((entry) => [...entry.scopes])), name: found.find(({ name }) => name)?.name };
    this.#hashes.set(grant, hash);
    return grant;
  }

  #entriesOrNone(source: () => readonly Token[]): readonly Entry[] {
    try {
      return this.#entries(source());
    } catch {
      return [];
    }
  }

  #entries(tokens: readonly Token[]): Entry[] {
    if (!Array.isArray(tokens)) throw new GradwireError('E_CONFIG', 'tokens must be a list, or a function that gives one');
    return tokens.map((each: Token, i) => {
      demandToken(each, `tokens[${i}]`);
      return { hash: this.#hash(each.token), scopes: new Set(each.scopes), name: each.name };
    });
  }

  #hash(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest();
  }
}

/** Throws `E_CONFIG` for what is no token; says where, and never what. */
function demandToken(each: Token, where: string): void {
  refuseUnknownOptions(where, each, ['token', 'scopes', 'name']);
  const { token, scopes: given, name } = each;
  if (!isToken(token)) throw new GradwireError('E_CONFIG', `${where}.token must be 1 to 512 visible ASCII characters`);
  const wrong = Array.isArray(given) && given.length > 0 ? given.find((scope) => !scopes.includes(scope)) : 'none';
  if (wrong !== undefined)
    throw new GradwireError('E_CONFIG', `${where}.scopes must be of ${scopes.join(', ')}; got ${quote(String(wrong))}`);
  const named = name === undefined || (typeof name === 'string' && name !== '' && name.length <= 100 && isPrintable(name));
  if (!named) throw new GradwireError('E_CONFIG', `${where}.name must be 1 to 100 printable characters`);
}
