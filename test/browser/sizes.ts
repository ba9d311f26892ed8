// What a page loads to hold a replica: bytes of the browser build of gradwire/sockets, bundled, minified and gzipped.
import { bundle, gzipBytes } from '../support/bundle.ts';

/** What the browser build may have, in bytes: everything a replica needs, rxjs and the reading of frames included. */
export const mostBytes = 15_000;

const source = "export { connect } from 'gradwire/sockets';";

/** Bytes of what a replica loads at once, and of that and a worker's pushes, which load when a worker is asked for. */
export async function sizes(): Promise<{ readonly replica: number; readonly worker: number }> {
  const [replica, worker] = await Promise.all([bundle(source, { atOnce: true }), bundle(source)]);
  return { replica: gzipBytes(replica), worker: gzipBytes(worker) };
}
