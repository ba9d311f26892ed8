// A process group: a program started as its leader, and all that it has started since.
import type { ChildProcess } from 'node:child_process';

/** Ends a program that was started `detached`, with whatever it started and left behind. */
export function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
