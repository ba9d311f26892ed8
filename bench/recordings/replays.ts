// Third question: how fast a recording is folded, beside the same batches out of memory.
import { from, lastValueFrom, type Observable } from 'rxjs';
import { admit, publish, rmsprop } from '../../streams/operators/index.ts';
import { foldFrom, replay } from '../../streams/recordings/index.ts';
import type { Timing } from '../kernel/rounds.ts';
import { ratio } from '../kernel/spread.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { admittedOf, type Job } from './batches.ts';
import { inDirectory } from './place.ts';
import { recordJob } from './recorded.ts';
import { alternate, rateRow } from './rounds.ts';

/** Replays of a job's batches. */
export async function replayTable(what: string, job: Job, { smoke }: Scale): Promise<Table> {
  const rows = await beside(what, job, smoke ? 2 : 7);
  const caption = [
    'The recording lies in the cache of the file system. "pipeline in memory": the frames as they arrived through admit, rmsprop and publish,',
    'as in a trainer without a journal. "fold in memory": batches that are decoded and checked, through rmsprop alone. "of the pipeline",',
    '"of the fold": medians of the ratios of the rounds. "lent": batches that are overwritten by the next, as the commands and a',
    'recovery fold them; the others stay as they are, each in memory of its own.',
  ].join('\n');
  return { title: `replay of a recording, ${what}`, caption, rows };
}

async function beside(what: string, job: Job, rounds: number): Promise<Row[]> {
  return await inDirectory(async (directory) => {
    const { model, batches } = job;
    await recordJob(directory, job, { count: batches.length });
    const { state } = await foldFrom<'weights'>(directory);
    const admitted = admittedOf(job);
    const options = { ...job.optimizer, state };
    const sources: Record<string, () => Observable<unknown>> = {
      'replay, lent, rmsprop': () => replay(directory, { model, lent: true }).pipe(rmsprop(model, options)),
      'replay, rmsprop': () => replay(directory, { model }).pipe(rmsprop(model, options)),
      'pipeline in memory': () => from(admitted).pipe(admit(model, { version: () => 0 }), rmsprop(model, options), publish()),
      'fold in memory': () => from(admitted).pipe(rmsprop(model, options)),
    };
    const arms = Object.entries(sources).map(([way, run$]) => ({
      what: `${what}: ${way}`,
      run: async () => {
        const start = performance.now();
        await lastValueFrom(run$());
        return (performance.now() - start) / 1000 / batches.length;
      },
    }));
    const timings = await alternate(arms, rounds);
    const [pipeline, fold] = timings.slice(-2);
    const shares = (replayed: Timing) => ({
      'of the pipeline': rounded(1 / (ratio(replayed, pipeline) ?? Number.NaN)),
      'of the fold': rounded(1 / (ratio(replayed, fold) ?? Number.NaN)),
    });
    return timings.map((timing, i) => ({ ...rateRow(timing, 'batches/s', 1), ...(i < 2 && shares(timing)) }));
  });
}
