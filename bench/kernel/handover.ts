// Sixth question: what it takes to hand half of a step to another thread.
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { plain, waysOf } from './gradwire.ts';
import { type Contender, measure, type Timing } from './rounds.ts';
import { median, rowOf } from './spread.ts';

const sizes = [32_768, 65_536, 131_072];

/** For each size the time with one thread and with two, and the part of both that does not grow with the size. */
export async function handoverTable(scale: Scale): Promise<Table> {
  const rows: Row[] = [];
  for (const size of scale.smoke ? sizes.slice(0, 1) : sizes) rows.push(await rowAt(size, scale));
  const caption = [
    'In place. Fixed: twice the time at this size less the time at twice the size, which leaves what does not grow with the size; with two',
    'threads that is the hand-over. Where two threads take as long as one, the optimizer keeps so small a step for itself.',
  ].join('\n');
  return { title: 'hand-over to a second thread', caption, rows };
}

async function rowAt(size: number, scale: Scale): Promise<Row> {
  const [one, oneTwice, two, twoTwice] = await measure([...bothSizes(1), ...bothSizes(2)], size, scale);
  const row = { ...rowOf(two, 'us, 2 threads', 1000), what: `${size.toLocaleString('en-US')} parameters` };
  if (two.skipped !== undefined) return row;
  return {
    ...row,
    'us, 1 thread': rounded(median(one.rounds) / 1000),
    'fixed us, 2 threads': fixed(two, twoTwice),
    'fixed us, 1 thread': fixed(one, oneTwice),
  };
}

function bothSizes(threads: 1 | 2): Contender[] {
  return [1, 2].map((factor) => {
    const [{ what, open }] = waysOf('SIMD', plain, threads, ['in place']);
    return { what: `${what}, times ${factor}`, open: (size) => open(factor * size) };
  });
}

function fixed(once: Timing, twice: Timing): number {
  return rounded(median(once.rounds.map((time, round) => 2 * time - twice.rounds[round])) / 1000);
}
