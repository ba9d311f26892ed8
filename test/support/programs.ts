// The programs in a markdown file: its fenced blocks, found, joined, type-checked and run as a user would run them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

type Language = 'ts' | 'js' | 'sh';

/** One program of a document: a block with the blocks that continue it. */
export interface Program {
  readonly language: Language;
  /** The line of the first block's first line, from 1. */
  readonly line: number;
  readonly code: string;
}

const top = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The programs of a document: every ```ts, ```js and ```sh block, each a whole program. Comments that a reader does not see say
 * otherwise, right above a block: `<!-- not run: why -->`, and `<!-- continued -->` for a block that goes on in the program
 * before it. `<!-- ts … -->` and `<!-- ts continued … -->` around code are blocks that a reader does not see at all.
 */
export function programsOf(markdown: string): Program[] {
  const programs: Program[] = [];
  const block =
    /(?:^<!-- *(not run|continued)\b:? *(.*?) *-->\n+)?^```(ts|js|sh)\n([\s\S]*?)^```$|^<!-- *(ts|js|sh)( continued)?\n([\s\S]*?)^-->$/gm;
  for (const [text, mark, why, shown, shownCode, hidden, hiddenContinued, hiddenCode] of markdown.matchAll(block)) {
    const language = (shown ?? hidden) as Language;
    const code = shownCode ?? hiddenCode;
    const line = markdown.slice(0, markdown.indexOf(text) + text.lastIndexOf(code)).split('\n').length;
    if (mark === 'not run') {
      if (why === '') throw new Error(`line ${line}: "not run" needs a reason`);
    } else if (mark === 'continued' || hiddenContinued !== undefined) {
      const before = programs.pop();
      if (before?.language !== language) throw new Error(`line ${line}: there is no ${language} program before it to continue`);
      programs.push({ ...before, code: before.code + code });
    } else programs.push({ language, line, code });
  }
  return programs;
}

// what a document's programs import beside gradwire and its dependencies, as a user who installed it
const neighbours = ['@tensorflow/tfjs'];

/** A folder where gradwire and its dependencies are installed, as links to this clone. Whoever asks for it calls `remove`. */
export function makeFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'gradwire-programs-'));
  const { dependencies, bin } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));
  const link = (target: string, name: string): void => {
    mkdirSync(dirname(join(path, 'node_modules', name)), { recursive: true });
    symlinkSync(join(top, target), join(path, 'node_modules', name));
  };
  link('.', 'gradwire');
  link(bin.gradwire, '.bin/gradwire');
  for (const name of [...Object.keys(dependencies), ...neighbours]) link(`node_modules/${name}`, name);
  writeFileSync(join(path, 'package.json'), '{ "private": true, "type": "module" }\n');
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Writes the programs into the folder and gives their files, in order. */
export function writePrograms(programs: readonly Program[], folder: string): string[] {
  return programs.map(({ language, line, code }) => {
    const file = join(folder, `line-${line}.${language}`);
    writeFileSync(file, language === 'ts' ? `${code}export {};\n` : code);
    return file;
  });
}

const options: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  module: ts.ModuleKind.NodeNext,
  types: ['node'],
};
const host = ts.createCompilerHost(options);
// Node's types are this clone's; not by `typeRoots`, where packages without types would find theirs too
host.getCurrentDirectory = () => top;
const { getSourceFile } = host;
const parsed = new Map<string, ts.SourceFile | undefined>();
host.getSourceFile = (path, ...rest) => {
  if (!parsed.has(path)) parsed.set(path, getSourceFile(path, ...rest));
  return parsed.get(path);
};

/** What the compiler says about the TypeScript files, and about gradwire's own types as they use them: `line-3.ts:1: …`. */
export function checkTypes(files: readonly string[]): string[] {
  const program = ts.createProgram(
    files.filter((file) => file.endsWith('.ts')),
    options,
    host,
  );
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => !fileName.replace('/node_modules/gradwire/', '/').includes('/node_modules/'));
  const found = ours.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
  return [...program.getOptionsDiagnostics(), ...found].map(({ file, start, messageText }) => {
    const place = file === undefined ? '' : `${file.fileName}:${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}: `;
    return place + ts.flattenDiagnosticMessageText(messageText, '\n');
  });
}

/** Runs a program in its folder. Throws with all it printed unless it ends by itself with 0 within `seconds`. */
export async function runProgram(file: string, seconds: number = 30): Promise<string> {
  const tsx = pathToFileURL(join(top, 'node_modules/tsx/dist/loader.mjs')).href;
  const [command, ...args] = file.endsWith('.sh')
    ? ['bash', '-euo', 'pipefail', file]
    : [process.execPath, '--import', tsx, file];
  const env = { ...process.env, NODE_V8_COVERAGE: undefined, npm_config_yes: 'false', npm_config_loglevel: 'error' };
  const child = spawn(command, args, { cwd: dirname(file), env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const killGroup = (): boolean => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  const watchdog = setTimeout(killGroup, seconds * 1000);
  const closed = once(child, 'close');
  const [code] = await once(child, 'exit');
  clearTimeout(watchdog);
  if (file.endsWith('.sh')) endBackground(killGroup);
  await closed;
  if (code !== 0)
    throw new Error(`${file} ${code === null ? `was still running after ${seconds} s` : `ended with ${code}`}:\n${output}`);
  return output;
}

/** Ends what a shell program left in the background. */
function endBackground(killGroup: () => boolean): void {
  try {
    killGroup();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
