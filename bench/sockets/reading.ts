// The process that reads: many connections that count messages, and say each time that all of them have read some more.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromReaders, ReadersOrder } from './orders.ts';

/** Connections in a process of their own. */
export class Readers {
  readonly #process: ChildProcess;
  #past = 0;
  #wake: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #failure: Error | undefined;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on('exit', () => this.#fail(new Error('the process that reads has ended')));
  }

  /** Opens them all; each time that all of them have read `window` messages more, {@link past} is one higher. */
  static async open(order: Omit<Extract<ReadersOrder, { what: 'open' }>, 'what'>): Promise<Readers> {
    const path = fileURLToPath(new URL('readers.js', import.meta.url));
    const readers = new Readers(fork(path, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    readers.#process.on('message', (message: FromReaders) => {
      if (message.what === 'failed') return readers.#fail(new Error(message.text));
      if (message.what === 'past') readers.#past = message.windows;
      readers.#wake();
    });
    const ready = readers.#news();
    readers.#process.send({ what: 'open', ...order });
    await ready;
    return readers;
  }

  /** Resolves when all of them have read so many windows. */
  async past(windows: number): Promise<void> {
    while (this.#past < windows) await this.#news();
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** Resolves at the next word of the process; rejects where it fails or ends. */
  #news(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#reject = reject;
      if (this.#failure !== undefined) reject(this.#failure);
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#reject(this.#failure);
  }
}
