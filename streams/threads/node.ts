// Helpers as Node's worker threads.
import { Worker } from 'node:worker_threads';
import { type StartedThreads, threadsOf } from './start.ts';

// a worker is JavaScript: where this is run as TypeScript, in the repository's own tests and benchmarks, it is the built one
const built = import.meta.url.endsWith('.ts') ? '../../dist/streams/threads/node-helper.js' : './node-helper.js';
const helper = new URL(built, import.meta.url);

/**
 * `count` threads for optimizers that are built with them: the calling one and `count − 1` helpers for each optimizer, started
 * once. They share the work of ranges from 131,072 parameters on; the bits are the same as with one thread. They do not keep
 * the process alive. Whoever called this closes it.
 *
 * @throws GradwireError `E_CONFIG` for a count that is no integer from 1 to 256.
 */
export function startThreads(count: number): StartedThreads {
  return threadsOf(count, (memory) => {
    // without the options of this process, such as loaders of modules, which would be run for every helper
    const worker = new Worker(helper, { workerData: memory, execArgv: [] });
    worker.unref();
    return () => void worker.terminate();
  });
}
