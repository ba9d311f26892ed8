// Third question: how long from a worker's push to the update on a replica, beside bare ws through as many hops.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { layout } from '../../src/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { Child } from '../child.ts';
import { median } from '../kernel/spread.ts';
import { inDirectory } from '../recordings/place.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import type { PaceOrder } from './followers.ts';
import { percentile } from './percentile.ts';

const parameters = 10_000;
const perSecond = 500;

/** Median and 99th percentile, without a journal and with one. */
export async function latencyTable({ smoke }: Scale): Promise<Table> {
  const [rounds, count] = smoke ? [1, 100] : [5, 2500];
  const child = new Child('sockets/followers.js');
  const arms = [
    {
      what: 'bare ws: worker, server, replica',
      run: (order: Order) => withBare((url) => child.ask({ ...order, url, peer: 'ws' })),
    },
    {
      what: 'gradwire, journal off',
      run: (order: Order) => withTrainer(undefined, (url) => child.ask({ ...order, url, peer: 'gradwire' })),
    },
    {
      what: 'gradwire, journal on (fsync)',
      run: (order: Order) =>
        inDirectory((directory) => withTrainer(directory, (url) => child.ask({ ...order, url, peer: 'gradwire' }))),
    },
  ];
  const taken = arms.map((): { p50: number; p99: number }[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, arm] of arms.entries()) {
      const { latenciesMs } = (await arm.run({ parameters, count, perSecond })) as { latenciesMs: number[] };
      if (round >= 0) taken[i].push({ p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99) });
    }
  }
  await child.end();
  const [base] = taken;
  const rows = arms.map(({ what }, i): Row => {
    const p50 = median(taken[i].map((each) => each.p50));
    const p99 = median(taken[i].map((each) => each.p99));
    const over = (name: 'p50' | 'p99'): number => rounded(median(taken[i].map((each, round) => each[name] / base[round][name])));
    return { what, 'p50 ms': rounded(p50), 'p99 ms': rounded(p99), 'p50 / bare ws': over('p50'), 'p99 / bare ws': over('p99') };
  });
  const caption = `Milliseconds from push() until the replica has applied the update: ${parameters} parameters, ${perSecond} batches per second, both clients in one other process; the median of the rounds.`;
  return { title: 'latency', caption, rows };
}

type Order = Pick<PaceOrder, 'parameters' | 'count' | 'perSecond'>;

async function withTrainer<T>(directory: string | undefined, use: (url: string) => Promise<T>): Promise<T> {
  const t = await trainer({ model: layout({ w: [parameters] }), listen: { port: 0 }, directory });
  try {
    return await use(t.url);
  } finally {
    await t.close();
  }
}

async function withBare<T>(use: (url: string) => Promise<T>): Promise<T> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      for (const other of server.clients) if (other !== socket) other.send(data);
    });
  });
  try {
    return await use(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
