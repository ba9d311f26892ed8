// One test file from outside: starts its process, watches the clock, and judges what it reported and how it ended.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from './child.ts';
import { endGroup } from './group.ts';

/** What became of one test file. A file with any problem counts at least one failure. */
export interface Outcome {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  /** One line for each skipped test, with its reason. */
  readonly skipped: readonly string[];
  /** Why the file failed, beside what its tests printed themselves. */
  readonly problems: readonly string[];
  readonly output: string;
  readonly seconds: number;
}

const harness = fileURLToPath(new URL('child.ts', import.meta.url));
// the run that counts has everything installed: there a skip is a hole
const skipsAllowed = process.env.CI !== 'true' && process.env.GRADWIRE_NO_SKIP !== '1';

const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) endGroup(child);
    process.exit(1);
  });
}

/**
 * Seconds after which a file is killed: 120, or what it asks for in a line such as `// watchdog: 300 s`. A long run has an hour,
 * and GRADWIRE_WATCHDOG_S wins over all.
 */
function patienceFor(file: string, long: boolean): number {
  const [, asked = '120'] = /^\/\/ watchdog: (\d+) s$/m.exec(readFileSync(file, 'utf8')) ?? [];
  return Number(process.env.GRADWIRE_WATCHDOG_S ?? (long ? 3600 : asked));
}

/** Runs a test file in a process group of its own, which is gone when this returns. `long` tells it to count further than usual. */
export async function supervise(file: string, { long = false }: { readonly long?: boolean } = {}): Promise<Outcome> {
  const start = performance.now();
  const watchdogSeconds = patienceFor(file, long);
  const child = fork(harness, [file], {
    execArgv: ['--import', 'tsx'],
    env: long ? { ...process.env, GRADWIRE_LONG: '1' } : process.env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  running.add(child);
  let output = '';
  let report: Report | undefined;
  let timedOut = false;
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (output += text));
  child.on('message', (message) => (report = message as Report));
  const closed = once(child, 'close');
  const watchdog = setTimeout(() => {
    timedOut = true;
    endGroup(child);
  }, watchdogSeconds * 1000);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(watchdog);
  endGroup(child);
  running.delete(child);
  // a process that left the group may still hold the pipes
  await Promise.race([closed, delay(1000, undefined, { ref: false })]);
  const end = timedOut ? `was killed after ${watchdogSeconds} s` : `ended with ${code === null ? signal : `exit code ${code}`}`;
  return { file, output, seconds: (performance.now() - start) / 1000, ...judge(report, timedOut || code !== 0, end) };
}

/** Turns a report and an end into counts and problems. */
function judge(
  report: Report | undefined,
  endedBadly: boolean,
  end: string,
): Pick<Outcome, 'passed' | 'failed' | 'skipped' | 'problems'> {
  if (report === undefined)
    return { passed: 0, failed: 1, skipped: [], problems: [`the file ${end} before its tests were done`] };
  const { passed, failed, skipped, faults } = report;
  const problems = [...faults];
  if (failed > 0) problems.push(`${failed} failed`);
  else if (endedBadly) problems.push(`the tests were done, then the file ${end}`);
  if (!skipsAllowed) problems.push(...skipped.map((skip) => `skipped where nothing may be: ${skip}`));
  const hidden = problems.length - (failed > 0 ? 1 : 0);
  return { passed, failed: failed + hidden, skipped: skipsAllowed ? skipped : [], problems };
}
