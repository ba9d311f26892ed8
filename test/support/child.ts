// One test file from inside: imports it, runs its uvu suites, and sends the counts to the runner over IPC.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { skips } from './needs.ts';

/** What a test file's process tells the runner when its tests are done. */
export interface Report {
  passed: number;
  failed: number;
  /** One line for each skipped test, with its reason. */
  skipped: string[];
  /** What uvu would have let pass. */
  faults: string[];
}

/** What one uvu suite gives: its errors as text or `true`, tests passed, skipped, and in all. */
type Result = [errors: string | true, passed: number, skipped: number, total: number];
type Queue = [name: string | null, ...suites: (() => Promise<Result>)[]];

const lingerMs = 3000;

/** The suites with tests after their last `.run()`, or without one: uvu forgets those tests. */
function forgotten(source: string): string[] {
  const suites = [...source.matchAll(/\b(?:const|let) (\w+) = suite\b/g)].map((match) => match[1]);
  return ['test', ...suites].filter((name) => {
    const uses = [...source.matchAll(new RegExp(`(?<![.\\w])${name}(?:\\.skip|\\.only)?\\(\\s*['"\`]`, 'g'))];
    return uses.length > 0 && source.lastIndexOf(`${name}.run()`) < uses[uses.length - 1].index;
  });
}

/** Runs the suites that the file queued, and counts what uvu itself does not tell. */
async function runSuites(queue: Queue, exec: () => Promise<void>, report: Report): Promise<void> {
  const [name, ...suites] = queue;
  let skipped = 0;
  const counted = suites.map((suite) => async () => {
    const result = await suite();
    const [errors, passed, skips, total] = result;
    report.passed += passed;
    skipped += skips;
    if (errors !== true) report.failed += total - passed;
    else if (passed < total)
      report.faults.push(
        `${total - passed} of ${total} tests did not run: a before or after.each hook threw, and uvu drops its error`,
      );
    return result;
  });
  queue.splice(0, queue.length, name, ...counted);
  await exec();
  report.skipped.push(...skips);
  for (let i = skips.length; i < skipped; i++) report.skipped.push('no reason given (test.skip or test.only)');
  if (report.faults.length + report.passed + report.failed + skipped === 0) report.faults.push('no test ran: is .run() missing?');
}

const file = process.argv[2];
const queue: Queue = [null];
Object.assign(globalThis, { UVU_DEFER: true, UVU_QUEUE: [queue], UVU_INDEX: 0 });
const { exec } = await import('uvu');
await import(pathToFileURL(file).href);

const report: Report = { passed: 0, failed: 0, skipped: [], faults: [] };
for (const name of forgotten(readFileSync(file, 'utf8')))
  report.faults.push(`tests of "${name}" stand after its last ${name}.run(), or it has none`);
await runSuites(queue, exec, report);
process.send?.(report);

// the timer does not hold the process: it fires only where something else does
setTimeout(() => {
  console.error(`still open ${lingerMs} ms after the last test: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(1);
}, lingerMs).unref();
