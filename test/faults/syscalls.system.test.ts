// No unlucky instant: a trainer that is killed at every single call it makes on its directory has lost nothing acknowledged.
// watchdog: 400 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Durability } from '../../streams/recordings/index.ts';
import { figure } from '../support/figures.ts';
import { needs } from '../support/needs.ts';
import { bundle, removeBundles } from './bundle.ts';
import { recoverFrom } from './script.ts';
import { type Call, countOf, inLanes, type Point, plan, trace } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-syscalls-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});
const lives = [5, 7];

interface Killed {
  readonly points: readonly Point[];
  readonly lost: number;
}

/** Kills the program at each of its calls, one run for each, and recovers from what it left. */
async function killAtEvery(durability: Durability, only?: Call): Promise<Killed> {
  const program = bundle('scripted.ts');
  const named = (name: string): string => join(folder, `${durability}-${name}`);
  const planned = await plan(program, { directory: named('plan'), lives, durability });
  const points = planned.points.filter(({ call }) => only === undefined || call === only);
  let lost = 0;
  await inLanes(
    2,
    points.map((point) => async () => {
      // strace may miscount by one on a busy machine; that is a kill as good as any, and this point is still due
      for (let attempt = 1; ; attempt++) {
        const directory = named(`${point.call}-${point.index}-${attempt}`);
        const injected = { call: point.call, what: 'signal=SIGKILL', when: String(point.index) };
        const killed = await trace(program, { directory, lives, durability }, planned, injected);
        lost += await recoverFrom(directory, killed);
        rmSync(directory, { recursive: true, force: true });
        const hit = [killed.signal, killed.made.at(-1), countOf(killed.made).get(point.call)];
        if (attempt === 3) assert.equal(hit, ['SIGKILL', point.call, point.index], killed.stderr);
        if (hit[2] === point.index && killed.signal === 'SIGKILL') return;
      }
    }),
  );
  return { points, lost };
}

needs(test, 'strace')('no unlucky instant: a kill at every single call on its directory loses nothing', async () => {
  const { points, lost } = await killAtEvery('fsync');
  assert.is(lost, 0);
  const counts = countOf(points.map(({ call }) => call));
  assert.ok(points.length > 100, `only ${points.length} points`);
  for (const call of ['write', 'pwritev', 'pwrite64', 'fdatasync', 'fsync', 'rename', 'openat', 'unlink'] as const)
    assert.ok((counts.get(call) ?? 0) > 1, `${counts.get(call)} points at ${call}`);
  const each = [...counts].map(([call, count]) => `${call} ${count}`).join(', ');
  figure(`calls: ${points.length} kills, one at each call (${each}): lost 0`);
});

needs(test, 'strace')('control: a trainer that acknowledges before it writes loses batches at some of these calls', async () => {
  assert.ok((await killAtEvery('none', 'pwritev')).lost > 0);
});

test.run();
