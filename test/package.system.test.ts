// The package as npm would publish it: packed, unpacked beside its dependencies alone, and used.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkTypes } from './support/programs.ts';

const top = fileURLToPath(new URL('..', import.meta.url));
const { exports, bin, dependencies, version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));

const folder = mkdtempSync(join(tmpdir(), 'gradwire-package-'));
const installed = join(folder, 'node_modules/gradwire');
test.after(() => rmSync(folder, { recursive: true }));
const names = Object.keys(exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => entry.replace(/^\./, 'gradwire'));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
}

const [packed] = JSON.parse(
  execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: top, encoding: 'utf8' }),
);
const paths: string[] = packed.files.map(({ path }: { path: string }) => path);
mkdirSync(installed, { recursive: true });
run('tar', '-xzf', packed.filename, '-C', installed, '--strip-components=1');
for (const name of Object.keys(dependencies)) {
  mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
  symlinkSync(join(top, 'node_modules', name), join(folder, 'node_modules', name));
}

test('every file of the package has its source in this release', () => {
  const source = (path: string): string => path.replace(/^dist\//, '').replace(/\.d\.ts$|\.js$/, '.ts');
  assert.equal(
    paths.filter((path) => !existsSync(join(top, path.startsWith('dist/') ? source(path) : path))),
    [],
  );
  assert.equal(
    paths.filter((path) => path.endsWith('.map') || path.startsWith('examples') || path.startsWith('test')),
    [],
  );
});

test('every entry can be imported with the declared dependencies and no others', () => {
  writeFileSync(join(folder, 'all.mjs'), names.map((name) => `console.log(typeof (await import('${name}')));\n`).join(''));
  assert.is(run(process.execPath, 'all.mjs'), 'object\n'.repeat(names.length));
});

test('its types are complete with the declared dependencies and no others', () => {
  const file = join(folder, 'all.ts');
  writeFileSync(file, names.map((name, i) => `export type * as entry${i} from '${name}';\n`).join(''));
  assert.equal(checkTypes([file]), []);
});

test('the command line runs from the package and knows its version', () => {
  const help = run(process.execPath, join(installed, bin.gradwire), '--help');
  for (const command of ['serve', 'follow', 'replay', 'inspect']) assert.match(help, command);
  assert.match(run(process.execPath, join(installed, bin.gradwire), '--version'), version);
});

test.run();
