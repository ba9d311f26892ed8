// Helpers as a browser's workers. The page must be cross-origin isolated, for they share memory.
import { type StartedThreads, threadsOf } from './start.ts';

// a browser's Worker, of which only this is used
declare class Worker {
  constructor(url: URL, options: { type: 'module' });
  postMessage(message: unknown): void;
  terminate(): void;
}

/** As {@link file://./node.ts}, in a page or a worker of a browser. */
export function startThreads(count: number): StartedThreads {
  return threadsOf(count, (memory) => {
    const worker = new Worker(new URL('./browser-helper.js', import.meta.url), { type: 'module' });
    worker.postMessage(memory);
    return () => worker.terminate();
  });
}
