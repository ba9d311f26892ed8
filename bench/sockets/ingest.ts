// Second question: how many gradients a trainer takes in, beside a bare ws server that receives and answers the same frames.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { layout } from '../../src/index.ts';
import type { PublishSettings } from '../../streams/operators/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { Child } from '../child.ts';
import { defined, ratio } from '../kernel/spread.ts';
import { alternate, rateRow } from '../recordings/rounds.ts';
import type { Row, Scale, Table } from '../report.ts';
import type { PushOrder } from './pushers.ts';

const connections = 2;
const inFlight = 8;

/** A row for each size and receiver. */
export async function ingestTable({ smoke }: Scale): Promise<Table> {
  const rows: Row[] = [];
  for (const bytes of smoke ? [1 << 10] : [1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20]) {
    rows.push(...(await compare(bytes, smoke ? 1 : 5)));
  }
  const caption = [
    `Gradients frames per second from ${connections} workers in another process, each with ${inFlight} in flight (7 of 4 MiB: a worker's credit), journal off. The trainer checks, hashes and folds each`,
    'and answers, and publishes to both workers, which are replicas too: an update as large as the frame to each, or all of a second in one. Bare',
    'ws reads the frame and answers with a text as long as an ack.',
  ].join('\n');
  return { title: 'ingest', caption, rows };
}

interface Receiver {
  readonly what: string;
  readonly port: number;
  close(): Promise<void>;
}

async function compare(bytes: number, rounds: number): Promise<Row[]> {
  const receivers = [
    await bare(),
    await trained(bytes, 'gradwire, published once a second', { intervalMs: 1000 }),
    await trained(bytes, 'gradwire, each published', {}),
  ];
  const child = new Child('sockets/pushers.js');
  const count = Math.max(32, Math.min(16_384, (128 << 20) / bytes));
  const arms = receivers.map(({ what, port }) => ({
    what,
    run: async () => {
      const order: PushOrder = { port, bytes, count, connections, inFlight: bytes < 4 << 20 ? inFlight : inFlight - 1 };
      const { seconds } = await child.ask<{ seconds: number }>(order);
      return seconds / count;
    },
  }));
  const timings = await alternate(arms, rounds);
  await child.end();
  for (const receiver of receivers) await receiver.close();
  const size = bytes < 1 << 20 ? `${bytes >> 10} KiB` : `${bytes >> 20} MiB`;
  return timings.map((timing) => ({
    ...rateRow(timing, 'frames/s', 1),
    what: `${size}: ${timing.what}`,
    ...defined({ 'this / bare ws': ratio(timings[0], timing) }),
  }));
}

async function bare(): Promise<Receiver> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (_, isBinary) =>
      socket.send(isBinary ? '{"type":"ack","sequence":1000000,"version":1000000,"duplicate":false}' : '{"type":"welcome"}'),
    );
  });
  const { port } = server.address() as AddressInfo;
  return { what: 'bare ws', port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function trained(bytes: number, what: string, publish: PublishSettings): Promise<Receiver> {
  const model = layout({ w: [bytes / 4] });
  const t = await trainer({ model, publish, listen: { port: 0 } });
  return { what, port: Number(new URL(t.url).port), close: () => t.close() };
}
