// Fourth question: what a slow, a stalled and a flooding peer cost the healthy replicas beside them.
import { setTimeout as sleep } from 'node:timers/promises';
import { layout } from '../../src/index.ts';
import { type Trainer, trainer } from '../../streams/trainer.ts';
import { Child } from '../child.ts';
import { median } from '../kernel/spread.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import type { CrowdOrder } from './crowd.ts';
import { percentile } from './percentile.ts';

const parameters = 10_000;
const healthy = 47;

/** The 99th percentile of update latency of the healthy ones, without bad neighbours and with them, in turn. */
export async function neighboursTable({ smoke }: Scale): Promise<Table> {
  const [rounds, updates, perSecond] = smoke ? [1, 20, 50] : [6, 400, 50];
  const t = await trainer<string>({ model: layout({ w: [parameters] }), listen: { port: 0 } });
  const [crowd, strangers] = [new Child('sockets/crowd.js'), new Child('sockets/crowd.js')];
  const ask = (child: Child, order: CrowdOrder) => child.ask<{ arrivals: [number, string][] }>(order);
  await ask(crowd, { what: 'healthy', url: t.url, count: healthy });
  const alone: number[][] = [];
  const beside: number[][] = [];
  for (let round = -1; round < rounds; round++) {
    for (const taken of [alone, beside]) {
      if (taken === beside) await ask(strangers, { what: 'bad', url: t.url });
      const sent = await publish(t, updates, perSecond);
      while (t.status().version > 0 && !(await settled(crowd, sent, taken, round >= 0))) await sleep(50);
      if (taken === beside) await ask(strangers, { what: 'leave' });
    }
  }
  await Promise.all([crowd.end(), strangers.end()]);
  await t.close();
  const row = (what: string, taken: readonly number[][]): Row => ({
    what,
    'p50 ms': rounded(median(taken.map((each) => percentile(each, 0.5)))),
    'p99 ms': rounded(median(taken.map((each) => percentile(each, 0.99)))),
    'p99 / alone': rounded(median(taken.map((each, round) => percentile(each, 0.99) / percentile(alone[round], 0.99)))),
  });
  const caption = [
    `Milliseconds from publishing an update to its having been applied on each of ${healthy} replicas in one other process: ${parameters} parameters, ${perSecond} updates per second.`,
    'The bad ones: one that reads 1 KB/s, one that never reads, one that sends pings as fast as it can and never reads.',
  ].join('\n');
  return {
    title: 'bad neighbours',
    caption,
    rows: [row(`${healthy} healthy replicas alone`, alone), row('with three bad ones beside them', beside)],
  };
}

const pending: [version: number, atNs: string][] = [];

/** Whether every update has come everywhere; then what they took is noted. */
async function settled(crowd: Child, sent: ReadonlyMap<number, bigint>, taken: number[][], counts: boolean): Promise<boolean> {
  const { arrivals } = await crowd.ask<{ arrivals: [number, string][] }>({ what: 'lateness' } satisfies CrowdOrder);
  pending.push(...arrivals);
  if (pending.length < sent.size * healthy) return false;
  const latencies = pending.splice(0).map(([version, atNs]) => Number(BigInt(atNs) - (sent.get(version) ?? 0n)) / 1e6);
  if (counts) taken.push(latencies);
  return true;
}

async function publish(t: Trainer, updates: number, perSecond: number): Promise<Map<number, bigint>> {
  const gradients = { w: new Float32Array(parameters).map((_, i) => Math.sin(i) / 8) };
  const sent = new Map<number, bigint>();
  for (let i = 0; i < updates; i++) {
    sent.set(t.version + 1, process.hrtime.bigint());
    await t.push({ gradients });
    await sleep(1000 / perSecond);
  }
  return sent;
}
