// connect, in a browser: with its own WebSocket, and a worker's code loaded only where one is asked for.
import { type Connect, connectBy } from './connect-by.ts';
import { LatePushes } from './late-pushes.ts';
import type { SocketClass } from './socket-class.ts';

/** A replica or a worker of a trainer, by its address: see {@link Connect}. */
export const connect: Connect = connectBy({
  WebSocket: () => (globalThis as { WebSocket?: SocketClass }).WebSocket,
  makePushes: (options, send) => new LatePushes(options, send),
});
