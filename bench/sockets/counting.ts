// Counting the messages of a connection by their headers alone, so that the readers cost as little as they can.
import type { Socket } from 'node:net';
import type { Sender } from './orders.ts';

/** One connection's messages. */
export interface Counting {
  /** Messages of the broadcast that have come as a whole. */
  readonly messages: number;
  /** Called once, when the broadcast may begin. */
  onReady: () => void;
  read(chunk: Buffer): void;
}

const text = 1;
const binary = 2;
const ping = 9;

/** A WebSocket: after its handshake it counts binary frames. */
export class CountWebSocket implements Counting {
  messages = 0;
  onReady: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #peer: Sender;
  #rest: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #isReady = false;
  #opcode = 0;
  // bytes of the current frame that are still to come; −1 before its header
  #left = -1;
  #begun = '';

  constructor(socket: Socket, peer: Sender) {
    this.#socket = socket;
    this.#peer = peer;
    const path = peer === 'socket.io' ? '/socket.io/?EIO=4&transport=websocket' : '/';
    const protocol = peer === 'gradwire' ? 'Sec-WebSocket-Protocol: gradwire.v1\r\n' : '';
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${protocol}\r\n`,
    );
  }

  read(chunk: Buffer): void {
    let bytes = this.#rest.byteLength > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = Buffer.alloc(0);
    if (!this.#isOpen) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      bytes = bytes.subarray(end + 4);
      this.#isOpen = true;
      if (this.#peer === 'gradwire') this.#say('{"type":"hello","role":"replica"}');
      else if (this.#peer === 'socket.io') this.#say('40');
      else this.#ready();
    }
    this.#frames(bytes);
  }

  #frames(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#left < 0) {
        const header = this.#header(bytes, at);
        if (header === 0) {
          this.#rest = Buffer.from(bytes.subarray(at));
          return;
        }
        at += header;
      }
      const take = Math.min(this.#left, bytes.byteLength - at);
      if (this.#opcode === text && this.#begun.length < 64) this.#begun += bytes.toString('latin1', at, at + Math.min(take, 64));
      at += take;
      this.#left -= take;
      if (this.#left === 0) this.#whole();
    }
  }

  /** The bytes of the header at a place, 0 where they have not all come. */
  #header(bytes: Buffer, at: number): number {
    const length = bytes.byteLength - at < 2 ? -1 : bytes[at + 1] & 0x7f;
    const size = length < 126 ? 2 : length === 126 ? 4 : 10;
    if (length < 0 || bytes.byteLength - at < size) return 0;
    this.#opcode = bytes[at] & 0x0f;
    this.#left = length < 126 ? length : length === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    this.#begun = '';
    return size;
  }

  #whole(): void {
    this.#left = -1;
    if (this.#opcode === ping) this.#say('', 0x8a);
    else if (this.#opcode === text) this.#heard(this.#begun);
    else if (this.#opcode === binary && this.#isReady) this.messages += 1;
    // the first binary frame of ours holds all weights
    else if (this.#opcode === binary) this.#ready();
  }

  #heard(words: string): void {
    if (this.#peer !== 'socket.io') return;
    if (words.startsWith('40')) this.#ready();
    else if (words === '2') this.#say('3');
  }

  #ready(): void {
    this.#isReady = true;
    this.onReady();
  }

  // a client's frames are masked; a mask of zeros leaves the bytes as they are
  #say(words: string, head = 0x81): void {
    this.#socket.write(Buffer.concat([Buffer.from([head, 0x80 | words.length, 0, 0, 0, 0]), Buffer.from(words)]));
  }
}

/** A subscriber of NATS. */
export class CountNats implements Counting {
  messages = 0;
  onReady: () => void = () => undefined;
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);
  #left = 0;
  #isReady = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.write('CONNECT {"verbose":false}\r\nSUB updates 1\r\nPING\r\n');
  }

  read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#left > 0) {
      const take = Math.min(this.#left, bytes.byteLength);
      this.#left -= take;
      if (this.#left > 0) return;
      this.messages += 1;
      bytes = bytes.subarray(take);
    }
    if (this.#rest.byteLength > 0) bytes = Buffer.concat([this.#rest, bytes]);
    this.#rest = Buffer.alloc(0);
    this.#lines(bytes);
  }

  #lines(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.byteLength) {
      const end = bytes.indexOf('\r\n', at);
      if (end < 0) {
        this.#rest = Buffer.from(bytes.subarray(at));
        return;
      }
      const line = bytes.toString('latin1', at, end);
      at = end + 2;
      if (line === 'PONG' && !this.#isReady) {
        this.#isReady = true;
        this.onReady();
      } else if (line === 'PING') this.#socket.write('PONG\r\n');
      else if (line.startsWith('MSG ')) at = this.#message(Number(line.split(' ').at(-1)) + 2, bytes, at);
    }
  }

  #message(length: number, bytes: Buffer, at: number): number {
    const take = Math.min(length, bytes.byteLength - at);
    this.#left = length - take;
    if (this.#left === 0) this.messages += 1;
    return at + take;
  }
}
