// The HTTP side of a server: which address answers what.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Role } from '../protocol/words.ts';
import type { Access } from './access/access.ts';
import type { Connections } from './access/connections.ts';
import { welcomePage } from './access/cors.ts';
import { guarded, refuses } from './access/guarded.ts';
import type { Gate } from './gate.ts';
import { postHold, postRelease, postRollback } from './http-control.ts';
import { type GradientsContext, postGradients } from './http-gradients.ts';
import { page } from './http-page.ts';
import { segmentsOf, shownPath } from './http-path.ts';
import { type Exchange, type Headers, matches, reply, replyError, replyJson, replyUnchanged } from './http-reply.ts';
import type { Metrics } from './metrics.ts';
import { type Pages, sendPage } from './pages.ts';
import type { PeerInfo } from './peer-info.ts';
import type { ServedCache } from './served.ts';

/** What the addresses show. */
export interface HttpContext extends GradientsContext {
  readonly cache: ServedCache;
  readonly peers: readonly PeerInfo[];
  readonly gate: Gate;
  readonly access: Access;
  readonly connections: Connections;
  readonly metrics: Metrics;
}

/** Answers one kind of request. */
export type Handler = (exchange: Exchange, context: HttpContext) => void | Promise<void>;

// requests of one connection that are not answered yet, at most
const mostUnanswered = 16;
const unanswered = new WeakMap<Socket, number>();

/** Counts a request until its answer has left; false where its connection has too many. */
function allow({ socket }: IncomingMessage, response: ServerResponse): boolean {
  const count = (unanswered.get(socket) ?? 0) + 1;
  unanswered.set(socket, count);
  response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
  return count <= mostUnanswered;
}

/** A request listener for everything that is no WebSocket; `pages` are at the addresses that the server does not have itself. */
export function answerHttp(context: HttpContext, pages?: Pages): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const exchange = { request, response };
    // a sender that goes away is seen by whoever waits for it
    request.on('error', () => response.destroy());
    // a peer that asks on and on and reads no answer
    if (!allow(request, response)) {
      request.socket.destroy();
      return;
    }
    if (request.headers.host === undefined && request.httpVersion === '1.1')
      return replyError(exchange, 400, new GradwireError('E_PROTOCOL', 'a request of HTTP/1.1 needs a Host header'));
    const refused = context.gate.refuse(request);
    if (refused !== undefined) {
      context.tally.refused(request.headers.origin === undefined ? 'host' : 'origin');
      return replyError(exchange, 403, refused);
    }
    const crowded = context.connections.refuse(request.socket);
    if (crowded !== undefined) {
      context.tally.refused('limit');
      return replyError(exchange, 429, crowded, { 'Retry-After': '1', Connection: 'close' });
    }
    if (welcomePage(exchange)) return;
    route(exchange, context, pages).catch((cause: unknown) => {
      if (cause instanceof GradwireError) return replyError(exchange, 503, cause);
      const text = cause instanceof Error ? cause.message : 'unknown';
      replyError(exchange, 500, new GradwireError('E_NOT_READY', `this failed inside: ${text}`, { cause }));
    });
  };
}

async function route(exchange: Exchange, context: HttpContext, pages: Pages | undefined): Promise<void> {
  const { request } = exchange;
  const handlers = handlersFor(segmentsOf(request.url) ?? [], context.served.model);
  if (handlers === undefined) {
    if (pages !== undefined && (await sendPage(exchange, context, pages))) return;
    if (refuses(exchange, context)) return;
    const text = `nothing is at ${shownPath(request.url)}; this server has the model ${quote(context.served.model)}, see GET /`;
    return replyError(exchange, 404, new GradwireError('E_NOT_FOUND', text));
  }
  const handler = handlers[request.method ?? ''];
  if (handler !== undefined) return handler(exchange, context);
  if (refuses(exchange, context)) return;
  const allow = Object.keys(handlers).join(', ');
  const text = `${quote(request.method ?? '')} is not for ${shownPath(request.url)}; it takes ${allow}`;
  replyError(exchange, 405, new GradwireError('E_PROTOCOL', text), { Allow: allow });
}

function handlersFor([first, model, last, ...more]: string[], known: string): Record<string, Handler> | undefined {
  if (model === undefined) return first === undefined ? undefined : roots.get(first);
  if (first !== 'models' || model !== known || more.length > 0) return undefined;
  return underModel.get(last ?? '');
}

function reading(handler: Handler): Record<string, Handler> {
  return Object.assign(Object.create(null), { GET: handler, HEAD: handler });
}

function posting(handler: Handler): Record<string, Handler> {
  return Object.assign(Object.create(null), { POST: handler });
}

const controls = [
  ['rollback', posting(guarded('admin', postRollback))],
  ['hold', posting(guarded('admin', postHold))],
  ['release', posting(guarded('admin', postRelease))],
] as const;

// as a WebSocket without /models/<name>, what steers a trainer is for the one model that the server has
const roots = new Map([
  ['', reading(guarded('read', showPage))],
  ['healthz', reading((exchange) => replyJson(exchange, 200, { status: 'ok' }))],
  ['readyz', reading(showReadiness)],
  ['metrics', reading(guarded('read', showMetrics))],
  ...controls,
]);

const underModel = new Map([
  ['', reading(guarded('read', showStatus))],
  ['weights.safetensors', reading(guarded('read', sendWeights))],
  ['gradients', posting(guarded('push', postGradients))],
  ...controls,
]);

function showPage(exchange: Exchange, { served }: HttpContext): void {
  const scheme = 'encrypted' in exchange.request.socket ? 'https' : 'http';
  const text = page(`${scheme}://${exchange.request.headers.host ?? 'localhost'}`, served);
  reply(exchange, 200, Buffer.from(text), { 'Content-Type': 'text/plain; charset=utf-8' });
}

async function showMetrics(exchange: Exchange, { metrics }: HttpContext): Promise<void> {
  const { text, contentType } = await metrics.show();
  reply(exchange, 200, Buffer.from(text), { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
}

function showReadiness(exchange: Exchange, { intake, served, access }: HttpContext): void {
  const { code, text } = served.trouble() ?? { code: 'E_NOT_READY', text: 'the trainer takes no batches at the moment' };
  if (intake.ready && served.trouble() === undefined) replyJson(exchange, 200, { status: 'ready' });
  else {
    // a text may name files, which are no business of those who may not read
    const told = access.allows(exchange.request, 'read') ? { text } : {};
    replyJson(exchange, 503, { status: 'not ready', code, ...told });
  }
}

function showStatus(exchange: Exchange, { served, cache, peers }: HttpContext): void {
  const { model, run, epoch, layout, learningRate } = served;
  const base = { model, run, epoch, version: served.version(), digest: cache.digest(), layout: layout.toJSON(), learningRate };
  const count = (wanted: Role): number => peers.filter(({ role }) => role === wanted).length;
  const counts = { replicas: count('replica'), workers: count('worker'), recorders: count('recorder') };
  replyJson(exchange, 200, { ...base, ...served.status(), ...counts, connections: peers });
}

function sendWeights(exchange: Exchange, { cache }: HttpContext): void {
  const { frame } = cache.weights();
  const tag = cache.tag();
  const headers: Headers = { ETag: tag, 'Cache-Control': 'no-cache' };
  if (matches(exchange.request.headers['if-none-match'], tag)) replyUnchanged(exchange, headers);
  else reply(exchange, 200, frame, { ...headers, 'Content-Type': 'application/octet-stream' });
}
