// Second question: what the journal costs a trainer on the flights job.
import { trainer } from '../../streams/trainer.ts';
import { ratio } from '../kernel/spread.ts';
import { rounded, type Scale, type Table } from '../report.ts';
import type { Job } from './batches.ts';
import { inDirectory } from './place.ts';
import { pushAll } from './push.ts';
import { alternate, rateRow } from './rounds.ts';

/** The trainer's whole pipe with a directory and without one. */
export async function trainerTable(job: Job, { smoke }: Scale): Promise<Table> {
  const count = smoke ? 1000 : 16_384;
  const inFlight = 256;
  const push = async (directory: string | undefined) => {
    const t = await trainer({ model: job.model, optimizer: job.optimizer, directory });
    try {
      return (await pushAll(t, job.batches, count, inFlight)) / count;
    } finally {
      await t.close();
    }
  };
  const [on, off] = await alternate(
    [
      { what: 'journal on (directory, fsync, snapshots every 5,000)', run: () => inDirectory(push) },
      { what: 'journal off (no directory)', run: () => push(undefined) },
    ],
    smoke ? 2 : 7,
    { warmUps: 2 },
  );
  const share = rounded(1 / (ratio(on, off) ?? Number.NaN));
  return {
    title: 'a trainer with its journal on and off, flights job',
    caption: `Batches of 64 flights, computed before; ${inFlight} pushes of this process in flight; encoded, admitted, folded, published.`,
    rows: [{ ...rateRow(on, 'batches/s', 1), 'of the other': share }, rateRow(off, 'batches/s', 1)],
  };
}
