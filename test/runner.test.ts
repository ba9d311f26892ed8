// The runner's own tests: each silent pass of uvu, as a fixture file, ends in a failure that says why.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Runs the runner on one fixture file, outside CI unless told. */
function run(word: string, environment: Record<string, string> = {}): { code: number | null; output: string; last: string } {
  const runner = ['--import', 'tsx', 'run.ts', '--root', 'fixtures/silent-passes', word];
  const env = { ...process.env, CI: '', GRADWIRE_NO_SKIP: '', ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, runner, { cwd: here, env, encoding: 'utf8' });
  return { code: status, output: stdout + stderr, last: stdout.trimEnd().split('\n').at(-1) ?? '' };
}

test('passing tests pass, with their count on the last line', () => {
  const { code, last } = run('passes.test');
  assert.is(last, '3 passed, 0 failed, 0 skipped');
  assert.is(code, 0);
});

const silent: readonly [fixture: string, last: string, says: RegExp][] = [
  ['fails', '1 passed, 1 failed, 0 skipped', /two is three[\s\S]*1 failed/],
  ['before-throws', '0 passed, 1 failed, 0 skipped', /1 of 1 tests did not run: a before or after.each hook threw/],
  ['no-run.test', '0 passed, 1 failed, 0 skipped', /tests of "test" stand after its last test.run\(\), or it has none/],
  ['empty', '0 passed, 1 failed, 0 skipped', /no test ran: is .run\(\) missing\?/],
  ['late.test', '1 passed, 1 failed, 0 skipped', /tests of "test" stand after its last test.run\(\)/],
  ['no-run-suite', '1 passed, 1 failed, 0 skipped', /tests of "lost" stand after its last lost.run\(\)/],
  ['open-handle', '1 passed, 1 failed, 0 skipped', /still open 3000 ms after the last test: .*TCPServerWrap/],
  ['drained', '0 passed, 1 failed, 0 skipped', /ended with exit code 13 before its tests were done/],
  ['late-rejection', '1 passed, 1 failed, 0 skipped', /too late[\s\S]*the tests were done, then the file ended with exit code 1/],
  ['exits', '0 passed, 1 failed, 0 skipped', /before its tests were done/],
  ['exit-code', '1 passed, 1 failed, 0 skipped', /the tests were done, then the file ended with exit code 3/],
  ['import-throws', '0 passed, 1 failed, 0 skipped', /no such fixture[\s\S]*before its tests were done/],
  ['no-such-file', '0 passed, 1 failed, 0 skipped', /no test file below fixtures\/silent-passes matches no-such-file/],
];

for (const [fixture, last, says] of silent) {
  test(`${fixture} is a failure`, () => {
    const result = run(fixture);
    assert.match(result.output, says);
    assert.is(result.last, last);
    assert.is(result.code, 1);
  });
}

test('a file that hangs is killed by the watchdog', () => {
  const { code, output, last } = run('hangs', { GRADWIRE_WATCHDOG_S: '2' });
  assert.match(output, 'the file was killed after 2 s before its tests were done');
  assert.is(last, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a skip is counted with its reason', () => {
  const { code, output, last } = run('skips');
  assert.match(output, 'skipped: talks to a server: needs no-such-program (apt-get install no-such-package)');
  assert.match(output, 'skipped: no reason given (test.skip or test.only)');
  assert.is(last, '1 passed, 0 failed, 2 skipped');
  assert.is(code, 0);
});

const strict: Record<string, string>[] = [{ CI: 'true' }, { GRADWIRE_NO_SKIP: '1' }];
for (const variable of strict) {
  test(`with ${Object.entries(variable).join().replace(',', '=')} a skip is a failure`, () => {
    const { code, output, last } = run('skips', variable);
    assert.match(output, 'skipped where nothing may be: talks to a server: needs no-such-program');
    assert.is(last, '1 passed, 2 failed, 0 skipped');
    assert.is(code, 1);
  });
}

test.run();
