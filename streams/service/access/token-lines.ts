// Tokens as people write them down: one a line, `TOKEN scope,scope [name]`, with # for comments.
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Scope, Token } from '../../sockets/index.ts';

/** Reads lines of tokens; `from` says where they stand. Throws `E_CONFIG`, which names the line and never what is in it. */
export function tokensIn(text: string, from: string): Token[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, i) => (/^\s*(#|$)/.test(line) ? [] : [tokenIn(line.trim(), `line ${i + 1} of ${from}`)]));
}

const scopes: readonly string[] = ['read', 'push', 'admin'] satisfies Scope[];

function tokenIn(line: string, where: string): Token {
  const [token, list = '', ...name] = line.split(/\s+/);
  if (!/^[\x21-\x7e]{1,512}$/.test(token))
    throw new GradwireError('E_CONFIG', `${where}: a token has 1 to 512 visible ASCII characters`);
  const given = list.split(',');
  // what stands in the wrong place may be a secret, so it is not repeated
  if (!given.every((scope) => scopes.includes(scope)))
    throw new GradwireError('E_CONFIG', `${where} must be: TOKEN scope,scope [name], with scopes of ${scopes.join(', ')}`);
  const named = name.join(' ');
  if (named.length > 100) throw new GradwireError('E_CONFIG', `${where}: the name ${quote(named)} is longer than 100 characters`);
  return { token, scopes: given as Scope[], ...(named === '' ? {} : { name: named }) };
}
