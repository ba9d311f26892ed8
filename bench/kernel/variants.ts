// Second question: what momentum and centering cost, beside the memory that they touch.
import type { RMSpropOptions } from '../../src/index.ts';
import type { Scale, Table } from '../report.ts';
import { optimizerOf, plain, stepping } from './gradwire.ts';
import { type Contender, measure } from './rounds.ts';
import { defined, ratio, rowOf } from './spread.ts';

interface Variant {
  readonly what: string;
  readonly options: RMSpropOptions<'w'>;
  /** Bytes per parameter that a step in place reads and writes, the check's pass included. */
  readonly bytes: number;
}

const keras3 = { preset: 'keras3', lr: plain.lr } as const;
const variants: readonly Variant[] = [
  { what: 'plain (keras2)', options: plain, bytes: 24 },
  { what: 'plain (keras3)', options: keras3, bytes: 24 },
  { what: 'momentum', options: { ...keras3, momentum: 0.9 }, bytes: 32 },
  { what: 'centered', options: { ...keras3, centered: true }, bytes: 32 },
  { what: 'momentum, centered', options: { ...keras3, momentum: 0.9, centered: true }, bytes: 40 },
];

/** A table for a size that fits into the caches and one for a size that does not. */
export async function variantTables(scale: Scale): Promise<Table[]> {
  const tables: Table[] = [];
  for (const size of scale.smoke ? [1e4] : [1e4, 1e7]) tables.push(await variantTable(size, scale));
  return tables;
}

async function variantTable(size: number, scale: Scale): Promise<Table> {
  const contenders = variants.map(
    ({ what, options }): Contender => ({ what, open: (length) => stepping(optimizerOf(length, options), 'in place') }),
  );
  const timings = await measure(contenders, size, scale);
  const rows = timings.map((timing, i) => {
    const { bytes } = variants[i];
    const traffic = bytes / variants[0].bytes;
    const toPlain = ratio(timing, timings[0]);
    const figures = { 'to plain': toPlain, bytes, 'bytes to plain': traffic, 'time to bytes': toPlain && toPlain / traffic };
    return { ...rowOf(timing, 'ns per parameter', size), ...(timing.skipped === undefined && defined(figures)) };
  });
  const caption = `SIMD, in place, 1 thread. Plain touches g twice (check and step), p and a read and written; momentum and the mean gradient add 8 bytes each.`;
  return { title: `variants, ${size.toLocaleString('en-US')} parameters`, caption, rows };
}
