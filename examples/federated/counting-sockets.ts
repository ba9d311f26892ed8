// A WebSocket class that counts the bytes of all messages that its sockets send.
import type { SocketClass } from 'gradwire/sockets';
import { WebSocket } from 'ws';

/** Such a class, and what gives the bytes sent since it was last asked. */
export function countingSockets(): { readonly WebSocket: SocketClass; takeBytes(): number } {
  let bytes = 0;
  class CountingSocket extends WebSocket {
    override send(data: string | Uint8Array): void {
      bytes += Buffer.byteLength(data);
      super.send(data);
    }
  }
  return {
    WebSocket: CountingSocket as unknown as SocketClass,
    takeBytes: () => {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
  };
}
