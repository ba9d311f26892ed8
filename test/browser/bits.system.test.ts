// The same cases in Node and in a real browser: not one bit differs.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { browser, runInBrowser } from '../support/browser.ts';
import { scheduleTypes } from '../support/cases.options.ts';
import { type Case, cases, largeCases, optionNames } from '../support/cases.ts';
import { needs } from '../support/needs.ts';
import { seed } from '../support/random.ts';
import { controls } from './controls.ts';
import { run, type Step } from './fold.ts';

const count = 500;
const largeCount = 8;
// all of them pass before the watchdog of the file, so that their errors are seen
const deadlineMs = 35_000;
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

inBrowser('Node and a real browser give the same bits for every preset and option, after every step', async () => {
  const list = cases(count, seed);
  const here = await run(list);
  assert.ok(new Set(here.flat().map(({ state }) => state.parameters)).size > count, 'the cases are too much alike');
  const refused = here.flat().filter(({ result }) => typeof result === 'string').length;
  assert.ok(refused < here.flat().length / 10, `${refused} of ${here.flat().length} batches were refused`);
  assert.equal(differences(list, here, await runThere(list)), []);
});

inBrowser('a large model that a real browser folds with threads has the bits of Node without them', async () => {
  const list = largeCases(largeCount, seed);
  const there = await runThere(list.map((each, i) => ({ ...each, threads: 2 + (i % 2) })));
  assert.equal(differences(list, await run(list), there), []);
});

test('random cases take every option, schedule and value of a preset, and leave every option out', async () => {
  const list = cases(count, seed);
  for (const name of optionNames) {
    const values = new Set(list.map(({ options }) => options[name]));
    assert.ok(values.size > 1 && values.has(undefined), `${name}: ${[...values].slice(0, 20)}`);
  }
  const text = JSON.stringify(list.map(({ options }) => options));
  for (const type of [...scheduleTypes, 'nonNeg', 'maxNorm', 'unitNorm', 'minMaxNorm']) assert.match(text, `"type":"${type}"`);
  const some = list.slice(0, 100);
  assert.equal(await run(JSON.parse(JSON.stringify(some))), await run(some), 'JSON keeps them');
});

inBrowser('control: a browser that is told one option, parameter or gradient otherwise is found out', async () => {
  const list = controls.map(([each]) => each);
  const found = differences(list, await run(list), await runThere(controls.map(([, changed]) => changed)));
  assert.equal(
    found.map((line) => Number(line.split(' ')[1])),
    controls.flatMap(([each, changed], i) => (each === changed ? [] : [i])),
  );
});

test.run();
