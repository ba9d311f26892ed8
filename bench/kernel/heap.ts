// Fifth question: whether a million steps leave anything on the heap.
import type { Scale, Table } from '../report.ts';
import { gradientOf } from './gradients.ts';
import { optimizerOf, plain } from './gradwire.ts';
import { collectGarbage } from './rounds.ts';

const size = 1000;

/** The heap in use after a full collection, before and after the steps. */
export function heapTable({ smoke }: Scale): Table {
  const steps = smoke ? 1e5 : 1e6;
  const optimizer = optimizerOf(size, plain);
  const batch = { w: gradientOf(size) };
  const run = (count: number) => {
    for (let step = 0; step < count; step++) optimizer.step(batch);
  };
  run(10_000);
  const before = heapUsed();
  run(steps);
  const after = heapUsed();
  const row = { 'bytes before': before, 'bytes after': after, 'bytes per step': (after - before) / steps };
  return {
    title: `heap in use after a collection, around ${steps.toLocaleString('en-US')} steps of ${size.toLocaleString('en-US')} parameters`,
    rows: [{ what: 'step({ w })', ...row }],
  };
}

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
