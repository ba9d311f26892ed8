// Runs the examples as a newcomer does, and looks at them from outside.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TrainerStatus } from '../../streams/trainer.ts';

/** What a program came to. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script to its end. `during` may interfere; where it fails, the script is killed. */
export async function runProgram(
  script: string,
  args: readonly string[],
  during?: (pid: number, printed: () => string) => Promise<void>,
): Promise<Outcome> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close');
  try {
    await during?.(child.pid ?? 0, () => stdout);
  } catch (error) {
    child.kill('SIGKILL');
    await closed;
    throw error;
  }
  const [code] = await closed;
  return { code, stdout, stderr };
}

/** What the trainer that a program has printed the address of says of itself. */
export async function statusOf(printed: () => string): Promise<TrainerStatus> {
  for (;;) {
    const url = /http:\S+/.exec(printed())?.[0];
    if (url !== undefined) return (await (await fetch(`${url}/models/default`)).json()) as TrainerStatus;
    await delay(20);
  }
}

/** The trainer's version, once it is at least `least`. */
export async function versionReached(printed: () => string, least: number): Promise<number> {
  for (;;) {
    const { version } = await statusOf(printed);
    if (version >= least) return version;
    await delay(20);
  }
}

/** The processes that a process has started from a script whose path has `part` in it. */
export function childrenOf(parent: number, part: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const ppid = Number(
          readFileSync(`/proc/${pid}/stat`, 'utf8')
            .replace(/^.*\) \S+ /s, '')
            .split(' ')[0],
        );
        return ppid === parent && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(part);
      } catch {
        return false; // it has ended meanwhile
      }
    });
}
