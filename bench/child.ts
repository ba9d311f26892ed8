// A process of its own for one side of a measurement: asked for one thing at a time, it answers with plain data.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process that answers questions, in their order. */
export class Child {
  readonly #process: ChildProcess;

  /** Starts a program, given as its path in `bench/`. */
  constructor(file: string) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.#process = fork(path, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** Asks, and resolves with the answer; rejects where the process ends instead. */
  async ask<Answer>(question: object): Promise<Answer> {
    return await new Promise<Answer>((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the process of a benchmark ended with ${code}`));
      this.#process.once('exit', ended);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', ended);
        resolve(answer as Answer);
      });
      this.#process.send(question);
    });
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    // it has nothing to put away, and SIGTERM did not always end it
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/** The other end: answers each question with what `answer` gives. */
export function answerQuestions<Question>(answer: (question: Question) => Promise<object>): void {
  process.on('message', (question) => {
    answer(question as Question).then(
      (given) => process.send?.(given),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
