// Imports go one way, and every file says what it is: reads the sources and holds docs/DECISIONS.md's rooms.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasPurpose, unheardThrows, violations } from './support/fence.ts';

const top = fileURLToPath(new URL('..', import.meta.url));

/** The TypeScript and JavaScript files below a folder of the repository, with their text. */
function read(folder: string): [path: string, source: string][] {
  return readdirSync(`${top}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.m?[tj]s$/.test(path))
    .map((path) => [`${folder}/${path.replaceAll('\\', '/')}`, readFileSync(`${top}${folder}/${path}`, 'utf8')]);
}

test('imports go one way: service → trainer → transports → operators → src → nothing', () => {
  const sources = new Map(['src', 'streams', 'examples'].flatMap(read).filter(([path]) => !path.includes('/assembly/')));
  assert.ok(sources.has('src/layout.ts'));
  assert.equal(violations(sources), []);
});

test('every source file starts with a comment that says what it is', () => {
  const silent = ['src', 'streams', 'examples', 'test', 'bench'].flatMap(read).filter(([, source]) => !hasPurpose(source));
  assert.equal(
    silent.map(([path]) => path),
    [],
  );
});

test('no test expects an error by a text, which uvu does not compare', () => {
  assert.equal(
    read('test').flatMap(([path, source]) => unheardThrows(path, source)),
    [],
  );
});

test('the top level of the repository holds these and dotfiles, nothing else', () => {
  const folders = ['src', 'streams', 'examples', 'test', 'bench', 'docs'];
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md'];
  const tracked = execFileSync('git', ['ls-files'], { cwd: top, encoding: 'utf8' }).split('\n');
  const names = new Set(tracked.map((path) => path.split('/')[0]));
  assert.equal(
    [...names].filter((name) => name !== '' && !name.startsWith('.') && ![...folders, ...files].includes(name)),
    [],
  );
});

const crossings: readonly [source: Record<string, string>, says: string][] = [
  [{ 'src/a.ts': "import { Observable } from 'rxjs';" }, 'src/a.ts imports rxjs, which src does without'],
  [{ 'src/a.ts': "import { readFile } from 'node:fs';" }, 'src/a.ts imports node:fs, which src does without'],
  [
    { 'src/a.ts': "export { b } from '../streams/operators/b.ts';", 'streams/operators/b.ts': '' },
    'src may not import from streams/operators',
  ],
  [
    { 'src/a.ts': "import type { B } from '../streams/trainer.ts';", 'streams/trainer.ts': '' },
    'src may not import from streams/trainer',
  ],
  [{ 'src/a.ts': "type B = import('ws').WebSocket;" }, 'src/a.ts imports ws'],
  [{ 'src/a.ts': 'export const now = Date.now();' }, 'src/a.ts uses Date'],
  [{ 'src/a.ts': 'export const r = Math.random();' }, 'src/a.ts uses Math.random'],
  [{ 'src/a.ts': 'export const r = (f: string) => import(f);' }, 'imports a name computed at run time'],
  [
    { 'streams/recordings/instruments/sweep/fold.ts': 'export const r = (f: string) => import(f);' },
    'imports a name computed at run time',
  ],
  [{ 'src/a.ts': "import './gone.ts';" }, './gone.ts, which is no file of the repository'],
  [{ 'src/a.ts': 'export default 1;' }, 'src/a.ts has a default export'],
  [{ 'src/a.ts': 'export default function a() {}' }, 'src/a.ts has a default export'],
  [{ 'src/a.ts': 'const a = 1; export { a as default };' }, 'src/a.ts has a default export'],
  [{ 'src/a.ts': "import './b.ts';", 'src/b.ts': "import './a.ts';" }, 'src/a.ts → src/b.ts → src/a.ts is a circle'],
  [{ 'streams/operators/a.ts': "const fs = await import('node:fs');" }, 'streams/operators/a.ts imports node:fs'],
  [{ 'streams/operators/a.ts': "import { WebSocket } from 'ws';" }, 'streams/operators/a.ts imports ws'],
  [{ 'streams/operators/a.ts': "console.log('x');" }, 'streams/operators/a.ts uses console'],
  [{ 'streams/operators/a.ts': 'Buffer.from([]);' }, 'streams/operators/a.ts uses Buffer'],
  [
    { 'streams/sockets/a.ts': "export * from '../recordings/b.ts';", 'streams/recordings/b.ts': '' },
    'streams/sockets may not import from streams/recordings',
  ],
  [{ 'streams/sockets/a.ts': "import { Writer } from '@mcap/core';" }, 'streams/sockets/a.ts imports @mcap/core'],
  [
    { 'streams/trainer.ts': "import './service/b.ts';", 'streams/service/b.ts': '' },
    'streams/trainer may not import from streams/service',
  ],
  [{ 'streams/helpers.ts': '' }, 'streams/helpers.ts is in no room'],
  [{ 'examples/a/main.ts': "import '../../src/b.ts';", 'src/b.ts': '' }, 'examples may not import from src'],
];

for (const [sources, says] of crossings) {
  test(`control: the fence sees "${says}"`, () => {
    const found = violations(new Map(Object.entries(sources)));
    assert.is(found.length, 1, found.join('\n'));
    assert.match(found[0], says);
  });
}

test('control: the fence lets allowed imports through', () => {
  const sources = {
    'src/a.ts': "import { b } from './rooms/b.ts';\nexport type Date = { performance: number };",
    'src/rooms/b.ts': 'export const b = { Date: 1, console: 2 }.console;',
    'src/c.ts': "import type { D } from './d.ts';\nexport type { D as E } from './d.ts';\nexport type F = import('./d.ts').D;",
    'src/d.ts': "import './c.ts';",
    'streams/operators/a.ts': "import { map } from 'rxjs';\nimport { b } from '../../src/rooms/b.ts';",
    'streams/sockets/a.ts':
      "import { createServer } from 'node:http';\nimport '../operators/a.ts';\nimport { WebSocket } from 'ws';\nDate.now();",
    'streams/recordings/a.ts': "import { McapWriter } from '@mcap/core';",
    'streams/trainer.ts': "import './sockets/a.ts';\nimport './recordings/a.ts';",
    'streams/service/main.ts': "import '../trainer.ts';\nimport { Command } from 'commander';\nconsole.log(1);",
    'examples/flights/main.ts': "import { trainer } from 'gradwire/trainer';",
  };
  assert.equal(violations(new Map(Object.entries(sources))), []);
});

test('control: an error expected by a text is seen', () => {
  const source =
    "assert.throws(() => a(), /right/);\nassert.throws(() => a(), 'wrong');\nthrows(\n  a,\n  `wrong`);\nassert.throws(a);";
  assert.equal(unheardThrows('a.test.ts', source), ['a.test.ts:2', 'a.test.ts:3']);
});

test('control: a file without a purpose is seen', () => {
  assert.is(hasPurpose("import { a } from 'b';\n// late"), false);
  assert.is(hasPurpose('//\n'), false);
  assert.is(hasPurpose('#!/usr/bin/env node\n// The command line of gradwire.\n'), true);
});

test.run();
