// The page a browser opens for a test: serves the built package and one module, and takes back what the module returned.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { bundle } from './bundle.ts';

/** What became of the module: its result, or its error with the stack. */
export interface Outcome {
  readonly result?: unknown;
  readonly error?: string;
}

/** A page that is served until `close`. */
export interface Page {
  readonly url: string;
  /** The first thing that the page says. */
  readonly outcome: Promise<Outcome>;
  /** The paths that were asked for and not found, as the end of a sentence; empty where there are none. */
  missing(): string;
  close(): void;
}

const top = fileURLToPath(new URL('../..', import.meta.url));

// what a page may ask for; nothing else of the repository is served
const served = /^\/(dist|test)\/.+\.[jt]s$/;

// as Node resolves these names here, but for what a browser has another file for
const imports = {
  gradwire: '/dist/src/index.js',
  'gradwire/streams': '/dist/streams/operators/index.js',
  'gradwire/threads': '/dist/streams/threads/browser.js',
  'gradwire/sockets': '/bundle/sockets.js',
};

// shared memory is for pages that are isolated from other origins
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-store',
};

const html = (modulePath: string): string => `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
  const report = (outcome) => fetch('/outcome', { method: 'POST', body: JSON.stringify(outcome) });
  const fail = (error) => report({ error: String(error?.stack ?? error) });
  addEventListener('error', ({ error, message }) => fail(error ?? message));
  addEventListener('unhandledrejection', ({ reason }) => fail(reason));
  try {
    const { run } = await import(${JSON.stringify(`/${modulePath}`)});
    const argument = await (await fetch('/argument')).json();
    await report({ result: await run(argument) });
  } catch (error) {
    await fail(error);
  }
</script>
`;

/**
 * Serves a page that runs `run(argument)` of the module, on a free port of this machine; its WebSockets lead to `socketPort`, so that they are
 * of its own origin. Whoever calls it closes it.
 */
export async function servePage(modulePath: string, argument: unknown, socketPort?: number): Promise<Page> {
  const lost: string[] = [];
  let settle: (outcome: Outcome) => void = () => {};
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://page');
    if (pathname === '/') give(response, 'text/html', html(modulePath));
    else if (pathname === '/argument') give(response, 'application/json', JSON.stringify(argument ?? null));
    else if (pathname === '/outcome') {
      const said = JSON.parse(await text(request)) as Outcome;
      give(response, 'text/plain', '');
      settle(said);
    } else if (pathname === imports['gradwire/sockets'])
      give(response, 'text/javascript', await bundle("export * from 'gradwire/sockets';"));
    else give(response, 'text/javascript', await script(pathname));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      lost.push(`${request.url} (${error.message})`);
      response.writeHead(404, headers).end(error.message);
    });
  });
  server.on('upgrade', (request: IncomingMessage, near: Socket) => {
    const far = connect(socketPort ?? 0, '127.0.0.1');
    const pairs = request.rawHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [`${name}: ${all[i + 1]}\r\n`] : []));
    far.write(`GET ${request.url} HTTP/1.1\r\n${pairs.join('')}\r\n`);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ])
      from
        .on('error', () => to.destroy())
        .on('close', () => to.destroy())
        .pipe(to);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    outcome,
    missing: () => (lost.length === 0 ? '' : `\nit asked for what is not there (npm run build?): ${lost.join(', ')}`),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function give(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { ...headers, 'Content-Type': `${type}; charset=utf-8` }).end(body);
}

/** A module's text: as it was built, or a test's TypeScript without its types. Relative imports are paths here as there. */
async function script(pathname: string): Promise<string> {
  if (!served.test(pathname)) throw new Error('not served');
  const source = await readFile(`${top}${pathname.slice(1)}`, 'utf8');
  if (!pathname.endsWith('.ts')) return source;
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
  return ts.transpileModule(source, { fileName: pathname, compilerOptions }).outputText;
}
