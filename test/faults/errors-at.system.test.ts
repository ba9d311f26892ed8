// Every call on the directory fails once: what its senders hear is true, whatever the error and wherever it strikes.
// watchdog: 400 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../support/figures.ts';
import { needs } from '../support/needs.ts';
import { bundle, removeBundles } from './bundle.ts';
import { type Printed, recoverFrom } from './script.ts';
import { type Call, inLanes, type Plan, plan, trace } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-errors-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});

const lives = [5, 7];
const errnos = ['ENOSPC', 'EIO', 'EROFS', 'EFBIG', 'EDQUOT'] as const;
type Errno = (typeof errnos)[number];
// each point with each error takes minutes; otherwise the errors take turns
const long = process.env.GRADWIRE_LONG === '1';
const only = process.env.GRADWIRE_CALLS?.split(',');

/** In a word, what became of the program; throws where it ended in another way than it says. */
function outcomeOf({ lines, nacks, told, ended, done, code, signal, stderr }: Printed): string {
  const said = `${lines.join(', ')} ${stderr}`;
  assert.ok(done || ended !== undefined, `it ended without a code, with ${code ?? signal}: ${said}`);
  assert.is(stderr, '', said);
  if (ended !== undefined) {
    assert.is(code, ended === 'E_DISK_FAILED' ? 74 : 1, said);
    const stage = lines
      .filter((line) => /^(loaded|started|closing|closed)/.test(line))
      .at(-1)
      ?.split(' ')[0];
    return `${stage === 'started' ? 'ends' : stage === 'closing' ? 'close tells' : 'does not start'}: ${ended}`;
  }
  for (const nack of nacks) assert.is(nack, 'E_DISK', said);
  if (told.length > 0) return `snapshot told: ${[...new Set(told)].join()}`;
  return nacks.length > 0 ? 'nack, then ack' : 'goes on';
}

const startFails = ['does not start: E_DISK', 'does not start: E_DISK_FAILED'];
const failed = ['does not start: E_DISK_FAILED', 'ends: E_DISK_FAILED', 'close tells: E_DISK_FAILED'];
const told = ['snapshot told: E_DISK', 'close tells: E_DISK'];
const reading = ['does not start: E_FILE', 'snapshot told: E_FILE', 'close tells: E_FILE'];

/** What may become of each call that fails, with EIO and with any other error. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // the batches and the heads of segments; the summary of a segment can be done without
  'pwritev EIO': failed,
  'pwritev other': ['nack, then ack', 'goes on', ...startFails, 'close tells: E_DISK'],
  'fdatasync EIO': failed,
  'fdatasync other': failed,
  // directories; the files of the epoch and of snapshots before they get their names
  'fsync EIO': failed,
  'fsync other': [...failed, ...startFails, ...told],
  'pwrite64 EIO': failed,
  'pwrite64 other': [...startFails, ...told],
  'rename EIO': failed,
  'rename other': [...startFails, ...told],
  'openat EIO': [...failed, ...reading],
  'openat other': ['nack, then ack', ...failed, ...startFails, ...told, ...reading],
  'ftruncate EIO': failed,
  'ftruncate other': failed,
  // the file with the process id, which is not needed; snapshots and segments that are too old
  'write EIO': failed,
  'write other': startFails,
  'unlink EIO': ['goes on', ...failed],
  'unlink other': ['goes on', ...told],
};

/** Outcomes by call and error, each with how often it was seen. */
class Table {
  readonly #cells = new Map<string, Map<string, number>>();

  /** Demands that the outcome is one that may be. */
  note({ call, errno, outcome, name }: { call: Call; errno: Errno; outcome: string; name: string }): void {
    const key = `${call} ${errno === 'EIO' ? 'EIO' : 'other'}`;
    assert.ok(allowed[key]?.includes(outcome), `${name}: ${outcome}`);
    const cell = this.#cells.get(key) ?? new Map<string, number>();
    this.#cells.set(key, cell.set(outcome, (cell.get(outcome) ?? 0) + 1));
  }

  /** The calls and errors that were seen. */
  get keys(): string[] {
    return [...this.#cells.keys()];
  }

  toString(): string {
    const lines = [...this.#cells].sort().map(([key, cell]) => {
      const counts = [...cell].sort().map(([outcome, count]) => `${outcome} ×${count}`);
      return `  ${key.padEnd(17)}${counts.join('; ')}`;
    });
    return lines.join('\n');
  }
}

interface Failing {
  readonly call: Call;
  readonly errno: Errno;
  readonly when: string;
}

/** Runs the program with errors, recovers from what it left, and notes the outcome of the last of them. */
async function fail(program: string, planned: Plan, table: Table, ...failing: Failing[]): Promise<string> {
  const name = failing.map(({ call, errno, when }) => `${call}-${errno}-${when}`).join('-');
  const directory = join(folder, name);
  const injected = failing.map(({ call, errno, when }) => ({ call, when, what: `error=${errno}` }));
  const traced = await trace(program, { directory, lives }, planned, ...injected);
  assert.is(await recoverFrom(directory, traced), 0, `${name}: acknowledged batches are lost: ${traced.lines.join(', ')}`);
  rmSync(directory, { recursive: true, force: true });
  const outcome = outcomeOf(traced);
  const { call, errno } = failing[failing.length - 1];
  table.note({ call, errno, outcome, name });
  return outcome;
}

needs(test, 'strace')(
  'every call fails once: a nack and then an ack, a snapshot that is told, or an end with a code',
  async () => {
    const program = bundle('scripted.ts');
    const planned = await plan(program, { directory: join(folder, 'plan'), lives });
    const table = new Table();
    const points = planned.points.filter(({ call }) => only === undefined || only.includes(call));
    const cases = points.flatMap(({ call, index }, i) =>
      (long ? errnos : [errnos[(i + index) % errnos.length]]).map((errno) => ({ call, errno, when: String(index) })),
    );
    await inLanes(
      3,
      cases.map((each) => async () => {
        await fail(program, planned, table, each);
      }),
    );
    figure(`errors: ${cases.length} errors, one at each call: 0 acknowledged batches lost`);
    for (const line of String(table).split('\n')) figure(`errors: ${line}`);
    const calls = new Set(points.map(({ call }) => call));
    assert.is(new Set(table.keys.map((key) => key.split(' ')[0])).size, calls.size);
  },
);

needs(test, 'strace')('an error that lasts is a nack for as long, and one of the cut that follows it is the end', async () => {
  const program = bundle('scripted.ts');
  const planned = await plan(program, { directory: join(folder, 'plan-2'), lives });
  const table = new Table();
  // a batch, then each attempt to write again
  const lasting = errnos.filter((errno) => errno !== 'EIO').map((errno) => ({ call: 'pwritev', errno, when: '3..5' }) as const);
  // what an attempt has written is cut off again
  const cutting = errnos.map((errno) => ({ call: 'ftruncate', errno, when: '1' }) as const);
  await inLanes(3, [
    ...lasting.map((each) => async () => assert.is(await fail(program, planned, table, each), 'nack, then ack')),
    ...cutting.map((each) => async () => {
      const first = { call: 'pwritev', errno: 'ENOSPC', when: '3' } as const;
      assert.is(await fail(program, planned, table, first, each), 'ends: E_DISK_FAILED');
    }),
  ]);
});

test.run();
