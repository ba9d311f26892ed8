// A WebSocket client of its own, from RFC 6455 and docs/FORMAT.md alone: no ws, and no code of gradwire.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A control message; every field is checked by whoever reads it. */
export type Fields = Readonly<Record<string, unknown>>;

/** What came: text (parsed), a binary frame, or the close with its code. */
export type Message =
  | { readonly kind: 'text'; readonly value: Fields }
  | { readonly kind: 'binary'; readonly bytes: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string };

/** What a server answered to the request for an upgrade. */
export interface Handshake {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly client: RawClient;
}

/** Sends the request for an upgrade; `headers` replace or add (undefined removes). */
export async function dial(
  port: number,
  path = '/models/default',
  headers: Record<string, string | undefined> = {},
  via: { host?: string; localAddress?: string } = {},
): Promise<Handshake> {
  const socket = connect({ port, host: '127.0.0.1', ...via });
  socket.on('error', () => undefined);
  const all: Record<string, string | undefined> = {
    Host: `127.0.0.1:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'gradwire.v1',
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    if (!Buffer.isBuffer(chunk)) throw new Error(`the server hung up after ${bytes.toString()}`);
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const head = bytes.subarray(0, end).toString();
    const status = Number(head.split(' ')[1]);
    socket.pause();
    return { status, head, body: bytes.subarray(end + 4).toString(), client: new RawClient(socket, bytes.subarray(end + 4)) };
  }
}

/** Dials, says hello, and returns the welcome. */
export async function join(port: number, hello: object, path?: string): Promise<{ client: RawClient; welcome: Fields }> {
  const { status, body, client } = await dial(port, path);
  if (status !== 101) throw new Error(`HTTP ${status}: ${body}`);
  client.text({ type: 'hello', ...hello });
  const first = await client.next();
  if (first.kind !== 'text') throw new Error(`expected a welcome, got ${JSON.stringify(first)}`);
  return { client, welcome: first.value };
}

/** An open WebSocket. Pings are answered, unless it is told to be silent. */
export class RawClient {
  readonly socket: Socket;
  answersPings = true;
  pings = 0;
  readonly #queue: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];
  #chunks: Buffer[] = [];
  #bytes: Buffer;
  #arrived = 0;
  #needed = 2;
  #closed = false;

  constructor(socket: Socket, rest: Buffer) {
    this.socket = socket;
    this.#bytes = rest;
    this.#arrived = rest.byteLength;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#arrived += chunk.byteLength;
      if (this.#arrived >= this.#needed) this.#parse();
    });
    socket.on('close', () => this.#emit({ kind: 'close', code: 1006, reason: 'the connection broke' }));
    this.#parse();
    socket.resume();
  }

  /** The next message, or the close; it waits for one. */
  next(): Promise<Message> {
    const first = this.#queue.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next text message. */
  async nextText(): Promise<Fields> {
    const message = await this.next();
    if (message.kind === 'text') return message.value;
    throw new Error(`expected text, got ${message.kind} ${message.kind === 'close' ? `${message.code} ${message.reason}` : ''}`);
  }

  /** The next binary message. */
  async nextBinary(): Promise<Buffer> {
    const message = await this.next();
    if (message.kind === 'binary') return message.bytes;
    throw new Error(`expected a frame, got ${JSON.stringify(message)}`);
  }

  /** The close; whatever comes before it is skipped. */
  async closed(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const message = await this.next();
      if (message.kind === 'close') return message;
    }
  }

  text(message: object | string): void {
    this.send(1, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
  }

  binary(bytes: Uint8Array): void {
    this.send(2, Buffer.from(bytes));
  }

  /** One WebSocket frame. */
  send(opcode: number, payload: Buffer, last = true): void {
    const { byteLength } = payload;
    const mask = randomBytes(4);
    const length =
      byteLength < 126 ? [0x80 | byteLength] : byteLength < 65536 ? [0xfe, byteLength >> 8, byteLength & 255] : undefined;
    const long = Buffer.alloc(9);
    long[0] = 0xff;
    long.writeBigUInt64BE(BigInt(byteLength), 1);
    const head = Buffer.concat([
      Buffer.from([(last ? 0x80 : 0) | opcode]),
      length === undefined ? long : Buffer.from(length),
      mask,
    ]);
    this.socket.write(Buffer.concat([head, payload.map((byte, i) => byte ^ mask[i & 3])]));
  }

  end(): void {
    this.socket.destroy();
  }

  #parse(): void {
    this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks]);
    this.#chunks = [];
    while (this.#parseOne());
    this.#arrived = this.#bytes.byteLength;
  }

  /** Takes one frame off the bytes; false where there is none that is whole. */
  #parseOne(): boolean {
    this.#needed = 2;
    if (this.#bytes.byteLength < 2) return false;
    const short = this.#bytes[1] & 127;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    this.#needed = head;
    if (this.#bytes.byteLength < head) return false;
    const length = short < 126 ? short : short === 126 ? this.#bytes.readUInt16BE(2) : Number(this.#bytes.readBigUInt64BE(2));
    this.#needed = head + length;
    if (this.#bytes.byteLength < this.#needed) return false;
    const opcode = this.#bytes[0] & 15;
    const payload = Buffer.from(this.#bytes.subarray(head, head + length));
    this.#bytes = this.#bytes.subarray(head + length);
    if (opcode === 1) this.#emit({ kind: 'text', value: JSON.parse(payload.toString()) });
    else if (opcode === 2) this.#emit({ kind: 'binary', bytes: payload });
    else if (opcode === 8) this.#emit(closeIn(payload));
    else if (opcode === 9) {
      this.pings += 1;
      if (this.answersPings) this.send(10, payload);
    }
    return true;
  }

  #emit(message: Message): void {
    if (this.#closed) return;
    this.#closed = message.kind === 'close';
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter(message);
    else this.#queue.push(message);
  }
}

// a close frame may say nothing, which stands for 1005
function closeIn(payload: Buffer): Message {
  const code = payload.byteLength < 2 ? 1005 : payload.readUInt16BE(0);
  return { kind: 'close', code, reason: payload.subarray(2).toString() };
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [begin: number, end: number];
}

type Header = { readonly __metadata__: Record<string, string> } & Readonly<Record<string, unknown>>;

/** A safetensors buffer read as the format's README says: length, JSON, bytes. */
export function readFrame(frame: Uint8Array): {
  metadata: Record<string, string>;
  tensors: Map<string, { dtype: string; shape: number[]; bytes: Buffer }>;
} {
  const buffer = Buffer.from(frame);
  const length = Number(buffer.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(buffer.subarray(8, 8 + length).toString()) as Header;
  const tensors = new Map<string, { dtype: string; shape: number[]; bytes: Buffer }>();
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [begin, end],
    },
  ] of Object.entries(entries) as [string, Entry][]) {
    tensors.set(name, { dtype, shape, bytes: buffer.subarray(8 + length + begin, 8 + length + end) });
  }
  return { metadata, tensors };
}

/** A safetensors buffer of float32 tensors, written by hand. */
export function writeFrame(
  metadata: Record<string, string>,
  tensors: Record<string, { shape: number[]; values: number[] }>,
): Buffer {
  let at = 0;
  // without a prototype, so that a tensor may have any name
  const entries: Record<string, unknown> = Object.assign(Object.create(null), { __metadata__: metadata });
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    entries[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.length * 4] };
    at += values.length * 4;
  }
  const text = JSON.stringify(entries);
  const header = text.padEnd(Math.ceil(text.length / 8) * 8, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  const data = Object.values(tensors).map(({ values }) => Buffer.from(Float32Array.from(values).buffer));
  return Buffer.concat([length, Buffer.from(header), ...data]);
}
