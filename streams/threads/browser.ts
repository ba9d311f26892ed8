// Helpers as a browser's workers. The page must be cross-origin isolated, for they share memory.
import { GradwireError } from '../../src/errors.ts';
import { type StartedThreads, threadsOf } from './start.ts';

// a browser's Worker, of which only this is used
declare class Worker {
  constructor(url: URL, options: { type: 'module' });
  postMessage(message: unknown): void;
  terminate(): void;
}
declare const crossOriginIsolated: boolean | undefined;

const notIsolated =
  'threads share memory, which needs a page that is cross-origin isolated; serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';

/**
 * As {@link file://./node.ts}, in a page or a worker of a browser.
 *
 * @throws GradwireError `E_CONFIG` for a count that is no integer from 1 to 256, and where the page is not cross-origin isolated.
 */
export function startThreads(count: number): StartedThreads {
  if (typeof crossOriginIsolated === 'undefined' || !crossOriginIsolated) throw new GradwireError('E_CONFIG', notIsolated);
  return threadsOf(count, (memory) => {
    const worker = new Worker(new URL('./browser-helper.js', import.meta.url), { type: 'module' });
    worker.postMessage(memory);
    return () => worker.terminate();
  });
}
