// A thousand random reconnect schedules, seeded: whatever is cut, stalled or started again, each replica's history passes six checks.
// watchdog: 240 s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../support/figures.ts';
import { chance, seed } from '../support/random.ts';
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

test.run();
