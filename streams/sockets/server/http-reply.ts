// HTTP answers: whole, with their length, and never cut off because the request was still being sent.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GradwireError } from '../../../src/errors.ts';

/** One request with its response. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What else an answer says. */
export type Headers = Readonly<Record<string, string>>;

// how long what is left of a refused body is read and thrown away, so that its sender gets to the answer
const discardMs = 5000;

// in lower case, as those of a page that take their place
const always: Headers = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

/** Answers with JSON. */
export function replyJson(exchange: Exchange, status: number, body: object, headers: Headers = {}): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  reply(exchange, status, bytes, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
}

/** Answers with an error as `{ code, text }`. */
export function replyError(exchange: Exchange, status: number, { code, text }: GradwireError, headers?: Headers): void {
  replyJson(exchange, status, { code, text }, headers);
}

/** Answers with bytes, or with their headers alone for HEAD. */
export function reply({ request, response }: Exchange, status: number, body: Uint8Array, headers: Headers): void {
  if (response.headersSent || response.destroyed) return;
  const unread = hasBody(request) && !request.complete;
  const closing: Headers = unread ? { Connection: 'close' } : {};
  response.writeHead(status, { ...always, ...headers, 'Content-Length': String(body.byteLength), ...closing });
  const content = request.method === 'HEAD' ? undefined : body;
  // a sender that waits for "100 Continue" sends no body, so there is nothing to discard
  if (!unread || request.headers.expect !== undefined) response.end(content);
  else {
    if (content !== undefined) response.write(content);
    discardRest(request, () => response.end());
  }
}

/** Whether an `If-None-Match` names a tag: the asker has the answer already. */
export function matches(header: string | undefined, tag: string): boolean {
  const tags = (header ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''));
  return tags.includes(tag) || tags.includes('*');
}

/** Answers that nothing has changed. */
export function replyUnchanged({ response }: Exchange, headers: Headers): void {
  response.writeHead(304, { ...always, ...headers }).end();
}

/** Whether a request says that it has a body. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

// ending earlier would reset the connection, and with it the answer on its way
function discardRest(request: IncomingMessage, done: () => void): void {
  const timer = setTimeout(finish, discardMs);
  function finish(): void {
    clearTimeout(timer);
    request.off('end', finish);
    request.off('close', finish);
    done();
  }
  request.on('end', finish);
  request.on('close', finish);
  request.resume();
}
