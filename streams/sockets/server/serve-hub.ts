// A hub on a port: HTTP and WebSocket, plain or encrypted, and the order in which all of it ends.
import { createServer, type Server as HttpServer, STATUS_CODES } from 'node:http';
import { createServer as createEncrypted } from 'node:https';
import type { Socket } from 'node:net';
import { tap } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { answerHttp } from './http.ts';
import { type Exchange, replyError } from './http-reply.ts';
import { Hub } from './hub.ts';
import { listen } from './listen.ts';
import { type ServeOptions, serveOptionsOf } from './serve-options.ts';
import type { Served } from './served.ts';
import type { Server } from './server.ts';
import { text } from './tls.ts';
import { Upgrades } from './upgrade.ts';

// an idle HTTP connection, and how often Node looks at the time limits
const idleMs = 60_000;
const checkMs = 1000;

// HTTP connections beside the WebSockets
const plainConnections = 64;

/** {@link serve}, with the hub behind the server, which a relay hands frames to. The hub is there, at the served version, before this first waits. */
export async function serveHub(served: Served, options: ServeOptions): Promise<{ server: Server; hub: Hub }> {
  const { host, port, orAnyPort, tokens, allowHosts, allowOrigins, tls, pages, ...limits } = serveOptionsOf(options);
  const hub = new Hub(served, limits, { host, allowHosts, allowOrigins, tokens });
  const upgrades = new Upgrades(hub);
  const http = createHttp(hub, upgrades, { tls, pages });
  http.maxConnections = limits.connections + plainConnections;
  const where = await listen(http, host, port, orAnyPort).catch(async (error) => {
    await hub.close();
    throw error;
  });
  let closed: Promise<void> | undefined;
  const server: Server = {
    port: where.port,
    url: tls === undefined ? where.url : where.url.replace(/^http/, 'https'),
    arrivals$: hub.intake.arrivals$,
    get replicas() {
      return hub.peers;
    },
    get receivingBytes() {
      return hub.bodies.bytes;
    },
    record: () => tap((folded) => hub.record(folded)),
    broadcast: () => tap((publication) => hub.pass(publication)),
    close: () => (closed ??= close(http, hub, upgrades)),
  };
  return { server, hub };
}

function createHttp(hub: Hub, upgrades: Upgrades, { tls, pages }: Pick<ServeOptions, 'tls' | 'pages'>): HttpServer {
  const headersTimeout = Math.min(hub.limits.headersMs, idleMs);
  const connectionsCheckingInterval = Math.min(checkMs, Math.ceil(headersTimeout / 4));
  const times = { headersTimeout, requestTimeout: idleMs, connectionsCheckingInterval };
  // Node's own answer to a request without Host has no code
  const limits = { ...times, maxHeaderSize: 8192, requireHostHeader: false };
  const answer = answerHttp(hub, pages);
  const pair = tls && { cert: text(tls.cert), key: text(tls.key), ca: text(tls.ca), handshakeTimeout: headersTimeout };
  return (pair === undefined ? createServer(limits, answer) : createEncrypted({ ...limits, ...pair }, answer))
    .setTimeout(idleMs)
    .on('connection', (socket: Socket) => hub.connections.enter(socket))
    .on('checkContinue', answer)
    .on('checkExpectation', (request, response) => refuseExpectation({ request, response }))
    .on('upgrade', (request, socket, head) => upgrades.accept(request, socket as Socket, head))
    .on('clientError', (error: NodeJS.ErrnoException, socket) => refuseBytes(error, socket as Socket));
}

/** What no server needs to understand; Node's own answer has no code. */
function refuseExpectation(exchange: Exchange): void {
  const text = 'this server meets no expectation but 100-continue; leave the Expect header out';
  replyError(exchange, 417, new GradwireError('E_PROTOCOL', text));
}

/** What Node's parser could not read, or took too long. */
function refuseBytes({ code }: NodeJS.ErrnoException, socket: Socket): void {
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  // what came over a connection without TLS has no answer that the other side could read
  if (!socket.writable || code === 'ECONNRESET' || code?.startsWith('ERR_SSL') || code?.startsWith('ERR_TLS')) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify({ code: 'E_PROTOCOL', text: STATUS_CODES[status] })}\n`;
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`, () => socket.destroy());
}

async function close(http: HttpServer, hub: Hub, upgrades: Upgrades): Promise<void> {
  upgrades.close();
  const ended = new Promise((resolve) => http.close(resolve));
  await hub.intake.close(hub.limits.closeMs);
  await hub.close();
  http.closeAllConnections();
  await ended;
}
