// Fourth question: how long recovery takes for a GiB, and how much memory, each in a process of its own.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../kernel/spread.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { admittedOf, denseJob, type Job } from './batches.ts';
import { inDirectory } from './place.ts';
import { recordJob } from './recorded.ts';

/** What the process says: seconds until the trainer's history is folded, versions folded, and its memory in bytes. */
interface Recovered {
  readonly seconds: number;
  readonly folded: number;
  readonly rssBefore: number;
  readonly rssPeak: number;
}

const gibibyte = 2 ** 30;

/** Directories of two sizes, with small and with larger batches, without a snapshot and with one. */
export async function recoveryTable(flights: Job, { smoke }: Scale): Promise<Table> {
  const rows: Row[] = [];
  for (const [what, job] of [
    ['flights', flights],
    ['64 KiB', denseJob(64 << 10, 64)],
  ] as const) {
    for (const size of smoke ? [2 ** 22] : [gibibyte / 4, gibibyte]) {
      for (const snapshot of [false, true]) rows.push(await recovered(what, job, size, snapshot, smoke ? 1 : 3));
    }
  }
  const caption = [
    'openJournal and the fold of what its newest snapshot does not hold, as a trainer does when it starts; the files are in the cache of the',
    'file system. With a snapshot: 2,500 versions before the end, the mean of a trainer that writes one every 5,000. Peak: resident memory of the',
    'whole process at its largest, of which "before" was there when it began (Node, the library).',
  ].join('\n');
  return { title: 'recovery of a directory', caption, rows };
}

async function recovered(what: string, job: Job, size: number, snapshot: boolean, rounds: number): Promise<Row> {
  return await inDirectory(async (directory) => {
    const [{ frame }] = admittedOf({ ...job, batches: job.batches.slice(0, 1) });
    // a record is somewhat longer than its frame
    const count = Math.ceil(size / (frame.byteLength + 400));
    const snapshotAt = snapshot ? Math.max(1, count - 2500) : undefined;
    const bytes = await recordJob(directory, job, { count, snapshotAt });
    const runs = Array.from({ length: rounds }, () => recoverElsewhere(directory));
    const seconds = median(runs.map((run) => run.seconds));
    return {
      what: `${what}, ${rounded(bytes / gibibyte)} GiB, ${snapshot ? 'with a snapshot' : 'without snapshots'}`,
      seconds: rounded(seconds),
      's per GiB': rounded((seconds * gibibyte) / bytes),
      'batches folded': runs[0].folded,
      'MiB before': Math.round(median(runs.map((run) => run.rssBefore)) / 2 ** 20),
      'MiB at the peak': Math.round(median(runs.map((run) => run.rssPeak)) / 2 ** 20),
    };
  });
}

function recoverElsewhere(directory: string): Recovered {
  const program = fileURLToPath(new URL('recover.js', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [program, directory], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`recovery in a process of its own ended with ${status}`);
  return JSON.parse(stdout);
}
