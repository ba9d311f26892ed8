// The same cases in Node and in a real browser: not one bit differs.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { browser, runInBrowser } from '../support/browser.ts';
import { type Case, cases } from '../support/cases.ts';
import { needs } from '../support/needs.ts';
import { seed } from '../support/random.ts';
import { run, type Step } from './fold.ts';

const count = 300;
// two of them pass before the watchdog of the file, so that their errors are seen
const deadlineMs = 50_000;
const inBrowser = needs(test, browser, 'chromium');

/** What the browser makes of the cases. */
async function runThere(list: readonly Case[]): Promise<Step[][]> {
  return (await runInBrowser('test/browser/fold.ts', list, { deadlineMs })) as Step[][];
}

/** Where the two part, a line for each case: the first step and what differs in it. */
function differences(list: readonly Case[], here: readonly Step[][], there: readonly Step[][]): string[] {
  assert.is(here.length, list.length);
  assert.is(there.length, list.length, 'the browser did not run all cases');
  return list.flatMap(({ batches, options }, i) => {
    assert.is(here[i].length, batches.length);
    const at = here[i].findIndex((step, t) => JSON.stringify(step) !== JSON.stringify(there[i][t]));
    if (at < 0) return [];
    const pair = `Node ${JSON.stringify(here[i][at])}, browser ${JSON.stringify(there[i][at])}`;
    return [`case ${i} of seed ${seed}, step ${at}, ${JSON.stringify(options)}: ${pair}`];
  });
}

inBrowser('Node and a real browser give the same bits for every option, after every step', async () => {
  const list = cases(count, seed);
  const here = run(list);
  assert.ok(new Set(here.flat().map(({ parameters }) => parameters)).size > count, 'the cases are too much alike');
  assert.equal(differences(list, here, await runThere(list)), []);
});

test('random cases take every option, and leave every option out', () => {
  const list = cases(count, seed);
  for (const name of Object.keys(list[0].options)) {
    const values = new Set(list.map(({ options }) => options[name]));
    assert.ok(values.size > 1 && values.has(undefined), `${name}: ${[...values]}`);
  }
  assert.equal(run(JSON.parse(JSON.stringify(list))), run(list), 'JSON keeps them');
});

const plain: Case = {
  layout: { table: [5, 3], bias: [7] },
  options: { lr: 0.01, rho: 0.9, epsilon: 1e-3, decay: 1e-3, clipnorm: 4, clipvalue: 1, sparse: 'exact', kernel: 'simd' },
  initial: { bias: [0.5, 1, 2, 3, 4, 5, 6] },
  batches: Array.from({ length: 4 }, (_, i) => ({
    table: { rows: [i, 0], values: { seed: i, least: -2, most: 1 } },
    bias: { seed: 10 + i, least: -2, most: 1 },
  })),
};

// about the least change of each that shows within four steps
const changes: readonly Partial<Case>[] = [
  ...[{ lr: 0.010000001 }, { rho: 0.9000001 }, { epsilon: 1.001e-3 }, { decay: 1.0001e-3 }].map(changed),
  ...[{ clipnorm: 4.0000005 }, { clipvalue: 0.9999999 }, { sparse: 'lazy' }].map(changed),
  { initial: { bias: [0.50000006, 1, 2, 3, 4, 5, 6] } },
  { batches: [...plain.batches.slice(0, 3), { bias: { seed: 14, least: -2, most: 1 } }] },
];

function changed(options: Case['options']): Partial<Case> {
  return { options: { ...plain.options, ...options } };
}

inBrowser('control: a browser that is told one option, parameter or gradient otherwise is found out', async () => {
  const told = [plain, ...changes.map((change) => ({ ...plain, ...change }))];
  const list = told.map(() => plain);
  const found = differences(list, run(list), await runThere(told));
  assert.equal(
    found.map((line) => Number(line.split(' ')[1])),
    changes.map((_, i) => i + 1),
  );
});

test.run();
