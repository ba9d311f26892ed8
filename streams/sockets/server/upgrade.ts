// From an HTTP request to a WebSocket: who is let in, and what the others are told.
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { GradwireError } from '../../../src/errors.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import { subprotocol } from '../protocol/words.ts';
import { turnAway } from './greet.ts';
import { segmentsOf, shownPath } from './http-path.ts';
import type { Hub } from './hub.ts';
import { largestFrame } from './serve-options.ts';

// a message of more pieces than this is an attack on memory
const mostFragments = 1024;

// what a closed socket may still take until it is cut
const closeTimeout = 1000;

/** Upgrades requests to WebSockets and hands those to the hub. Nothing listens, connects or ticks before the first request. */
export class Upgrades {
  readonly #hub: Hub;
  readonly #sockets: WebSocketServer;
  #closed = false;

  constructor(hub: Hub) {
    this.#hub = hub;
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: largestFrame(hub.served.layout),
      maxFragments: mostFragments,
      closeTimeout,
      // never an echo of what the client offers, which may be a secret
      handleProtocols: () => subprotocol,
    };
    this.#sockets = new WebSocketServer(options);
  }

  /** A listener for a server's `upgrade` event. */
  accept(request: IncomingMessage, raw: Socket, head: Buffer): void {
    raw.on('error', () => raw.destroy());
    const refused = this.#refuse(request);
    if (refused !== undefined) {
      this.#hub.tally.refused(refused[0] === 403 ? (request.headers.origin === undefined ? 'host' : 'origin') : 'limit');
      refuse(raw, ...refused);
      return;
    }
    this.#sockets.handleUpgrade(request, raw, head, (socket) => {
      const offered = request.headers['sec-websocket-protocol'];
      if (offered === undefined || offered.split(',').some((each) => each.trim() === subprotocol))
        return this.#hub.accept(socket, raw);
      socket.on('error', () => undefined);
      turnAway(socket, raw, [closeCodes.protocolVersion, `E_PROTOCOL: this server speaks ${subprotocol}`]);
    });
  }

  /** Refuses whoever comes from now on. */
  close(): void {
    this.#closed = true;
  }

  #refuse(request: IncomingMessage): [status: number, error: GradwireError] | undefined {
    const { served, gate, connections, access } = this.#hub;
    const stranger = gate.refuse(request);
    if (stranger !== undefined) return [403, stranger];
    const crowded = connections.refuse(request.socket);
    if (crowded !== undefined) return [429, crowded];
    const { model } = served;
    const path = segmentsOf(request.url)?.join('/');
    // a server has one model, so its bare address means that
    if (path !== '' && path !== `models/${model}`) {
      const hint = access.open ? `; this server has /models/${encodeURIComponent(model)}` : '';
      const text = `no WebSocket is at ${shownPath(request.url)}${hint}`;
      return [404, new GradwireError('E_NOT_FOUND', text)];
    }
    if (this.#closed) return [503, new GradwireError('E_CLOSED', 'the trainer is shutting down')];
    if (this.#hub.full) return [503, new GradwireError('E_BUSY', `all ${this.#hub.limits.connections} connections are taken`)];
    return undefined;
  }
}

function refuse(raw: Socket, status: number, { code, text }: GradwireError): void {
  const body = `${JSON.stringify({ code, text })}\n`;
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  raw.end(`${head}\r\nConnection: close\r\n\r\n${body}`, () => raw.destroy());
}
