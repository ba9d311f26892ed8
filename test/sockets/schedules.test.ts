// A thousand random reconnect schedules, seeded: whatever is cut, stalled or started again, each replica's history passes six checks.
// watchdog: 900 s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../support/figures.ts';
import { seed } from '../support/random.ts';
import { takeApart } from './fuzz/frames.ts';
import { type Check, type Truth, violationsIn } from './schedules/checks.ts';
import type { Moment, Tamper } from './schedules/history.ts';
import { encodings, routes } from './schedules/path.ts';
import { runSchedule } from './schedules/schedule.ts';

const schedules = Number(process.env.GRADWIRE_RUNS ?? 1000);
// at a time: enough that waiting for a deadline costs nothing
const lanes = 24;

test(`in ${schedules} random schedules every history is ordered, unique, gap-free, atomic, resumable and never goes backwards`, async () => {
  const counts: Record<string, number> = {};
  const violations: string[] = [];
  const seeds = Array.from({ length: schedules }, (_, i) => (seed + i) % 2 ** 31).values();
  const lane = async (): Promise<void> => {
    for (const each of seeds) {
      const outcome = await runSchedule({ seed: each });
      for (const [name, count] of Object.entries(outcome.counts)) counts[name] = (counts[name] ?? 0) + count;
      violations.push(...outcome.violations.map((text) => `seed ${each}: ${text}`));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  figure(`schedules: ${schedules} from seed ${seed}; ${Object.keys(encodings)}; ${Object.keys(routes)}`);
  figure(
    `schedules: ${Object.entries(counts)
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  figure(`schedules: ${violations.length} violations`);
  assert.equal(violations.slice(0, 20), []);
  for (const name of ['cuts by end', 'cuts by reset', 'resumes', 'resets', 'resends', 'restarts'])
    assert.ok(counts[name] > 0 || schedules < 100, `no ${name} in ${schedules} schedules`);
});

const at = (version: number) => ({ run: 'r', epoch: 1, version });
const frame = (what: 'update' | 'weights', from: number, version: number): Moment => ({
  kind: 'frame',
  what,
  from,
  ...at(version),
});
const applied = (what: 'update' | 'weights', from: number, version: number): Moment[] => [
  { kind: 'applied', what, from, version },
  { kind: 'seen', epoch: 1, version, digest: `d${version}` },
];
const welcome = (version: number, resumed: boolean, reason: string | null = null): Moment => ({
  kind: 'welcome',
  resumed,
  reason,
  ...at(version),
});

/** A replica that joins at 3, follows to 5, is cut, and resumes to 6. */
const right: readonly Moment[] = [
  { kind: 'hello', resume: undefined },
  welcome(3, false),
  frame('weights', 0, 3),
  ...applied('weights', 0, 3),
  frame('update', 3, 4),
  ...applied('update', 3, 4),
  frame('update', 4, 5),
  ...applied('update', 4, 5),
  { kind: 'hello', resume: { ...at(5), digest: 'd5' } },
  welcome(6, true),
  frame('update', 5, 6),
  ...applied('update', 5, 6),
];
const truth: Truth = {
  digests: new Map([3, 4, 5, 6].map((version) => [version, [`d${version}`]])),
  mode: 'every',
  mayFallOff: false,
  mayDiverge: false,
};

test('control: a right history has no violation', () => {
  assert.equal(violationsIn(right, truth), []);
});

/** The replica of the right history is told that its weights are wrong, and cut before others come. */
const disowned = (resume: Extract<Moment, { kind: 'hello' }>['resume']): Moment[] => [
  ...right.slice(0, 12),
  welcome(6, false, 'diverged'),
  { kind: 'hello', resume },
  welcome(6, false, resume && 'diverged'),
  frame('weights', 0, 6),
  ...applied('weights', 0, 6).map((moment) => (moment.kind === 'applied' ? { ...moment, from: 5 } : moment)),
];

test('control: weights that turned out to be wrong are not asked to go on from', () => {
  const diverged: Truth = { ...truth, mayDiverge: true };
  assert.equal(violationsIn(disowned(undefined), diverged), []);
  const found = violationsIn(disowned({ ...at(5), digest: 'd5' }), diverged);
  assert.equal(
    found.map(({ check }) => check),
    ['resumable'],
  );
});

/** The right history with the moments from `index` on, so many, replaced. */
const wrong = (index: number, count: number, ...moments: Moment[]): Moment[] => {
  const copy = [...right];
  copy.splice(index, count, ...moments);
  return copy;
};

const faults: readonly (readonly [string, Check, readonly Moment[]])[] = [
  ['a frame that is left out by the server', 'gap-free', wrong(5, 3)],
  ['a frame that is sent twice', 'unique', wrong(8, 0, frame('update', 3, 4))],
  ['a frame that is applied twice', 'unique', wrong(8, 0, ...applied('update', 3, 4))],
  ['an update that is applied before it came', 'ordered', wrong(5, 1)],
  ['an update of another epoch than the welcome’s', 'ordered', wrong(5, 1, { ...frame('update', 3, 4), epoch: 2 } as Moment)],
  ['weights that nobody asked for', 'gap-free', wrong(5, 1, frame('weights', 0, 4))],
  ['half of a version', 'atomic', wrong(7, 1, { kind: 'seen', epoch: 1, version: 4, digest: 'd3' })],
  ['a version of before', 'never backwards', wrong(10, 1, { kind: 'seen', epoch: 1, version: 4, digest: 'd4' })],
  ['a trainer that has fewer versions', 'never backwards', wrong(12, 1, welcome(4, true))],
  ['a place other than its own', 'resumable', wrong(11, 1, { kind: 'hello', resume: { ...at(4), digest: 'd4' } })],
  ['a place that it forgot', 'resumable', wrong(11, 1, { kind: 'hello', resume: undefined })],
  ['a reset for no reason', 'resumable', wrong(12, 1, welcome(6, false, 'diverged'))],
];

for (const [name, check, moments] of faults) {
  test(`control: ${name} is seen by the check "${check}"`, () => {
    const found = violationsIn(moments, truth);
    assert.ok(
      found.some((violation) => violation.check === check),
      JSON.stringify(found),
    );
  });
}

/** An update in another place of the history; its bytes are right, and nothing vouches for its header. */
function moved(message: Uint8Array, by: { readonly from: number; readonly version: number }): Uint8Array {
  const { metadata: all, entries, data } = takeApart(message);
  const { header: _header, ...metadata } = all;
  const labels = { ...metadata, from: String(by.from), version: String(by.version) };
  const text = JSON.stringify({ __metadata__: labels, ...Object.fromEntries(entries) });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return new Uint8Array(Buffer.concat([length, Buffer.from(text), data]));
}

type Act = (message: Uint8Array, place: { from: number; version: number }) => readonly Uint8Array[];

/** A tamper that is called with each update and its place; each connection of a replica has one and the same. */
function onUpdates(makeAct: () => Act): () => Tamper {
  return () => {
    const act = makeAct();
    return (message) => {
      if (typeof message === 'string') return [message];
      const { kind, from, version } = takeApart(message).metadata as Record<string, string>;
      return kind === 'update' ? act(message, { from: Number(from), version: Number(version) }) : [message];
    };
  };
}

/** Leaves the update to version 4 out, once: who asks for it again gets it. `after` is done to the next one, where it comes without. */
function skipping(after: (message: Uint8Array, version: number) => Uint8Array): () => Act {
  return () => {
    let state: 'before' | 'skipped' | 'after' = 'before';
    return (message, { version }) => {
      const was = state;
      if (was === 'before' && version === 4) state = 'skipped';
      else if (was === 'skipped') state = 'after';
      if (state === 'skipped') return [];
      return [was === 'skipped' && version === 5 ? after(message, version) : message];
    };
  };
}

const controls: readonly (readonly [string, Check, () => () => Tamper])[] = [
  ['a server that skips a frame', 'gap-free', () => onUpdates(skipping((message) => message))],
  [
    'a replica that is made to apply a gap',
    'atomic',
    () => onUpdates(skipping((message, version) => moved(message, { from: 3, version }))),
  ],
  [
    'a replica that is made to apply an update twice',
    'unique',
    () =>
      onUpdates(
        () =>
          (message, { version }) =>
            version === 4 ? [message, moved(message, { from: 4, version: 5 })] : [message],
      ),
  ],
];

for (const [name, check, tamper] of controls) {
  test(`control: ${name} turns the check "${check}" red in a real schedule`, async () => {
    const seen: string[] = [];
    // a schedule whose replicas join late, or skip, never sees the frame
    for (let each = seed; each < seed + 20 && !seen.some((text) => text.startsWith(check)); each++)
      seen.push(...(await runSchedule({ seed: each, tamper: tamper() })).violations);
    assert.ok(
      seen.some((text) => text.startsWith(check)),
      `${seen}`,
    );
  });
}

test.run();
