// Listening on a port, or saying why not.
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GradwireError } from '../../../src/errors.ts';

/** Where a server listens. */
export interface Listening {
  /** `http://host:port`. */
  readonly url: string;
  readonly port: number;
}

/**
 * Listens on a loopback address; on any free port where `port` is taken and `orAnyPort` allows it.
 *
 * @throws GradwireError `E_BUSY` where the port is taken, `E_CONFIG` where it cannot be had at all.
 */
export async function listen(http: HttpServer, host: string, port: number, orAnyPort: boolean): Promise<Listening> {
  const address = host.replace(/[[\]]/g, '');
  try {
    await attempt(http, address, port);
  } catch (error) {
    if (!orAnyPort || !(error instanceof GradwireError) || error.code !== 'E_BUSY') throw error;
    await attempt(http, address, 0);
  }
  // accepting can fail for want of file handles; the next one may succeed
  http.on('error', () => undefined);
  const bound = (http.address() as AddressInfo).port;
  return { url: `http://${address.includes(':') ? `[${address}]` : address}:${bound}`, port: bound };
}

function attempt(http: HttpServer, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const taken = cause.code === 'EADDRINUSE';
      const why = taken ? 'is taken by another program' : `cannot be listened on (${cause.code})`;
      const text = `port ${port} of ${address} ${why}; choose another, or 0 for a free one`;
      reject(new GradwireError(taken ? 'E_BUSY' : 'E_CONFIG', text, { cause }));
    };
    http.once('error', fail);
    http.listen(port, address, () => {
      http.off('error', fail);
      resolve();
    });
  });
}
