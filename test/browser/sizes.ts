// What a page loads to hold a replica: bytes of the browser build of gradwire/sockets, bundled, minified and gzipped.
import { bundle, gzipBytes } from '../support/bundle.ts';

/** What our own code in the browser build may have, in bytes: connections, frames, encodings and the hash. */
export const mostBytes = 15_000;

const source = "export { connect } from 'gradwire/sockets';";

/** Sizes in bytes. */
export interface Sizes {
  /** Our own code that a replica loads at once. */
  readonly replica: number;
  /** That and what it uses of rxjs, which a page that uses rxjs has already. */
  readonly withRxjs: number;
  /** All of it and a worker's pushes, which load when a worker is asked for. */
  readonly worker: number;
}

/** What a page loads. */
export async function sizes(): Promise<Sizes> {
  const [replica, withRxjs, worker] = await Promise.all([
    bundle(source, { atOnce: true, external: ['rxjs'] }),
    bundle(source, { atOnce: true }),
    bundle(source),
  ]);
  return { replica: gzipBytes(replica), withRxjs: gzipBytes(withRxjs), worker: gzipBytes(worker) };
}
