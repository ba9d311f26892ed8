// The process that reads: many connections that count messages, and say each time that all of them have read some more.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromReaders, ReadersOrder } from './orders.ts';

/** Connections in a process of their own. */
export class Readers {
  readonly #process: ChildProcess;
  #past = 0;
  #wake: () => void = () => undefined;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Opens them all; each time that all of them have read `window` messages more, {@link past} is one higher. */
  static async open(order: Omit<Extract<ReadersOrder, { what: 'open' }>, 'what'>): Promise<Readers> {
    const path = fileURLToPath(new URL('readers.js', import.meta.url));
    const readers = new Readers(fork(path, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    await new Promise<void>((resolve, reject) => {
      readers.#process.on('message', (message: FromReaders) => {
        if (message.what === 'ready') resolve();
        else if (message.what === 'past') {
          readers.#past = message.windows;
          readers.#wake();
        } else reject(new Error(message.text));
      });
      readers.#process.send({ what: 'open', ...order });
    });
    return readers;
  }

  /** Resolves when all of them have read so many windows. */
  async past(windows: number): Promise<void> {
    while (this.#past < windows) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    this.#process.kill('SIGKILL');
    await ended;
  }
}
