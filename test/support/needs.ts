// Tests that need a program the machine may lack: run where it is installed, skipped with the reason where it is not.
import { spawnSync } from 'node:child_process';
import type { uvu } from 'uvu';

/** One line for each test skipped in this process; the runner prints them, and fails on them where CI is true. */
export const skips: string[] = [];

/**
 * `test` where `command` can be started, a skip that says why where it cannot:
 * `needs(test, 'nats-server')('a sentence', async () => …)`. `from` is the Debian package, where its name is another.
 */
export function needs<T>(
  test: uvu.Test<T>,
  command: string,
  from: string = command,
): (title: string, body: uvu.Callback<T>) => void {
  if (spawnSync('sh', ['-c', 'command -v "$0"', command]).status === 0) return (title, body) => test(title, body);
  return (title) => {
    skips.push(`${title}: needs ${command} (apt-get install ${from})`);
    test.skip();
  };
}

/** The same for a module of a Python: `needsModule(test, '/usr/bin/python3', 'torch', 'python3-torch')('a sentence', () => …)`. */
export function needsModule<T>(
  test: uvu.Test<T>,
  python: string,
  module: string,
  from: string,
): (title: string, body: uvu.Callback<T>) => void {
  if (spawnSync(python, ['-c', `import ${module}`]).status === 0) return (title, body) => test(title, body);
  return (title) => {
    skips.push(`${title}: needs ${from} (apt-get install ${from})`);
    test.skip();
  };
}
