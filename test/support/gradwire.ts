// The `gradwire` program as a child process, as it was built (`npm test` builds first).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/streams/service/main.js', import.meta.url));

/** How a program ended, and everything it printed. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** The next line of its standard output. */
  line(): Promise<string>;
  readonly ended: Promise<Ended>;
}

/** Starts `gradwire …arguments`. Whoever starts it ends it. */
export function start(...parameters: string[]): Running {
  const child = spawn(process.execPath, [main, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
    });
  }
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...printed }) as Ended);
  return {
    child,
    ended,
    line: async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`it ended without another line: ${printed.stderr}`);
      return String(value);
    },
  };
}

/** Runs `gradwire …arguments` to its end. */
export function run(...parameters: string[]): Promise<Ended> {
  return start(...parameters).ended;
}
