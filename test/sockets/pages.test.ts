// Pages of one's own on the server's port: who gets them, at which addresses, and what they cannot do to the server.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Page, type Pages, serve } from '../../streams/sockets/index.ts';
import { serveOptionsOf } from '../../streams/sockets/server/serve-options.ts';
import { refused } from '../support/refused.ts';
import { ask, sendRaw } from './ask.ts';
import { Stand } from './stand.ts';

const html = 'text/html; charset=utf-8';
const hello: Page = { type: html, body: '<p>Größe' };

/** A server with these pages; `asked` are the paths that they were asked for. */
async function withPages(
  pages: Pages,
  body: (port: number, asked: readonly string[]) => Promise<void>,
  tokens?: readonly { token: string; scopes: readonly ['read'] }[],
): Promise<void> {
  const asked: string[] = [];
  const listening = (path: string): ReturnType<Pages> => {
    asked.push(path);
    return pages(path);
  };
  const server = await serve(new Stand(), { pages: listening, tokens });
  try {
    await body(server.port, asked);
  } finally {
    await server.close();
  }
}

test('a page is served as it is, with its type, and is asked for again by its tag', () =>
  withPages(
    (path) => (path === '/a page' ? hello : undefined),
    async (port) => {
      const { status, headers, bytes } = await ask(port, '/a%20page?query=1');
      assert.equal([status, headers['content-type'], headers['cache-control']], [200, html, 'no-cache']);
      assert.equal([bytes.toString(), headers['content-length']], [hello.body, String(Buffer.byteLength('<p>Größe'))]);
      assert.equal([headers['x-content-type-options'], headers['cross-origin-resource-policy']], ['nosniff', 'same-origin']);
      const again = await ask(port, '/a%20page', { headers: { 'If-None-Match': String(headers.etag) } });
      assert.equal([again.status, again.bytes.byteLength, again.headers.etag], [304, 0, headers.etag]);
      const head = await ask(port, '/a%20page', { method: 'HEAD' });
      assert.equal([head.status, head.bytes.byteLength, head.headers['content-length']], [200, 0, headers['content-length']]);
      const none = await ask(port, '/none');
      assert.equal([none.status, none.json.code], [404, 'E_NOT_FOUND']);
    },
  ));

test('a page may be bytes, come later, and have headers of its own', () =>
  withPages(
    async () => ({ type: 'application/wasm', body: Uint8Array.of(0, 97), headers: { 'Cache-Control': 'no-store', ETag: '"1"' } }),
    async (port) => {
      const { headers, bytes } = await ask(port, '/x.wasm');
      assert.equal([[...bytes], headers['cache-control'], headers.etag], [[0, 97], 'no-store', '"1"']);
    },
  ));

test('each header is there once, however a page writes its name, and one that cannot be sent breaks that page alone', () => {
  const own = { 'cache-control': 'no-store', etag: '"1"', 'CONTENT-LENGTH': '1', 'Cross-origin-Resource-Policy': 'cross-origin' };
  return withPages(
    (path) => ({ ...hello, headers: path === '/own' ? own : { 'X-Own': 'a\nb' } }),
    async (port) => {
      const answer = await sendRaw(port, 'GET /own HTTP/1.0\r\nHost: localhost\r\n\r\n');
      const lines = answer.split('\r\n\r\n', 1)[0].toLowerCase().split('\r\n');
      const wanted = ['cache-control: no-store', 'etag: "1"', 'content-length: 10', 'cross-origin-resource-policy: cross-origin'];
      for (const line of wanted) {
        const name = line.split(' ', 1)[0];
        assert.equal(
          lines.filter((each) => each.startsWith(name)),
          [line],
        );
      }
      const broken = await sendRaw(port, 'GET /broken HTTP/1.0\r\nHost: localhost\r\n\r\n');
      assert.match(broken, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
    },
  );
});

test('the server’s own addresses stay its own, and only GET and HEAD ask for a page', () =>
  withPages(
    () => hello,
    async (port, asked) => {
      for (const path of ['/', '/healthz', '/readyz', '/metrics', '/models/default', '/models/default/weights.safetensors'])
        assert.not.equal((await ask(port, path)).headers['content-type'], html, path);
      assert.is((await ask(port, '/page', { method: 'POST', body: Buffer.from('x') })).status, 404);
      assert.equal(asked, []);
    },
  ));

test('a path that leads out of a folder, or hides a part, is never asked for', () =>
  withPages(
    () => hello,
    async (port, asked) => {
      const paths = ['/../a', '/a/../../b', '/%2e%2e/a', '/a%2fb', '/a%5c..%5cb', '/a%00', '//a', '/a//b', '/./a', '/%zz', '/..'];
      for (const path of paths)
        assert.match(await sendRaw(port, `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`), /^HTTP\/1\.1 404 /, path);
      assert.equal(asked, []);
      await ask(port, '/a/b.js');
      await ask(port, '/a/');
      assert.equal(asked, ['/a/b.js', '/a/'], 'control: others are');
    },
  ));

test('pages of strangers get nothing: Host and Origin are checked before a page is asked for', () =>
  withPages(
    () => hello,
    async (port, asked) => {
      const strangers = [
        ['Host', 'evil.example'],
        ['Origin', 'https://evil.example'],
        ['Origin', 'null'],
      ] as const;
      for (const [name, value] of strangers) assert.is((await ask(port, '/page', { headers: { [name]: value } })).status, 403);
      assert.equal(asked, []);
      assert.is((await ask(port, '/page', { headers: { Origin: `http://127.0.0.1:${port}` } })).status, 200, 'control: its own');
    },
  ));

test('with tokens pages are open and nothing else is; what broke in one is told to those who may read', () => {
  const tokens = [{ token: 'all-0123456789abcdef', scopes: ['read'] }] as const;
  const pages: Pages = (path) => {
    if (path === '/broken') throw new Error('no such file /home/me/page.html');
    return path === '/page' ? hello : undefined;
  };
  return withPages(
    pages,
    async (port) => {
      const statuses = await Promise.all(
        ['/page', '/none', '/models/default', '/'].map(async (path) => (await ask(port, path)).status),
      );
      assert.equal(statuses, [200, 401, 401, 401]);
      const headers = { Authorization: `Bearer ${tokens[0].token}` };
      const [told, hidden] = [await ask(port, '/broken', { headers }), await ask(port, '/broken')];
      assert.equal([told.status, hidden.status], [500, 500]);
      assert.match(String(told.json.text), 'the page could not be made: no such file');
      assert.is(hidden.json.text, 'the page could not be made');
    },
    tokens,
  );
});

test('pages must be a function', () => {
  refused('E_CONFIG', () => serveOptionsOf({ pages: 'public' as never }), /^pages must be a function .*; got string$/);
});

test.run();
