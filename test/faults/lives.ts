// A trainer's lives: each one a process that begins on the same directory and port at once, and ends as it is told.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ServeOptions } from '../../streams/sockets/index.ts';
import type { TrainerOptions } from '../../streams/trainer.ts';
import { chance, whole } from '../support/random.ts';

/** What a killable trainer is told: plain data. */
export interface LifeOptions extends Omit<TrainerOptions, 'model' | 'onError' | 'listen'> {
  readonly directory: string;
  readonly model: Readonly<Record<string, readonly number[]>>;
  readonly listen: ServeOptions & { readonly port: number };
  /** The control that begins with empty dedupe windows. */
  readonly forgetful?: boolean;
  /** The control whose disk takes so long for each write. */
  readonly writeMs?: number;
}

/** What a process says once it accepts batches. */
export interface Accepting {
  readonly version: number;
  readonly epoch: number;
  /** From the word to begin, its modules being loaded. */
  readonly recoveryMs: number;
  /** From the start of the process, without the time that it waited for the word. */
  readonly startMs: number;
}

/** A process that has been given the word. */
export interface Life {
  readonly child: ChildProcess;
  /** Rejects where it ends before. */
  readonly accepting: Promise<Accepting>;
  /** The signal that ended it, or its exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;
}

interface Loading {
  readonly child: ChildProcess;
  readonly loadMs: Promise<number>;
}

const program = fileURLToPath(new URL('killable.mjs', import.meta.url));

// loading modules takes longer than most lives
const spares = 2;

/**
 * Begins lives. The next processes load their modules while the ones before them still live, so that each begins when it is
 * told to, and a kill some milliseconds after that falls into its recovery.
 */
export class Lives {
  readonly #options: LifeOptions;
  #loading: Loading[] = [];

  constructor(options: LifeOptions) {
    this.#options = options;
  }

  /** Begins a life, once its modules are loaded; others are loaded behind it, unless it is the `last`. */
  async begin({ last = false }: { readonly last?: boolean } = {}): Promise<Life> {
    if (!last) while (this.#loading.length <= spares) this.#loading.push(this.#load());
    const { child, loadMs } = this.#loading.shift() ?? this.#load();
    if (last) await this.end();
    const loadedMs = await loadMs;
    const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number);
    child.send('begin');
    const said = once(child, 'message').then(([message]) => message as Omit<Accepting, 'startMs'>);
    const gone = ended.then((how) => Promise.reject(new Error(`the trainer ended with ${how} before it accepted`)));
    const accepting = Promise.race([said, gone]).then((message) => ({ ...message, startMs: loadedMs + message.recoveryMs }));
    accepting.catch(() => undefined);
    return { child, accepting, ended };
  }

  /** Ends the processes that wait. */
  async end(): Promise<void> {
    for (const { child } of this.#loading.splice(0)) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }

  #load(): Loading {
    const child = fork(program, [JSON.stringify(this.#options)], {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const loadMs = once(child, 'message').then(([message]) => (message as { loadMs: number }).loadMs);
    loadMs.catch(() => undefined);
    return { child, loadMs };
  }
}

/**
 * A free port below those that the kernel gives to outgoing connections: a client that comes back again and again while
 * nobody listens would otherwise meet itself there one day, and hold the port.
 */
export async function steadyPort(): Promise<number> {
  const random = chance(process.pid);
  for (;;) {
    const port = whole(random, 20_000, 32_000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
