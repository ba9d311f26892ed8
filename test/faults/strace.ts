// The program under strace: which calls it makes on its directory, and what happens if one of them kills it or fails.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { begin, type Playing, type Printed, type Script } from './script.ts';

/** The calls that write, and those that open. */
const calls = [
  'write',
  'writev',
  'pwrite64',
  'pwritev',
  'fdatasync',
  'fsync',
  'ftruncate',
  'rename',
  'openat',
  'unlink',
] as const;
/** Those, and the look at the epoch. */
export const callsAndLooks = [...calls, 'statx'] as const;
export type Call = (typeof callsAndLooks)[number];

/** One call that the program makes on its directory: the how manyth of its kind, from 1. */
export interface Point {
  readonly call: Call;
  readonly index: number;
}

/** What the program does to its directory when nothing is done to it. */
export interface Plan {
  readonly points: readonly Point[];
  /** Paths, relative to the directory; its own and its folder's too. */
  readonly paths: readonly string[];
}

/** What happens to a call: `signal=SIGKILL`, or `error=` and a name; `when` is the index of the call, or two with `..` between. */
export interface Injected {
  readonly call: Call;
  readonly what: string;
  readonly when: string;
}

/** What the program printed, and its calls on the directory in their order. */
export interface Traced extends Printed {
  readonly made: readonly Call[];
}

/** A program that runs under strace. */
export interface Tracing extends Pick<Playing, 'child'> {
  /** Resolves once a SIGSTOP has stopped it. */
  readonly stopped: () => Promise<void>;
  readonly ended: Promise<Traced>;
}

/** Starts the program under strace with faults; the calls on other files are left alone. */
export async function beginTrace(program: string, script: Script, { paths }: Plan, ...injected: Injected[]): Promise<Tracing> {
  const only = paths.flatMap((path) => ['-P', join(script.directory, path)]);
  const inject = injected.flatMap(({ call, what, when }) => ['-e', `inject=${call}:${what}:when=${when}`]);
  const { file, child, ended } = await straced(program, script, [...only, ...inject]);
  return {
    child,
    stopped: async () => {
      while (!readFileSync(file, 'utf8').includes('stopped by SIGSTOP')) await delay(2);
    },
    ended: ended.then(({ log, ...printed }) => ({ ...printed, made: log.map(callIn).filter((each) => each !== undefined) })),
  };
}

/** Runs the program under strace with faults, to its end. */
export async function trace(program: string, script: Script, planned: Plan, ...injected: Injected[]): Promise<Traced> {
  return await (await beginTrace(program, script, planned, ...injected)).ended;
}

/** Runs the program, and gives each call that it makes on its directory. */
export async function plan(program: string, script: Script, which: readonly Call[] = calls): Promise<Plan> {
  const { log, done, stderr } = await (await straced(program, script, ['-y', '-e', `trace=${which.join()}`])).ended;
  assert.ok(done, stderr);
  const pathsIn = (line: string): string[] =>
    [...line.matchAll(/["<](\/[^">]*)[">]/g)]
      .map(([, path]) => relative(script.directory, path))
      .filter((path) => path === '..' || !path.startsWith('..'));
  const own = log.filter((line) => callIn(line) !== undefined && pathsIn(line).length > 0);
  // strace counts in each thread for itself
  assert.is(new Set(own.map((line) => line.split(' ')[0])).size, 1, 'files are written by one thread');
  const counts = countOf(own.map((line) => callIn(line) as Call));
  const points = [...counts].flatMap(([call, count]) => Array.from({ length: count }, (_, i) => ({ call, index: i + 1 })));
  return { points, paths: [...new Set(own.flatMap(pathsIn))] };
}

/** A call that has been made, or a line that was printed before it. */
export interface Event {
  readonly call: Call;
  /** The whole line of strace, with the paths of its files. */
  readonly text: string;
  /** What was printed, where the call is that. */
  readonly said: string | undefined;
}

/** Runs the program, and gives its calls on files and what it prints, in the order in which they were done. */
export async function events(program: string, script: Script): Promise<Event[]> {
  const { log, done, stderr } = await (await straced(program, script, ['-y', '-s', '200'])).ended;
  assert.ok(done, stderr);
  const begun = new Map<string, string>();
  const found: Event[] = [];
  for (const line of log) {
    const [thread] = line.split(' ');
    const said = /^\d+ +write\(1<.*?>, "(.*?)\\n"/.exec(line)?.[1];
    const call = callIn(line);
    // a call counts once it is done; what is printed, from its beginning
    if (call !== undefined && said === undefined && line.includes('<unfinished')) begun.set(thread, line);
    else if (call !== undefined) found.push({ call, text: line, said });
    else if (line.includes(' resumed>')) {
      const text = `${begun.get(thread) ?? ''}${line}`;
      const made = callIn(text);
      if (made !== undefined) found.push({ call: made, text, said: undefined });
      begun.delete(thread);
    }
  }
  return found;
}

/** How many of each kind there are. */
export function countOf(made: readonly Call[]): Map<Call, number> {
  const counts = new Map<Call, number>();
  for (const call of made) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}

/** Runs tasks, some at a time. */
export async function inLanes(width: number, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = tasks.values();
  const lane = async (): Promise<void> => {
    for (const task of queue) await task();
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function straced(
  program: string,
  script: Script,
  options: readonly string[],
): Promise<Pick<Playing, 'child'> & { file: string; ended: Promise<Printed & { log: string[] }> }> {
  const file = `${script.directory}.strace`;
  let gone: Promise<unknown> | undefined;
  const attach = async (pid: number): Promise<void> => {
    const watched = ['-f', '-p', String(pid), '-o', file, '-e', `trace=${callsAndLooks.join()}`, ...options];
    const strace = spawn('strace', watched, { stdio: ['ignore', 'ignore', 'pipe'] });
    gone = once(strace, 'exit');
    // it says so once it watches every thread
    await once(strace.stderr, 'data');
    strace.stderr.resume();
  };
  const { child, ended } = await begin(program, script, { attach });
  child.stdin.end();
  const read = async (): Promise<Printed & { log: string[] }> => {
    const printed = await ended;
    await gone;
    const log = readFileSync(file, 'utf8').split('\n');
    rmSync(file);
    return { ...printed, log };
  };
  return { child, file, ended: read() };
}

function callIn(line: string): Call | undefined {
  return /^\d+ +(\w+)\(/.exec(line)?.[1] as Call | undefined;
}
