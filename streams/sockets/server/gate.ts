// Who may speak to the server at all: requests that name this machine, and pages that this server itself has served.
import { GradwireError, quote } from '../../../src/errors.ts';
import { isLoopback } from './loopback.ts';

/** What decides. */
export interface Knock {
  readonly headers: { readonly host?: string | undefined; readonly origin?: string | string[] | undefined };
  /** The connection, by the address of this machine that it came to. */
  readonly socket: { readonly localAddress?: string | undefined };
}

/** Whom a server lets in beside this machine and its own pages. */
export interface GateOptions {
  /** The address that the server was told to bind to. */
  readonly host: string;
  /** Names, with or without a port. */
  readonly allowHosts: readonly string[];
  /** Origins, as `https://app.example.com`. */
  readonly allowOrigins: readonly string[];
}

/** The gate of one server. */
export class Gate {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, allowHosts, allowOrigins }: GateOptions) {
    this.#hosts = new Set([bare(host), ...allowHosts.map((each) => bare(each.toLowerCase()))]);
    this.#origins = new Set(allowOrigins.map((each) => each.toLowerCase()));
  }

  /**
   * Why a request is refused; undefined where it is not.
   *
   * A page from elsewhere could reach this server under a name of its own (DNS rebinding), so `Host` must be a loopback name,
   * the address that the connection came to, or allowed. And a browser tells where a page comes from, so `Origin` must be this
   * very host and port, or allowed.
   */
  refuse({ headers: { host = '', origin }, socket }: Knock): GradwireError | undefined {
    if (!this.#knows(host.toLowerCase(), socket.localAddress)) {
      const text = `the Host ${quote(host)} is not this machine; use localhost or its address, or allow the name`;
      return new GradwireError('E_FORBIDDEN', text);
    }
    if (
      origin === undefined ||
      (typeof origin === 'string' && (sameHost(origin, host) || this.#origins.has(origin.toLowerCase())))
    )
      return undefined;
    const text = `the Origin ${quote(String(origin))} is not this server; pages from elsewhere are refused`;
    return new GradwireError('E_FORBIDDEN', text);
  }

  #knows(host: string, localAddress: string = ''): boolean {
    const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1];
    if (name === undefined || name === '') return false;
    const here = localAddress.replace(/^::ffff:(?=\d+\.)/i, '');
    return isLoopback(name) || this.#hosts.has(bare(name)) || this.#hosts.has(host) || bare(name) === here;
  }
}

/** An address without the brackets that IPv6 has in URLs. */
function bare(host: string): string {
  return host.replace(/^\[([^\]]*)\]$/, '$1');
}

function sameHost(origin: string, host: string): boolean {
  return /^https?:\/\//.test(origin) && origin.toLowerCase().replace(/^https?:\/\//, '') === host.toLowerCase();
}
