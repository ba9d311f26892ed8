// Fourth question: 1,000 rows of 16 cost the same in a small table and in a large one.
import { layout, RMSprop } from '../../src/index.ts';
import type { Scale, Table } from '../report.ts';
import { plain } from './gradwire.ts';
import { type Contender, measure, timed } from './rounds.ts';
import { defined, ratio, rowOf } from './spread.ts';

const touched = 1000;
const rowLength = 16;
const batches = 64;
const tables = [1e4, 1e6];

/** Lazy and exact rows in both tables. */
export async function rowsTable(scale: Scale): Promise<Table> {
  const contenders = (['lazy', 'exact'] as const).flatMap((sparse) => tables.map((rows) => contender(sparse, rows)));
  const timings = await measure(contenders, touched * rowLength, scale);
  const rows = timings.map((timing, i) => ({
    ...rowOf(timing, 'ns per value', touched * rowLength),
    ...defined({
      'to the small table': ratio(timing, timings[i - (i % tables.length)]),
      'to lazy': ratio(timing, timings[i % tables.length]),
    }),
  }));
  const caption = `${batches} batches in turn, each of other rows in ascending order, so that a large table is mostly out of the caches.`;
  return { title: 'rows: 1,000 of 16 values', caption, rows };
}

function contender(sparse: 'lazy' | 'exact', rows: number): Contender {
  return {
    what: `${sparse}, a table of ${rows.toLocaleString('en-US')} rows`,
    open: () => {
      const optimizer = new RMSprop(layout({ w: [rows, rowLength] }), { ...plain, sparse });
      const values = new Float32Array(touched * rowLength).fill(0.01);
      const turns = Array.from({ length: batches }, (_, turn) => ({ w: { rows: spreadOver(rows, turn), values } }));
      // a table's memory is the system's until it is first touched
      for (const batch of turns) optimizer.step(batch);
      let turn = 0;
      return timed(() => optimizer.step(turns[turn++ % batches]));
    },
  };
}

// one row from each of 1,000 equal stretches: ascending, without duplicates
function spreadOver(rows: number, turn: number): Int32Array {
  const stretch = rows / touched;
  const place = (i: number) => (Math.imul(i * batches + turn + 1, 2654435761) >>> 0) / 4294967296;
  return Int32Array.from({ length: touched }, (_, i) => Math.floor((i + place(i)) * stretch));
}
