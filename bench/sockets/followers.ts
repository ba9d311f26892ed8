// The clients of the latency, in a process of their own: a worker that pushes at a steady pace, and a replica that waits for its updates.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { connect } from '../../streams/sockets/index.ts';
import { answerQuestions } from '../child.ts';
import { pace } from './pace.ts';

/** To push so many batches at a pace, to a trainer or to a bare ws server that hands each on to the other connection. */
export interface PaceOrder {
  readonly url: string;
  readonly peer: 'gradwire' | 'ws';
  readonly parameters: number;
  readonly count: number;
  readonly perSecond: number;
}

answerQuestions(async (order: PaceOrder) => ({ latenciesMs: order.peer === 'ws' ? await echoed(order) : await applied(order) }));

/** Milliseconds from each push to its update on the replica. */
async function applied({ url, parameters, count, perSecond }: PaceOrder): Promise<number[]> {
  const worker = connect(url, { role: 'worker', producer: 'pace' });
  const replica = connect(url);
  await Promise.all([worker.ready, replica.ready]);
  const first = replica.version;
  const begun: number[] = [];
  const latencies: number[] = [];
  const done = new Promise<void>((resolve) => {
    replica.updates$.subscribe(({ version }) => {
      while (first + latencies.length < version) latencies.push(performance.now() - begun[latencies.length]);
      if (latencies.length === count) resolve();
    });
  });
  const gradients = { w: new Float32Array(parameters).map((_, i) => Math.sin(i) / 8) };
  const pushed: Promise<unknown>[] = [];
  await pace(count, perSecond, () => {
    begun.push(performance.now());
    pushed.push(worker.push({ gradients }));
  });
  await Promise.all([done, ...pushed]);
  await Promise.all([worker.close(), replica.close()]);
  return latencies;
}

async function echoed({ url, parameters, count, perSecond }: PaceOrder): Promise<number[]> {
  const [worker, replica] = [url, url].map((each) => new WebSocket(each, { perMessageDeflate: false }));
  await Promise.all([once(worker, 'open'), once(replica, 'open')]);
  const begun: number[] = [];
  const latencies: number[] = [];
  const done = new Promise<void>((resolve) => {
    replica.on('message', () => {
      latencies.push(performance.now() - begun[latencies.length]);
      if (latencies.length === count) resolve();
    });
  });
  const frame = new Uint8Array(parameters * 4 + 500);
  await pace(count, perSecond, () => {
    begun.push(performance.now());
    worker.send(frame);
  });
  await done;
  for (const socket of [worker, replica]) socket.terminate();
  return latencies;
}
