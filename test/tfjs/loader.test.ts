// The examples' loader of TensorFlow.js: tfjs-node where it works, otherwise wasm, and one line that says which.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTensorFlow } from '../../examples/support/load-tensorflow.ts';
import { figure } from '../support/figures.ts';

const modules = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs/package.json'))));
const places: string[] = [];

/** A place from which the real tfjs and wasm backend are found, and a tfjs-node of this source. */
function place(source: string | undefined, more: Record<string, string> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'gradwire-loader-'));
  places.push(directory);
  const scope = join(directory, 'node_modules', '@tensorflow');
  mkdirSync(scope, { recursive: true });
  for (const name of ['tfjs', 'tfjs-backend-wasm']) symlinkSync(join(modules, '@tensorflow', name), join(scope, name));
  if (source !== undefined) {
    mkdirSync(join(scope, 'tfjs-node'));
    for (const [name, text] of Object.entries({ 'index.js': source, ...more }))
      writeFileSync(join(scope, 'tfjs-node', name), text);
  }
  return join(directory, 'program.js');
}

test.after(() => {
  for (const each of places) rmSync(each, { recursive: true });
});

test('where tfjs-node is absent, tfjs with the wasm backend computes, and one line says so', async () => {
  const lines: string[] = [];
  const { tf, backend, line } = await loadTensorFlow({ from: place(undefined), say: (text) => lines.push(text) });
  assert.equal([backend, tf.getBackend()], ['wasm', 'wasm']);
  assert.match(line, /^TensorFlow\.js \S+, wasm backend \(tfjs-node is not installed\)$/);
  assert.equal(lines, [line]);
  assert.is(
    tf.tidy(() => tf.scalar(2).square().dataSync()[0]),
    4,
  );
});

const broken: readonly [what: string, says: RegExp, source: string, more?: Record<string, string>][] = [
  ['lacks a file', /not installed whole/, "require('./gone.js');"],
  ['lacks a package', /not installed whole/, "require('node-pre-gyp-that-is-gone');"],
  [
    'has a binary that does not load',
    /does not load/,
    "process.dlopen({ exports: {} }, __dirname + '/a.node');",
    { 'a.node': 'no binary' },
  ],
  [
    'was installed without its binary',
    /lacks its binary/,
    'throw new Error(`The Node.js native addon module (tfjs_binding.node) can not be found at path: /x`);',
  ],
];

for (const [what, says, source, more] of broken) {
  test(`a tfjs-node that ${what} is passed over`, async () => {
    const { backend, line } = await loadTensorFlow({ from: place(source, more) });
    assert.is(backend, 'wasm');
    assert.match(line, says);
  });
}

test('a tfjs-node that loads is taken', async () => {
  const { tf, backend, line } = await loadTensorFlow({ from: place("module.exports = { version_core: '4.0.0', mark: 1 };") });
  assert.equal(
    [backend, line, (tf as unknown as { mark: number }).mark],
    ['tensorflow', 'TensorFlow.js 4.0.0, native (tfjs-node)', 1],
  );
});

test('an error of its own inside tfjs-node is not hidden', async () => {
  const loading = loadTensorFlow({ from: place("throw new TypeError('a bug');") });
  await loading.then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, 'a bug'),
  );
});

test('this machine has one that computes', async () => {
  const { tf, line } = await loadTensorFlow();
  figure(line);
  assert.is(
    tf.tidy(() => tf.scalar(3).square().dataSync()[0]),
    9,
  );
});

test.run();
