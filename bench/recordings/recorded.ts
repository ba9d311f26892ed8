// Recordings to read back: a directory with as many batches of a job as it takes.
import { concatMap, from, lastValueFrom, range, tap } from 'rxjs';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import { RMSprop } from '../../src/index.ts';
import { snapshotOf } from '../../streams/operators/snapshot.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { admittedOf, type Job } from './batches.ts';

/** Writes `count` batches of a job, taken in turn, to a run in `directory`, with a snapshot of version `snapshotAt`. Gives its bytes. */
export async function recordJob(
  directory: string,
  job: Job,
  { count, snapshotAt }: { readonly count: number; readonly snapshotAt?: number },
): Promise<number> {
  const { model, optimizer } = job;
  const journal = await openJournal(directory, { model, optimizer, durability: 'os' });
  const admitted = admittedOf(job);
  const fold = new RMSprop(model, optimizer);
  const group = 1024;
  const batches$ = range(0, Math.ceil(count / group)).pipe(
    concatMap((i) =>
      from(Array.from({ length: Math.min(group, count - i * group) }, (_, j) => i * group + j)).pipe(
        concatMap((k) => [{ ...admitted[k % admitted.length], version: k + 1 }]),
        journal.commit(),
      ),
    ),
    tap((batch) => {
      if (snapshotAt !== undefined && batch.version <= snapshotAt) fold.step(batch);
    }),
  );
  await lastValueFrom(batches$);
  if (snapshotAt !== undefined) {
    const { name, run, epoch, start } = journal;
    const context = { model: name, run, epoch, producers: start.producers, examples: 0 };
    await journal.snapshots.write(encodeSnapshot(snapshotOf({ optimizer: fold }, context)), snapshotAt);
  }
  await journal.close();
  return journal.bytes;
}
