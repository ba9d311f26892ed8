// Pages of one's own, on the server's port: what else it has at addresses that are not its own.
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { digestOf } from '../../../src/digest.ts';
import { GradwireError } from '../../../src/errors.ts';
import type { HttpContext } from './http.ts';
import { segmentsOf } from './http-path.ts';
import { type Exchange, matches, reply, replyError, replyUnchanged } from './http-reply.ts';

/** One page, or anything else that a GET may have. */
export interface Page {
  /** The media type, as `text/html; charset=utf-8`. */
  readonly type: string;
  /** A text goes out as UTF-8. */
  readonly body: string | Uint8Array;
  /** What else the answer says, by names in any case. `ETag` and `Cache-Control: no-cache` are there unless told; `Content-Length` is the server's. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The page at a path, or undefined where there is none. The path is decoded, starts with `/`, has no query, and no part of it is empty
 * (but for the last), `.` or `..`, or has a slash, a backslash or a NUL in it: joined to a folder it stays below it.
 */
export type Pages = (path: string) => Page | undefined | Promise<Page | undefined>;

/** Answers with the page at an address, if there is one; false where there is none. No token is asked for. */
export async function sendPage(exchange: Exchange, { access, connections }: HttpContext, pages: Pages): Promise<boolean> {
  const { request } = exchange;
  const path = pathOf(request.url);
  if (path === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return false;
  try {
    const page = await pages(path);
    if (page === undefined) return false;
    // a page is for everybody, so with tokens it shows nothing of who asks for it
    if (access.open) connections.know(request.socket);
    send(exchange, page);
  } catch (cause) {
    // its text may name files, which are no business of those who may not read
    const text = access.allows(request, 'read') && cause instanceof Error ? `: ${cause.message}` : '';
    replyError(exchange, 500, new GradwireError('E_NOT_READY', `the page could not be made${text}`, { cause }));
  }
  return true;
}

/** A path as {@link Pages} has it; undefined for one that it never gets. */
function pathOf(url: string | undefined): string | undefined {
  const segments = segmentsOf(url);
  const wrong = segments?.some(
    (each, i) => /[/\\\0]/.test(each) || each === '.' || each === '..' || (each === '' && i < segments.length - 1),
  );
  return segments === undefined || wrong ? undefined : `/${segments.join('/')}`;
}

function send(exchange: Exchange, { type, body, headers }: Page): void {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const own = new Map([
    ['content-type', type],
    ['cache-control', 'no-cache'],
    ['etag', `"${digestOf(bytes)}"`],
  ]);
  for (const [name, value] of Object.entries(headers ?? {})) own.set(name.toLowerCase(), value);
  own.delete('content-length');
  // before anything is sent
  for (const [name, value] of own) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  const all = Object.fromEntries(own);
  if (matches(exchange.request.headers['if-none-match'], all.etag)) replyUnchanged(exchange, all);
  else reply(exchange, 200, bytes, all);
}
