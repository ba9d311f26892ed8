// Each protection removed, one at a time, in a copy of the sources: a test turns red.
// watchdog: 400 s
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../support/figures.ts';
import { type Control, controls } from './controls.ts';
import { needsRoot, unmountAll } from './mounts.ts';
import { inLanes } from './strace.ts';

const top = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gradwire-controls-'));
test.after(() => {
  unmountAll();
  rmSync(folder, { recursive: true, force: true });
});
const long = process.env.GRADWIRE_LONG === '1';
const chosen = controls.filter((control) => long || control.long !== true);

/** A copy of the sources and tests with a protection removed. */
function without({ name, file, find, replace }: Control): string {
  const copy = mkdtempSync(join(folder, 'copy-'));
  for (const each of ['src', 'streams', 'test', 'package.json', 'tsconfig.json'])
    cpSync(join(top, each), join(copy, each), { recursive: true });
  symlinkSync(join(top, 'node_modules'), join(copy, 'node_modules'));
  const source = readFileSync(join(copy, file), 'utf8');
  assert.is(source.split(find).length, 2, `"${name}": what is to be removed must stand once in ${file}`);
  writeFileSync(
    join(copy, file),
    source.replace(find, () => replace),
  );
  return copy;
}

/** Runs the test of a control in its copy; gives what it printed where it failed. */
async function redness(control: Control): Promise<string | undefined> {
  const copy = without(control);
  const env = { ...process.env, CI: undefined, NODE_V8_COVERAGE: undefined, GRADWIRE_LONG: undefined, ...control.env };
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/run.ts', control.test, '!controls'], { cwd: copy, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  rmSync(copy, { recursive: true, force: true });
  return code === 0 ? undefined : output;
}

needsRoot(test, 'strace')(`${chosen.length} protections, removed one at a time: each time a test turns red`, async () => {
  const green: string[] = [];
  await inLanes(
    2,
    chosen.map((control) => async () => {
      const startMs = performance.now();
      const output = await redness(control);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
      const seen = output !== undefined && control.expected.test(output);
      if (!seen) green.push(`${control.name} (${control.test}): ${output ?? 'it passed'}`);
      figure(`controls: ${seen ? 'red' : 'GREEN'}: without "${control.name}", ${control.test}, ${seconds} s`);
    }),
  );
  assert.equal(green, []);
  figure(`controls: ${chosen.length} protections removed, ${chosen.length} tests red`);
});

test.run();
