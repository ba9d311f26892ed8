// The code that README and docs show: every ts, js and sh block is a program that compiles, runs and ends by itself.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkTypes, makeFolder, programsOf, runProgram, writePrograms } from './support/programs.ts';

const top = fileURLToPath(new URL('..', import.meta.url));
const documents = ['README.md', ...(existsSync(`${top}docs`) ? readdirSync(`${top}docs`).map((name) => `docs/${name}`) : [])];

for (const document of documents.filter((name) => name.endsWith('.md') && existsSync(top + name))) {
  const programs = programsOf(readFileSync(top + document, 'utf8'));
  if (programs.length === 0) continue;
  // one folder a document: a program finds what the programs above it wrote
  const { path, remove } = makeFolder();
  const files = writePrograms(programs, path);
  const shown = suite(document);
  shown.after(remove);
  shown(`the programs in ${document} compile`, () => assert.equal(checkTypes(files), []));
  for (const [i, { language, line }] of programs.entries()) {
    shown(`the ${language} program at ${document}:${line} runs and ends by itself`, async () => {
      await runProgram(files[i]);
    });
  }
  shown.run();
}

const runner = suite('the runner of programs');
const { path, remove } = makeFolder();
runner.after(remove);

const fence = (language: string, ...lines: string[]): string => [`\`\`\`${language}`, ...lines, '```', ''].join('\n');
const markdown = [
  '# A document',
  fence('ts', "import { layout } from 'gradwire';", 'const model = layout({ w: [3] });'),
  'Words.\n\n<!-- continued -->\n',
  fence('ts', 'console.log(model.length);'),
  '<!-- ts continued\nconsole.log(model.byteLength);\n-->\n',
  '<!-- not run: it needs two machines -->',
  fence('sh', 'exit 1'),
  fence('sh', 'npx gradwire --help', 'sleep 60 &'),
  fence('json', '{ "not": "a program" }'),
  fence('js', "import { layout } from 'gradwire';", 'layout({ w: [-1] });'),
  fence(
    'ts',
    "import { layout } from 'gradwire';",
    'const length: string = layout({ w: [1] }).length;',
    'setInterval(() => length, 1000);',
  ),
].join('\n');
const programs = programsOf(markdown);
const files = writePrograms(programs, path);

runner('README has programs', () => {
  assert.ok(existsSync(`${top}README.md`), 'there is no README.md');
  assert.ok(programsOf(readFileSync(`${top}README.md`, 'utf8')).length > 0);
});

runner('blocks are found with their lines; a continued one belongs to the program before it', () => {
  const [first, ...rest] = programs;
  assert.is(first.code.split('\n').length, 5);
  assert.equal(
    [first, ...rest].map(({ language, line }) => `${language} ${line}`),
    ['ts 3', 'sh 25', 'js 34', 'ts 39'],
  );
});

runner('a program runs with gradwire installed', async () => {
  assert.is(await runProgram(files[0]), '3\n12\n');
});

runner('a shell program has the command line, and its background ends with it', async () => {
  assert.match(await runProgram(files[1]), /gradwire[\s\S]*serve/);
});

runner('control: a program that fails is seen, with all it printed', async () => {
  assert.match(await refused(() => runProgram(files[2])), 'E_LAYOUT');
});

runner('control: a program that does not compile is seen', () => {
  const found = checkTypes(files);
  assert.is(found.length, 1, found.join('\n'));
  assert.match(found[0], "line-39.ts:2: Type 'number' is not assignable to type 'string'.");
});

runner('control: a program that does not end is seen', async () => {
  assert.match(await refused(() => runProgram(files[3], 2)), 'was still running after 2 s');
});

runner('control: a block left out without a reason is seen, and one that continues nothing', () => {
  assert.throws(() => programsOf(`<!-- not run -->\n${fence('sh', 'true')}`), /line 3: "not run" needs a reason/);
  assert.throws(() => programsOf(`<!-- continued -->\n${fence('ts', '1;')}`), /line 3: there is no ts program before it/);
});

/** The message that the promise is rejected with. */
async function refused(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

runner.run();
