// A fresh WebSocket until its hello: one text message of 4 KiB at most, in time; everything else ends it.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { GradwireError } from '../../../src/errors.ts';
import { type CloseCode, closeCodes, closeReason } from '../protocol/close-codes.ts';
import { readHello } from '../protocol/hello.ts';
import { type Hello, helloBytes } from '../protocol/words.ts';

// the largest header of a WebSocket frame from a client
const frameHeaderBytes = 14;

/** Waits for the hello on a socket that has just been opened, and hands it on; or closes the socket. `raw` is the connection below. */
export function greet(socket: WebSocket, raw: Socket, helloMs: number, onHello: (hello: Hello) => void): void {
  let state: 'waiting' | 'greeted' | 'refused' = 'waiting';
  let received = 0;

  function stop(): void {
    clearTimeout(timer);
    socket.off('message', read);
    socket.off('close', stop);
  }

  // its own close is still read, and nothing beyond the limit
  function refuse(code: CloseCode, text: string): void {
    state = 'refused';
    stop();
    socket.close(code, closeReason(text));
  }

  // counted below the WebSocket, so that nothing larger is ever collected into a message
  function count(chunk: Buffer): void {
    received += chunk.byteLength;
    if (state === 'greeted' || received <= helloBytes + frameHeaderBytes) return;
    if (state === 'waiting') refuse(closeCodes.limit, tooLong);
    raw.off('data', count);
    // whatever else comes is left in the network, its own close too: so the end goes out at once, and the rest has a deadline
    socket.pause();
    raw.end();
  }

  function read(data: RawData, isBinary: boolean): void {
    try {
      const hello = helloIn(data as Buffer, isBinary);
      state = 'greeted';
      stop();
      raw.off('data', count);
      onHello(hello);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refuse(error.code, error.message);
    }
  }

  const timer = setTimeout(() => refuse(closeCodes.helloTimeout, `E_TIMEOUT: no hello within ${helloMs} ms`), helloMs);
  raw.on('data', count);
  socket.on('message', read);
  socket.on('close', stop);
}

const tooLong = `E_TOO_LARGE: a hello has at most ${helloBytes} bytes`;

class Refused extends Error {
  readonly code: CloseCode;

  constructor(code: CloseCode, text: string) {
    super(text);
    this.code = code;
  }
}

function helloIn(bytes: Buffer, isBinary: boolean): Hello {
  if (isBinary) throw new Refused(closeCodes.badRequest, 'E_PROTOCOL: the first message is a hello, in text');
  if (bytes.byteLength > helloBytes) throw new Refused(closeCodes.limit, tooLong);
  try {
    return readHello(bytes.toString());
  } catch (error) {
    throw error instanceof GradwireError ? new Refused(closeCodes.badRequest, error.message) : error;
  }
}
