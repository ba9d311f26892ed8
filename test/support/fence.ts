// The import fence: reads sources and names every line that crosses from one room to another against the rules.
import { posix } from 'node:path';
import ts from 'typescript';

/** What one source says about itself. */
interface Facts {
  /** Module specifiers of every import, re-export, import type and dynamic import; `undefined` for one computed at run time. */
  readonly imports: readonly (string | undefined)[];
  /** Those among them that are still there at run time: no `import type`, no `export type`. */
  readonly loads: readonly string[];
  readonly defaultExport: boolean;
  /** Global names and `Object.member` pairs, as far as a fence needs them. */
  readonly names: ReadonlySet<string>;
}

interface Room {
  /** Rooms it may import from, besides itself. */
  readonly rooms: readonly string[];
  /** Packages it may import; `node:` stands for Node's own modules, `*` for any. */
  readonly packages: readonly string[];
  /** Globals it does without. */
  readonly without: readonly string[];
}

const clock = ['Date', 'Math.random', 'performance', 'setTimeout', 'setInterval', 'queueMicrotask'];
const machine = ['process', 'Buffer', '__dirname', '__filename', 'require'];
const transport = (...packages: string[]): Room => ({
  rooms: ['streams/operators', 'src'],
  packages: ['rxjs', 'node:', ...packages],
  without: ['console'],
});

/** Rooms from the bottom up; a room imports only from rooms above its own line. */
const rooms: Readonly<Record<string, Room>> = {
  src: { rooms: [], packages: [], without: ['console', ...machine, ...clock] },
  'streams/operators': { rooms: ['src'], packages: ['rxjs'], without: ['console', ...machine] },
  'streams/sockets': transport('ws', 'prom-client'),
  'streams/recordings': transport('@mcap/core'),
  'streams/threads': { rooms: ['src'], packages: ['node:'], without: ['console'] },
  'streams/nats': transport('@nats-io/'),
  'streams/tfjs': transport('@tensorflow/'),
  'streams/trainer': {
    rooms: [
      'streams/sockets',
      'streams/recordings',
      'streams/nats',
      'streams/tfjs',
      'streams/operators',
      'streams/threads',
      'src',
    ],
    packages: ['rxjs', 'node:'],
    without: ['console'],
  },
  'streams/service': {
    rooms: [
      'streams/trainer',
      'streams/sockets',
      'streams/recordings',
      'streams/nats',
      'streams/tfjs',
      'streams/threads',
      'streams/operators',
      'src',
    ],
    packages: ['*'],
    without: [],
  },
  // a user's programs: gradwire by its package name, as a user has it
  examples: { rooms: [], packages: ['*'], without: [] },
};

/** The one file that loads a module which a user names at run time; what that imports is the user's own. */
const loader = 'streams/recordings/instruments/sweep/evaluation.ts';

/** The room of a file by its path from the repository's top, `/` between the parts. */
function roomOf(path: string): string | undefined {
  const [top, second] = path.split('/');
  const name = top === 'streams' ? `streams/${second.replace(/\.ts$/, '')}` : top;
  return name in rooms ? name : undefined;
}

function readFacts(path: string, source: string): Facts {
  const imports: (string | undefined)[] = [];
  const loads: string[] = [];
  const names = new Set<string>();
  let defaultExport = false;
  const specifier = (node: ts.Node | undefined, typeOnly: boolean = false): void => {
    const text = node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
    imports.push(text);
    if (text !== undefined && !typeOnly) loads.push(text);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      specifier(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) specifier(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) specifier(node.arguments[0]);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) specifier(node.argument.literal, true);
    else if (ts.isExternalModuleReference(node)) specifier(node.expression);
    else if (ts.isExportAssignment(node)) defaultExport = true;
    else if (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent)) defaultExport = true;
    else if (ts.isExportSpecifier(node) && node.name.text === 'default') defaultExport = true;
    else if (ts.isIdentifier(node) && isUse(node)) names.add(node.text);
    else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression))
      names.add(`${node.expression.text}.${node.name.text}`);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true));
  return { imports, loads, defaultExport, names };
}

/** Whether an identifier names a value here, rather than a property, a key or a declaration of its own. */
function isUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isExpressionStatement(parent) || ts.isNewExpression(parent) || ts.isCallExpression(parent)) return true;
  return ts.isPropertyAccessExpression(parent) && parent.expression === node;
}

/** Whether a room may import a bare specifier. */
function allows({ packages }: Room, specifier: string): boolean {
  return packages.some(
    (name) => name === '*' || specifier === name || specifier.startsWith(/[:/]$/.test(name) ? name : `${name}/`),
  );
}

/** What is wrong with one import, or undefined. */
function refuseImport(path: string, room: string, specifier: string | undefined, files: ReadonlySet<string>): string | undefined {
  if (specifier === undefined) return path === loader ? undefined : 'imports a name computed at run time';
  if (!specifier.startsWith('.')) {
    return allows(rooms[room], specifier) ? undefined : `imports ${specifier}, which ${room} does without`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (!files.has(target)) return `imports ${specifier}, which is no file of the repository`;
  const to = roomOf(target);
  if (to === room || (to !== undefined && rooms[room].rooms.includes(to))) return undefined;
  return `imports ${specifier}: ${room} may not import from ${to ?? 'a place that is no room'}`;
}

/** Every violation in the sources, by path from the repository's top: one line each, the path first. */
export function violations(sources: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const files = new Set(sources.keys());
  const graph = new Map<string, string[]>();
  for (const [path, source] of sources) {
    const room = roomOf(path);
    if (room === undefined) {
      found.push(`${path} is in no room`);
      continue;
    }
    const { imports, loads, defaultExport, names } = readFacts(path, source);
    for (const specifier of imports) {
      const wrong = refuseImport(path, room, specifier, files);
      if (wrong !== undefined) found.push(`${path} ${wrong}`);
    }
    if (defaultExport) found.push(`${path} has a default export`);
    for (const name of rooms[room].without) if (names.has(name)) found.push(`${path} uses ${name}, which ${room} does without`);
    const neighbours = loads.filter((specifier) => specifier.startsWith('.'));
    graph.set(
      path,
      neighbours.map((specifier) => posix.join(posix.dirname(path), specifier)),
    );
  }
  return [...found, ...cycles(graph)];
}

/** A line for each import that closes a circle at run time. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push(`${trail.slice(trail.indexOf(path)).join(' → ')} → ${path} is a circle`);
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return found;
}

/** Whether the first line, after a shebang, is a comment that says what the file is. */
export function hasPurpose(source: string): boolean {
  const [first] = source.replace(/^#!.*\n/, '').split('\n');
  return /^(\/\/|\/\*\*?|<!--|#) ?\S.{9,}/.test(first);
}

/** Lines that call uvu's `throws` with a text, which uvu takes for a message: any error at all would pass. */
export function unheardThrows(path: string, source: string): string[] {
  const found: string[] = [];
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true);
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /(^|\.)throws$/.test(node.expression.getText())) {
      const expected = node.arguments[1];
      const isText = expected !== undefined && (ts.isStringLiteralLike(expected) || ts.isTemplateExpression(expected));
      if (isText) found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
