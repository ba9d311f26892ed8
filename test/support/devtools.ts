// The browser's own remote control (the Chrome DevTools Protocol), over the pipes that it was started with.
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** What a command or an event carries. */
export type Fields = Readonly<Record<string, unknown>>;

/** What the browser tells of by itself. */
export type OnEvent = (method: string, fields: Fields) => void;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly method?: string;
  readonly params?: Fields;
  readonly sessionId?: string;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Commands to a browser that was started with `--remote-debugging-pipe`. Whoever started the browser ends it. */
export class Devtools {
  readonly #to: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, OnEvent>();
  #count = 0;
  #rest = '';
  #ended: Error | undefined;

  constructor({ stdio }: ChildProcess) {
    this.#to = stdio[3] as Writable;
    const from = stdio[4] as Readable;
    from.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    from.on('close', () => this.#end(new Error('the browser ended')));
    // a browser that ends breaks the pipe; `close` of the other one tells of it
    this.#to.on('error', () => undefined);
  }

  /** What the browser answers to a command, of one tab where `sessionId` names it. Rejects with its error, or when it ends. */
  ask<Result>(method: string, params: Fields = {}, sessionId?: string): Promise<Result> {
    const id = ++this.#count;
    return new Promise<Result>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#waiting.set(id, { method, resolve: resolve as (result: unknown) => void, reject });
      this.#to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Hears the events of a session, of which one listener hears. */
  listen(sessionId: string, listener: OnEvent): void {
    this.#listeners.set(sessionId, listener);
  }

  // messages end with a zero byte; those without an id are events
  #hear(text: string): void {
    const [last, ...whole] = `${this.#rest}${text}`.split('\0').reverse();
    this.#rest = last;
    for (const each of whole.reverse()) {
      const message = JSON.parse(each) as Message;
      const { method, params = {}, sessionId = '' } = message;
      if (method === undefined) this.#settle(message);
      else this.#listeners.get(sessionId)?.(method, params);
    }
  }

  #settle({ id = 0, result, error }: Message): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${waiting.method}: ${error.message}`));
  }

  #end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
