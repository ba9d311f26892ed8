// Clients that send anything: a WebSocket with one message at a time, and HTTP in raw bytes.
import { once } from 'node:events';
import { type Agent, request } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

/** What a server did: said something, or closed. */
export type Reply =
  | { readonly kind: 'text'; readonly value: Record<string, unknown> }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string };

/** A WebSocket whose text messages are read one by one; frames and heartbeats are passed over. */
export class Talker {
  readonly #socket: WebSocket;
  readonly #replies: Reply[] = [];
  #waiting: ((reply: Reply) => void) | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => {
      if (isBinary) return;
      const value = JSON.parse(data.toString());
      if (value.type !== 'heartbeat') this.#emit({ kind: 'text', value });
    });
    socket.on('close', (code, reason) => this.#emit({ kind: 'close', code, reason: reason.toString() }));
  }

  static async open(url: string): Promise<Talker> {
    const socket = new WebSocket(url.replace('http', 'ws'), ['gradwire.v1'], { perMessageDeflate: false });
    const talker = new Talker(socket);
    await once(socket, 'open');
    return talker;
  }

  text(bytes: Buffer): void {
    this.#socket.send(bytes, { binary: false });
  }

  frame(bytes: Buffer): void {
    this.#socket.send(bytes, { binary: true });
  }

  /** The next text message, or the close; once it is closed, the close again. */
  next(): Promise<Reply> {
    const [reply] = this.#replies;
    if (reply !== undefined) {
      if (reply.kind === 'text') this.#replies.shift();
      return Promise.resolve(reply);
    }
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  async end(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }

  #emit(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined || reply.kind === 'close') this.#replies.push(reply);
    waiting?.(reply);
  }
}

/** An HTTP answer. */
export interface Response {
  readonly status: number;
  readonly body: string;
}

/** Posts a body over one of the agent's connections. */
export function post(agent: Agent, url: string, body: Buffer, headers: Record<string, string>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends raw bytes and the end of them; gives every answer that came until the server closed. */
export async function sendRaw(port: number, bytes: Buffer): Promise<Response[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => socket.destroy()));
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => socket.destroy());
  socket.end(bytes);
  await closed;
  return responsesIn(Buffer.concat(chunks));
}

function responsesIn(bytes: Buffer): Response[] {
  const found: Response[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) throw new Error(`an answer that is cut off: ${bytes.subarray(at).toString('latin1')}`);
    const head = bytes.subarray(at, end).toString('latin1');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1] ?? 0);
    const bodyAt = end + 4;
    // the answer to HEAD has a length and no body
    const hasBody = status >= 200 && status !== 304 && bytes.subarray(bodyAt, bodyAt + 5).toString() !== 'HTTP/';
    at = bodyAt + (hasBody ? length : 0);
    if (status >= 200) found.push({ status, body: bytes.subarray(bodyAt, at).toString() });
  }
  return found;
}
