// A trainer stopped at any of its calls, and replaced meanwhile by one that cannot see its lock: nothing acknowledged is lost.
// watchdog: 400 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../support/figures.ts';
import { bundle, removeBundles } from './bundle.ts';
import { needsRoot } from './mounts.ts';
import { begin, elsewhere, firstLife, recoverFrom } from './script.ts';
import { beginTrace, callsAndLooks, inLanes, type Plan, type Point, plan } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-replaced-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});
// all of them take a minute; otherwise some, or those that are named
const every = process.env.GRADWIRE_LONG === '1' ? 1 : 4;
const only = process.env.GRADWIRE_CALLS?.split(',');

/** Stops a trainer at one of its calls, starts another that does not see its lock, and lets the first one go on. */
async function replaceAt({ call, index }: Point, program: string, planned: Plan, directory: string): Promise<string> {
  const injected = { call, what: 'signal=SIGSTOP', when: String(index) };
  const first = await beginTrace(program, { directory, lives: [8], keepAll: true }, planned, injected);
  await first.stopped();
  const second = await begin(program, { directory, lives: [10], pauseAt: 7, keepAll: true }, elsewhere);
  await second.printed('paused').catch(() => undefined);
  first.child.kill('SIGCONT');
  const old = await first.ended;
  second.child.stdin.end('go on\n');
  const next = await second.ended;
  const said = `${call} ${index}: ${old.lines.join(', ')}${old.stderr}; ${next.lines.join(', ')}${next.stderr}`;
  for (const [batch, version] of old.acks) assert.is(next.acks.get(batch) ?? version, version, said);
  // what one of them acknowledged after the other had claimed the directory would be lost to the other
  const [start, nextStart] = [old.starts.at(0), next.starts[0]];
  const [replaced, by] = (start?.epoch ?? 0) < nextStart.epoch ? [old, nextStart] : [next, start];
  for (const version of replaced.acks.values()) assert.ok(version <= (by?.version ?? 0), said);
  const acks = new Map([...old.acks, ...next.acks]);
  assert.is(await recoverFrom(directory, { ...next, acks }), 0, said);
  return `${old.ended ?? 'done'} / ${next.ended ?? 'done'}`;
}

const ends = new Set(['E_FENCED / done', 'E_FILE / done', 'E_DISK / done', 'done / E_FENCED', 'done / done']);

needsRoot(test, 'strace')(
  'a trainer that stops anywhere and is replaced unseen acknowledges nothing when it goes on',
  async () => {
    const program = bundle('scripted.ts');
    const copy = await firstLife(program, folder);
    const planned = await plan(program, { directory: copy('plan'), lives: [8], keepAll: true }, callsAndLooks);
    const points = planned.points.filter(({ call }, i) => (only === undefined ? i % every === 0 : only.includes(call)));
    const outcomes = new Map<string, number>();
    await inLanes(
      2,
      points.map((point) => async () => {
        const directory = copy(`${point.call}-${point.index}`);
        const outcome = await replaceAt(point, program, planned, directory);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        assert.ok(ends.has(outcome), `${point.call} ${point.index}: ${outcome}`);
        rmSync(directory, { recursive: true, force: true });
      }),
    );
    assert.ok((outcomes.get('E_FENCED / done') ?? 0) > points.length / 3);
    const each = [...outcomes].map(([outcome, count]) => `${outcome} ×${count}`).join(', ');
    figure(`replaced: ${points.length} trainers stopped and replaced, the old one and the new one end with: ${each}; lost 0`);
  },
);

test.run();
