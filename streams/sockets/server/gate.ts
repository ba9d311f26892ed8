// Who may speak to the server at all: requests that name this machine, and pages that this server itself has served.
import { GradwireError, quote } from '../../../src/errors.ts';
import { isLoopback } from './serve-options.ts';

/** The headers that decide. */
export interface GateHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | string[] | undefined;
}

/**
 * Why a request is refused; undefined where it is not.
 *
 * A page from elsewhere could reach a loopback address under a name of its own (DNS rebinding), so `Host` must be a loopback
 * name or address. And a browser tells where a page comes from, so `Origin` must be this very host and port.
 */
export function refuseRequest({ host, origin }: GateHeaders): GradwireError | undefined {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host?.toLowerCase() ?? '')?.[1];
  if (name === undefined || !isLoopback(name)) {
    return new GradwireError('E_FORBIDDEN', `the Host ${quote(host ?? '')} is not this machine; use localhost or 127.0.0.1`);
  }
  if (origin === undefined || (typeof origin === 'string' && sameHost(origin, host ?? ''))) return undefined;
  return new GradwireError(
    'E_FORBIDDEN',
    `the Origin ${quote(String(origin))} is not this server; pages from elsewhere are refused`,
  );
}

function sameHost(origin: string, host: string): boolean {
  return /^https?:\/\//.test(origin) && origin.toLowerCase().replace(/^https?:\/\//, '') === host.toLowerCase();
}
