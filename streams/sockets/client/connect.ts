// connect, in Node: with the WebSocket of the package ws.
import { WebSocket } from 'ws';
import { type Connect, connectBy } from './connect-by.ts';
import { Pushes } from './pushes.ts';
import type { SocketClass } from './socket-class.ts';

/** A replica or a worker of a trainer, by its address: see {@link Connect}. */
export const connect: Connect = connectBy({
  WebSocket: () => WebSocket as unknown as SocketClass,
  makePushes: (options, send) => new Pushes(options, send),
});
