// HTTP handlers behind a scope.

import type { Handler, HttpContext } from '../http.ts';
import { type Exchange, replyError } from '../http-reply.ts';
import type { Scope } from './tokens.ts';

/** A handler for those who may do that; the others are told that they may not. */
export function guarded(scope: Scope, handler: Handler): Handler {
  return (exchange, context) => {
    if (refuses(exchange, context, scope)) return undefined;
    context.connections.know(exchange.request.socket);
    return handler(exchange, context);
  };
}

/** Whether a request may not do that, or nothing at all where no scope is given; it is then answered. */
export function refuses(exchange: Exchange, { access, tally }: HttpContext, scope?: Scope): boolean {
  const refused = access.refuse(exchange.request, scope);
  if (refused === undefined) return false;
  tally.refused(refused.status === 401 ? 'token' : 'scope');
  replyError(exchange, refused.status, refused.error, refused.headers);
  return true;
}
