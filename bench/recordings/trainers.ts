// Second question: what the journal costs a trainer on the flights job.
import { Child } from '../child.ts';
import { ratio } from '../kernel/spread.ts';
import { rounded, type Scale, type Table } from '../report.ts';
import { type Arm, alternate, rateRow } from './rounds.ts';
import type { TrainOrder } from './trains.ts';

/** The trainer's whole pipe with a directory and without one. */
export async function trainerTable({ smoke }: Scale): Promise<Table> {
  const [count, inFlight] = [smoke ? 1000 : 16_384, 256];
  const order = { job: { flights: smoke ? 500 : count }, count, inFlight };
  const [on, off] = await trainersBeside(order, (journal) =>
    alternate(
      [
        { what: 'journal on (directory, fsync, snapshots every 5,000)', run: journal.on },
        { what: 'journal off (no directory)', run: journal.off },
      ],
      smoke ? 2 : 7,
      { warmUps: 2 },
    ),
  );
  const share = rounded(1 / (ratio(on, off) ?? Number.NaN));
  const caption = [
    `Batches of 64 flights, computed before; ${inFlight} pushes of the trainer's own process in flight; encoded, admitted, folded, published.`,
    'Each of the two has a process of its own.',
  ].join('\n');
  return {
    title: 'a trainer with its journal on and off, flights job',
    caption,
    rows: [{ ...rateRow(on, 'batches/s', 1), 'of the other': share }, rateRow(off, 'batches/s', 1)],
  };
}

/** Measures trainers with a journal and without one, each kind in a process of its own: seconds for one batch. */
export async function trainersBeside<Measured>(
  order: Omit<TrainOrder, 'journal'>,
  measure: (journal: { readonly on: Arm['run']; readonly off: Arm['run'] }) => Promise<Measured>,
): Promise<Measured> {
  const [on, off] = [new Child('recordings/trains.js'), new Child('recordings/trains.js')];
  const run = (child: Child, journal: boolean) => async (): Promise<number> =>
    (await child.ask<{ seconds: number }>({ ...order, journal })).seconds / order.count;
  try {
    return await measure({ on: run(on, true), off: run(off, false) });
  } finally {
    await Promise.all([on.end(), off.end()]);
  }
}
