// A program of another language that takes part in the rounds: started once, asked line by line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A running program that answers each line with one line of JSON. Whoever started it closes it. */
export interface Driven {
  /** The answer, or undefined where the program has ended. */
  ask(line: string): Promise<unknown>;
  /** The next line that nobody asked for, or undefined where the program has ended. */
  heard(): Promise<unknown>;
  close(): Promise<void>;
}

/** Starts `command`; one that does not exist has ended at once. What it complains of goes to standard error. */
export function drive(command: string, args: readonly string[] = []): Driven {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close').catch(() => undefined);
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const heard = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  return {
    heard,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return await heard();
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
