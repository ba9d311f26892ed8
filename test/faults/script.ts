// What the scripted program is told and printed, and what a directory must hold after it, however it ended.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Batch } from '../../src/gradients/batch.ts';
import type { Durability } from '../../streams/recordings/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { batches, digestsOf, model, type Name, optimizer } from '../recordings/runs.ts';

/** What the program is told. */
export interface Script {
  readonly directory: string;
  readonly durability?: Durability;
  /** The last version of each life; the trainer is closed and started again after each. */
  readonly lives: readonly number[];
  /** Batches pushed at once; 1 unless told. */
  readonly ahead?: number;
  /** It waits once this version is acknowledged, until it is told to go on. */
  readonly pauseAt?: number;
  /** All segments are kept. */
  readonly keepAll?: boolean;
  /** Versions between snapshots; 2 unless told. */
  readonly every?: number;
}

/** A program that runs. */
export interface Playing {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves once it has printed a line that begins so. Rejects where it ends before. */
  printed(line: string): Promise<void>;
  /** What it has acknowledged up to now. */
  acked(): Printed['acks'];
  readonly ended: Promise<Printed>;
}

/** Where and how the program runs. */
export interface Playground {
  /** A command that runs it, such as `['unshare', '--net']`. */
  readonly within?: readonly string[];
  /** Called once it is loaded, with its process id, and waited for before it begins. */
  readonly attach?: (pid: number) => unknown;
}

/** Several snapshots, of which old ones are removed, and several segments, of which all but the newest are. */
export const settings = {
  snapshots: { every: 2, keep: 2, intervalMs: 1e9 },
  segmentBytes: 4096,
  retention: { segments: 1 },
};

/** What the program printed, and how it ended. */
export interface Printed {
  /** Version by number of the batch. */
  readonly acks: ReadonlyMap<number, number>;
  readonly nacks: readonly string[];
  /** Epoch and version of each start. */
  readonly starts: readonly { readonly epoch: number; readonly version: number }[];
  /** Codes of snapshots that could not be written. */
  readonly told: readonly string[];
  /** The code that ended it. */
  readonly ended: string | undefined;
  readonly done: boolean;
  readonly lines: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** Starts the program; with one thread for files, so that its calls have an order. */
export async function begin(program: string, script: Script, { within = [], attach }: Playground = {}): Promise<Playing> {
  const env = {
    ...process.env,
    NODE_V8_COVERAGE: undefined,
    NODE_OPTIONS: undefined,
    UV_THREADPOOL_SIZE: '1',
    UV_USE_IO_URING: '0',
  };
  const [command, ...parameters] = [...within, process.execPath, program, JSON.stringify(script)];
  const child = spawn(command, parameters, { env });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const closed = once(child, 'close');
  const ended = closed.then(([code, signal]) => ({ ...read(output.stdout), code, signal, stderr: output.stderr }));
  const printed = async (line: string): Promise<void> => {
    let gone = false;
    while (!`\n${output.stdout}`.includes(`\n${line}`)) {
      if (gone) throw new Error(`it ended before it printed "${line}": ${output.stdout}${output.stderr}`);
      gone = await Promise.race([once(child.stdout, 'data').then(() => false), closed.then(() => true)]);
    }
  };
  await printed('loaded');
  await attach?.(child.pid as number);
  child.stdin.on('error', () => undefined).write('begin\n');
  return { child, printed, ended, acked: () => read(output.stdout).acks };
}

/** Runs the program to its end. */
async function play(program: string, script: Script, playground?: Playground): Promise<Printed> {
  const { child, ended } = await begin(program, script, playground);
  child.stdin.end();
  return await ended;
}

/** What the whole lines say. */
function read(stdout: string): Omit<Printed, 'code' | 'signal' | 'stderr'> {
  const lines = stdout
    .slice(0, stdout.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  const words = lines.map((line) => line.split(' '));
  const after = (first: string): string[] => words.filter(([word]) => word === first).map((each) => each.at(-1) as string);
  const acks = words.filter(([word]) => word === 'ack').map(([, batch, version]) => [Number(batch), Number(version)] as const);
  assert.is(new Map(acks).size, acks.length, `a batch was acknowledged twice: ${lines.join(', ')}`);
  return {
    acks: new Map(acks),
    nacks: after('nack'),
    starts: words
      .filter(([word]) => word === 'started')
      .map(([, epoch, version]) => ({ epoch: Number(epoch), version: Number(version) })),
    told: after('told'),
    ended: after('ended').at(0),
    done: lines.at(-1) === 'done',
    lines,
  };
}

/** All that the program ever pushes, in its order. */
export const given: readonly Batch<Name>[] = batches(8000).map((batch) => ({ ...batch, base: 0, producerEpoch: 0 }));

let known: readonly string[] | undefined;

/** The digest of each version of a fold that never died. */
function digestAt(version: number): string {
  known ??= digestsOf(given);
  return known[version];
}

/** How many acknowledged batches a directory has lost; demands that all else is as if nothing had happened, and goes on in it. */
export async function recoverFrom(directory: string, { acks, lines }: Printed): Promise<number> {
  const t = await trainer<Name>({ ...settings, model, optimizer, directory });
  const said = lines.join(', ');
  try {
    assert.is(t.digest(), digestAt(t.version), `version ${t.version} has other bits; the program said ${said}`);
    for (const [batch, version] of acks) assert.is(batch, version, said);
    const lost = Math.max(0, Math.max(0, ...acks.values()) - t.version);
    const { version: last } = t;
    // a worker that heard nothing sends again: what is there stays what it was
    for (let i = Math.max(0, last - 4); i < last + 2; i++) {
      const pushed = await t.push(given[i]);
      assert.equal(pushed, { version: i + 1, duplicate: i < last }, said);
    }
    assert.equal([t.version, t.digest()], [last + 2, digestAt(last + 2)], said);
    return lost;
  } finally {
    await t.close().catch(() => undefined);
  }
}

/** A name that locks in one network is not seen in another, as in two containers with one volume. */
export const elsewhere: Playground = { within: ['unshare', '--net'] };

/** Runs the program up to version 3 in a folder; gives what makes copies of its directory. */
export async function firstLife(program: string, folder: string): Promise<(name: string) => string> {
  const first = join(folder, 'first');
  await play(program, { directory: first, lives: [3], keepAll: true });
  return (name) => {
    const directory = join(folder, name);
    cpSync(first, directory, { recursive: true });
    return directory;
  };
}
