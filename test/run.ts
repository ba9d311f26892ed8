// The test runner: each test/**/*.test.ts in a process of its own, and nothing passes in silence.
// `npm test -- layout sockets` runs the paths that hold one of the words, `'!system'` leaves paths out, `--root DIR` looks elsewhere,
// `--long` lets tests count further than in every day's run.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figuresIn } from './support/figures.ts';
import { type Outcome, supervise } from './support/supervise.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { root: { type: 'string' }, long: { type: 'boolean', default: false } },
});
const root = values.root ?? fileURLToPath(new URL('.', import.meta.url));

/** The test files below `folder` that the words choose, in order. Folders named `fixtures` hold tests of the runner itself. */
function find(folder: string): string[] {
  const wanted = positionals.filter((word) => !word.startsWith('!'));
  const unwanted = positionals.filter((word) => word.startsWith('!')).map((word) => word.slice(1));
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !path.split(/[\\/]/).slice(0, -1).includes('fixtures'))
    .filter((path) => wanted.length === 0 || wanted.some((word) => path.includes(word)))
    .filter((path) => !unwanted.some((word) => path.includes(word)))
    .sort()
    .map((path) => join(folder, path));
}

/** Prints one file's result: a line and its figures where it passed, everything it printed where it failed. */
function show({ file, passed, skipped, problems, output, seconds }: Outcome): void {
  const mark = problems.length === 0 ? '•' : '✘';
  console.log(`${mark} ${relative(root, file)}: ${passed} passed, ${seconds.toFixed(1)} s`);
  for (const skip of skipped) console.log(`    skipped: ${skip}`);
  if (problems.length === 0) {
    for (const figure of figuresIn(output)) console.log(`    ${figure}`);
    return;
  }
  console.log(output.trimEnd().replace(/^/gm, '    '));
  for (const problem of problems) console.log(`  ✘ ${problem}`);
}

/** Runs the files, `width` at a time, and gives their outcomes. */
async function runAll(files: readonly string[], width: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = files.values();
  const lane = async (): Promise<void> => {
    for (const file of queue) {
      const outcome = await supervise(file, { long: values.long });
      show(outcome);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return outcomes;
}

const files = find(root);
// system tests start processes and measure time, so they have the machine to themselves
const system = files.filter((file) => file.endsWith('.system.test.ts'));
const others = files.filter((file) => !system.includes(file));
const outcomes = [...(await runAll(others, Math.min(2, availableParallelism()))), ...(await runAll(system, 1))];

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
const skipped = outcomes.reduce((sum, outcome) => sum + outcome.skipped.length, 0);
if (files.length === 0) console.log(`✘ no test file below ${root} matches ${positionals.join(' ')}`);
else if (failed > 0) {
  const names = outcomes.filter((outcome) => outcome.failed > 0).map((outcome) => relative(root, outcome.file));
  console.log(`\nfailed: ${names.join(', ')}`);
}
console.log(`${passed} passed, ${files.length === 0 ? 1 : failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;
