// Lines that must not compile: test/types/ through the compiler, where each `@ts-expect-error` has an error to expect.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = `${here}types/`;
const control = `${folder}control.ts`;
const controlText = `// What a line looks like that compiles and should not.
import { layout } from 'gradwire';
// @ts-expect-error a shape is an array
layout({ bias: [10] });
`;

const files = readdirSync(folder).map((name) => `${folder}${name}`);
const found = compile([...files, control]);

/** What the compiler says about each file, by its path, under test/tsconfig.json; \`control\` exists in memory alone. */
function compile(paths: readonly string[]): Map<string, string[]> {
  const { config } = ts.readConfigFile(`${here}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, here, undefined, `${here}tsconfig.json`);
  const host = ts.createCompilerHost(options, true);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (path) => path === control || fileExists(path);
  host.getSourceFile = (path, target, ...rest) =>
    path === control ? ts.createSourceFile(path, controlText, target, true) : getSourceFile(path, target, ...rest);
  const program = ts.createProgram(paths, options, host);
  const found = new Map<string, string[]>(paths.map((path) => [path, []]));
  for (const { file, start, messageText } of ts.getPreEmitDiagnostics(program)) {
    const path = file?.fileName ?? 'the configuration';
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    found.set(path, [...(found.get(path) ?? []), `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`]);
  }
  return found;
}

for (const file of files) {
  test(`each marked line of ${file.slice(here.length)} is refused by the compiler, and no other`, () => {
    assert.ok(readFileSync(file, 'utf8').includes('@ts-expect-error'));
    assert.equal(found.get(file), []);
  });
}

test('control: a marked line that compiles is found', () => {
  assert.equal(found.get(control), ["3: Unused '@ts-expect-error' directive."]);
});

test.run();
