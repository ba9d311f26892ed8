// One thread of a sweep as the calling thread sees it: a question at a time, an answer or an error.
import { Worker } from 'node:worker_threads';
import { type ErrorCode, GradwireError } from '../../../../src/errors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import type { Better } from './evaluation.ts';
import type { Folded, Job } from './fold.ts';

/** What a thread is started with. */
export interface ThreadData {
  readonly path: string;
  /** The URL of the evaluation's module. */
  readonly module: string | undefined;
}

/** What a thread says. */
export type FromThread =
  | { readonly kind: 'ready'; readonly better: Better }
  | { readonly kind: 'progress'; readonly progress: ReadProgress }
  | { readonly kind: 'folded'; readonly folded: Folded }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly text: string };

// a worker is JavaScript: where this is run as TypeScript, in the repository's own tests, it is the built one
const built = import.meta.url.endsWith('.ts') ? '../../../../dist/streams/recordings/instruments/sweep/worker.js' : './worker.js';
const program = new URL(built, import.meta.url);

/** A thread. Whoever starts it ends it. */
export class Thread {
  readonly #worker: Worker;
  /** Which evaluation is better, once the thread has loaded it. Rejects with `E_FILE` or `E_CONFIG`. */
  readonly ready: Promise<Better>;

  constructor(data: ThreadData) {
    // without the options of this process, such as loaders of modules; what the evaluation prints is no part of a result
    this.#worker = new Worker(program, { workerData: data, execArgv: [], stdout: true });
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.ready = this.#answer((message) => (message.kind === 'ready' ? { value: message.better } : undefined));
    // whoever awaits it hears of it
    this.ready.catch(() => undefined);
  }

  /** Folds one combination. Rejects with what went wrong in the thread. */
  fold(job: Job, progress: (progress: ReadProgress) => void): Promise<Folded> {
    const folded = this.#answer((message) => {
      if (message.kind === 'progress') progress(message.progress);
      return message.kind === 'folded' ? { value: message.folded } : undefined;
    });
    this.#worker.postMessage(job);
    return folded;
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** The first message that `read` finds an answer in; an error where the thread fails or ends before. */
  #answer<T>(read: (message: FromThread) => { readonly value: T } | undefined): Promise<T> {
    const worker = this.#worker;
    return new Promise<T>((resolve, reject) => {
      const done = (): void => {
        worker.off('message', hear).off('error', fail).off('exit', ended);
      };
      const fail = (error: unknown): void => {
        done();
        reject(error);
      };
      const ended = (code: number): void =>
        fail(new GradwireError('E_EVALUATION', `a thread of the sweep ended with code ${code}`));
      const hear = (message: FromThread): void => {
        if (message.kind === 'failed') fail(new GradwireError(message.code, message.text));
        const answer = read(message);
        if (answer === undefined) return;
        done();
        resolve(answer.value);
      };
      worker.on('message', hear).on('error', fail).on('exit', ended);
    });
  }
}
