// Where an example runs: its directory, its port, and an output whose reader may leave.
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** The first of runs/name-1, runs/name-2, … that does not exist. */
export function freshDirectory(name: string): string {
  let n = 1;
  while (existsSync(join('runs', `${name}-${n}`))) n++;
  return join('runs', `${name}-${n}`);
}

/** `port` where it can be listened on, otherwise 0: any free one. */
export function freePort(port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}

/** Ends the process in peace where whoever reads its output stops before the end, as `head` does. */
export function outliveReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}
