// Batches per second through the whole pipe: in process, over a socket, with the journal on and off.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, map, range, takeWhile } from 'rxjs';
import type { GradientRecord, Layout } from '../src/index.ts';
import { layout } from '../src/index.ts';
import { publish, rmsprop } from '../streams/operators/index.ts';
import { connect } from '../streams/sockets/index.ts';
import { trainer } from '../streams/trainer.ts';
import type { Report, Row, Scale } from './report.ts';

interface Workload {
  readonly name: string;
  readonly model: Layout<'w'>;
  readonly batch: GradientRecord<'w'>;
}

const rows = Int32Array.from({ length: 400 }, (_, i) => i * 40);
const workloads: readonly Workload[] = [
  {
    name: '400 rows of 16,384 weights (the flights job)',
    model: layout({ w: [16_384] }),
    batch: { w: { rows, values: new Float32Array(400).fill(0.01) } },
  },
  { name: '10,000 dense parameters', model: layout({ w: [100, 100] }), batch: { w: new Float32Array(10_000).fill(0.01) } },
  {
    name: '1,000,000 dense parameters',
    model: layout({ w: [1000, 1000] }),
    batch: { w: new Float32Array(1_000_000).fill(0.01) },
  },
];

const optimizer = { lr: 0.01, sparse: 'lazy' } as const;

/** Every workload on each of its four ways, one after the other in this process. */
export async function pipeline({ smoke }: Scale): Promise<Report> {
  const seconds = smoke ? 0.2 : 3;
  const table: Row[] = [];
  for (const workload of workloads) {
    const operators = await operatorsAlone(workload, seconds);
    const ways: [string, number][] = [
      ['operators: rmsprop, publish', operators],
      ['trainer, no journal', await inProcess(workload, seconds)],
      ['trainer, journal', await withJournal((directory) => inProcess(workload, seconds, directory))],
      ['socket, no journal', await overSocket(workload, seconds)],
      ['socket, journal', await withJournal((directory) => overSocket(workload, seconds, directory))],
    ];
    for (const [way, rate] of ways) {
      table.push({
        what: `${workload.name}; ${way}`,
        'batches/s': Math.round(rate),
        'of the operators': Number((rate / operators).toFixed(3)),
      });
    }
  }
  return { tables: [{ title: 'batches per second', rows: table }] };
}

async function operatorsAlone({ model, batch }: Workload, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  const steps$ = range(1, Number.MAX_SAFE_INTEGER).pipe(
    takeWhile(() => performance.now() < end),
    map(() => batch),
    rmsprop(model, optimizer),
    publish(),
  );
  const { version } = await lastValueFrom(steps$);
  return version / seconds;
}

async function inProcess({ model, batch }: Workload, seconds: number, directory?: string): Promise<number> {
  const t = await trainer({ model, optimizer, directory });
  try {
    // a trainer takes 64 MiB of batches that wait
    const width = Math.max(1, Math.min(64, Math.floor((32 << 20) / model.byteLength)));
    return await pushFor(seconds, () => t.push(batch), width);
  } finally {
    await t.close();
  }
}

async function overSocket({ model, batch }: Workload, seconds: number, directory?: string): Promise<number> {
  const t = await trainer({ model, optimizer, directory, listen: { port: 0 } });
  const worker = connect(t.url, { role: 'worker' });
  try {
    await worker.ready;
    return await pushFor(seconds, () => worker.push({ gradients: batch }), 8);
  } finally {
    await worker.close();
    await t.close();
  }
}

/** Acknowledged pushes per second with as many in flight as `width`. */
async function pushFor(seconds: number, push: () => Promise<unknown>, width: number): Promise<number> {
  const start = performance.now();
  let count = 0;
  const lanes = Array.from({ length: width }, async () => {
    while (performance.now() - start < seconds * 1000) {
      await push();
      count += 1;
    }
  });
  await Promise.all(lanes);
  return (count * 1000) / (performance.now() - start);
}

async function withJournal(measure: (directory: string) => Promise<number>): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'gradwire-bench-'));
  try {
    return await measure(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
