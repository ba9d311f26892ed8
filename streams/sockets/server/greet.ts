// A fresh WebSocket until its hello: one text message of 4 KiB at most, in time; everything else ends it.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { GradwireError } from '../../../src/errors.ts';
import { type CloseCode, closeCodes, closeReason } from '../protocol/close-codes.ts';
import { readHello } from '../protocol/hello.ts';
import { type Hello, helloBytes } from '../protocol/words.ts';

// the largest header of a WebSocket frame from a client
const frameHeaderBytes = 14;

/** Why a client is not let in, as its connection's close. */
export type Refusal = readonly [code: CloseCode, reason: string];

/**
 * Waits for the hello on a socket that has just been opened, and hands it on; or closes the socket, as it does where `onHello` refuses
 * who said it. `raw` is the connection below.
 */
export function greet(socket: WebSocket, raw: Socket, helloMs: number, onHello: (hello: Hello) => Refusal | undefined): void {
  let waiting = true;
  const uncount = count(socket, raw, () => {
    if (waiting) refuse(closeCodes.limit, tooLong);
  });

  function stop(): void {
    waiting = false;
    clearTimeout(timer);
    socket.off('message', read);
    socket.off('close', stop);
  }

  function refuse(code: CloseCode, text: string): void {
    stop();
    socket.close(code, closeReason(text));
  }

  function read(data: RawData, isBinary: boolean): void {
    try {
      const hello = helloIn(data as Buffer, isBinary);
      stop();
      const refused = onHello(hello);
      if (refused === undefined) uncount();
      else refuse(...refused);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refuse(error.code, error.message);
    }
  }

  const timer = setTimeout(() => refuse(closeCodes.helloTimeout, `E_TIMEOUT: no hello within ${helloMs} ms`), helloMs);
  socket.on('message', read);
  socket.on('close', stop);
}

/** Closes a socket that has just been opened, before its hello. */
export function turnAway(socket: WebSocket, raw: Socket, [code, text]: Refusal): void {
  count(socket, raw, () => undefined);
  socket.close(code, closeReason(text));
}

/**
 * Reads of a stranger no more than a hello and a close may have, then calls `beyond` and reads nothing more. It counts below the
 * WebSocket, so that nothing larger is ever collected into a message. Returns what ends the counting.
 */
function count(socket: WebSocket, raw: Socket, beyond: () => void): () => void {
  let received = 0;
  let known = false;
  function add(chunk: Buffer): void {
    received += chunk.byteLength;
    // a chunk may hold the hello and what comes after it
    if (known || received <= helloBytes + frameHeaderBytes) return;
    raw.off('data', add);
    beyond();
    // whatever else comes is left in the network, its own close too: so the end goes out at once, and the rest has a deadline
    socket.pause();
    raw.end();
  }
  raw.on('data', add);
  return () => {
    known = true;
    raw.off('data', add);
  };
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
