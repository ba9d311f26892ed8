// The reading side of the broadcasts, in a process of its own: many connections that count messages and look at nothing else.
import { connect, type Socket } from 'node:net';
import { type Counting, CountNats, CountWebSocket } from './counting.ts';
import type { FromReaders, ReadersOrder } from './orders.ts';

const tell = (message: FromReaders): void => void process.send?.(message);

process.on('message', (order: ReadersOrder) => {
  if (order.what === 'open') open(order);
  else for (const connection of connections) connection.end();
});

const connections: Socket[] = [];

// a server lets so many wait at its door and no more
const atOnce = 32;

function open({ peer, port, count, window }: Extract<ReadersOrder, { what: 'open' }>): void {
  let ready = 0;
  // how many connections have come past each window of messages
  const past = new Map<number, number>();

  function connectOne(): void {
    const socket = connect(port, '127.0.0.1').setNoDelay();
    connections.push(socket);
    const counting: Counting = peer === 'nats' ? new CountNats(socket) : new CountWebSocket(socket, peer);
    let passed = 0;
    counting.onReady = () => {
      ready += 1;
      if (connections.length < count) connectOne();
      if (ready === count) tell({ what: 'ready' });
    };
    socket.on('data', (chunk: Buffer) => {
      counting.read(chunk);
      for (; passed < Math.floor(counting.messages / window); passed++) {
        const reached = (past.get(passed + 1) ?? 0) + 1;
        if (reached < count) past.set(passed + 1, reached);
        else {
          past.delete(passed + 1);
          tell({ what: 'past', windows: passed + 1 });
        }
      }
    });
    socket.on('error', (error) => tell({ what: 'failed', text: String(error) }));
  }

  for (let i = 0; i < Math.min(count, atOnce); i++) connectOne();
}
