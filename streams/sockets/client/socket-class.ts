// The WebSocket class as the client uses it: what browsers, Node and the package ws have in common.

/** A WebSocket. `terminate`, `pause` and `resume` are ws' own: it cuts without a closing handshake, and it stops reading. */
export interface ClientSocket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  terminate?(): void;
  pause?(): void;
  resume?(): void;
}

/** The class: ws' takes options, others ignore them. */
export type SocketClass = new (url: string, protocols: string[], options?: object) => ClientSocket;

/** A message event: text, or binary as an ArrayBuffer. */
export interface MessageEvent {
  readonly data: unknown;
}

/** A close event. */
export interface CloseEvent {
  readonly code: number;
  readonly reason: string;
}

/** An error event; browsers say nothing in it. */
export interface ErrorEvent {
  readonly message?: string;
}

// weights of 2^28 floats and their header
const maxPayload = 2 ** 30 + 2 ** 21;

// how long ws waits for the other side's half of a close
const closeTimeout = 1000;

/** What a socket is opened with. */
export interface SocketOptions {
  readonly WebSocket: SocketClass;
  /** For the package ws alone. */
  readonly tls?: object | undefined;
}

/** Opens a socket that hands binary messages over as ArrayBuffers. */
export function openSocket({ WebSocket: Socket, tls }: SocketOptions, url: string, protocol: string): ClientSocket {
  const socket = new Socket(url, [protocol], { ...tls, perMessageDeflate: false, maxPayload, closeTimeout });
  socket.binaryType = 'arraybuffer';
  return socket;
}

/** Leaves a socket for good: nothing that it still says is heard. `code` is sent where the connection still works. */
export function leaveSocket(socket: ClientSocket, code: number): void {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  // ws emits an error where it is closed before it is open
  socket.onerror = () => undefined;
  socket.close(code);
}
