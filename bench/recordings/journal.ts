// First question: how much of the disk's own speed is left of acknowledged bytes, and how many small batches a second.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import type { Admitted } from '../../streams/operators/index.ts';
import { createFile } from '../../streams/recordings/disk.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { ratio } from '../kernel/spread.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { admittedOf, denseJob, type Job } from './batches.ts';
import { inDirectory } from './place.ts';
import { alternate, rateRow } from './rounds.ts';
import { trainersBeside } from './trainers.ts';

/** Sizes with as many batches in flight as fill a trainer's queue of 64 MiB. */
const sizes = [
  { what: '64 KiB', byteLength: 64 << 10, inFlight: 1024 },
  { what: '4 MiB', byteLength: 4 << 20, inFlight: 16 },
];

// of one run: 64 MiB are in flight before the first group is written, and of a short run that is a large part
const runBytes = 512 << 20;

// the kernel takes so many buffers in one call
const mostBuffers = 1024;

/** The journal beside a bare loop with the same groups. */
export async function journalTable(scale: Scale): Promise<Table> {
  const rows: Row[] = [];
  for (const size of sizes) rows.push(...(await beside(size, scale)));
  const caption = [
    'Acknowledged bytes through openJournal().commit(), fsync, in a closed loop; the bare loop writes the same frames in the same groups to a',
    'file of its own, one writev and one fdatasync for each group. 512 MiB in each round. Of the bare loop: median of the ratios of the rounds.',
  ].join('\n');
  return { title: 'journal beside a bare loop of write and fdatasync', caption, rows };
}

async function beside({ what, byteLength, inFlight }: (typeof sizes)[number], { smoke }: Scale): Promise<Row[]> {
  const totalBytes = smoke ? 32 << 20 : runBytes;
  const count = totalBytes / byteLength;
  const job = denseJob(byteLength, Math.min(count, Math.ceil((32 << 20) / byteLength)));
  const admitted = admittedOf(job);
  let groups: readonly number[] = [];
  const arms = [
    {
      what: `${what}, journal, ${inFlight} in flight`,
      run: async () => {
        const recorded = await inDirectory((directory) => record(directory, job, { admitted, count, inFlight }));
        groups = recorded.groups.map((bytes) => Math.round(bytes / byteLength));
        return recorded.seconds;
      },
    },
    { what: `${what}, bare loop`, run: () => inDirectory((directory) => bare(directory, admitted, groups)) },
  ];
  // the bare loop always follows the journal whose groups it takes
  const [journal, loop] = await alternate(arms, smoke ? 2 : 7, { reverses: false });
  const rates = [journal, loop].map((timing) => rateRow(timing, 'MB/s', totalBytes / 1e6));
  const share = 1 / (ratio(journal, loop) ?? Number.NaN);
  const groupBytes = rounded(totalBytes / groups.length / 2 ** 20);
  return [{ ...rates[0], 'of the bare loop': rounded(share), 'MiB in a group': groupBytes }, rates[1]];
}

/** The job's batches as they were admitted, how many of them in all, and how many at once. */
interface Given {
  readonly admitted: ReturnType<typeof admittedOf>;
  readonly count: number;
  readonly inFlight: number;
}

/** Seconds for `count` batches through a new journal, and the bytes of each group that it wrote. */
async function record(directory: string, job: Job, { admitted, count, inFlight }: Given) {
  const groups: number[] = [];
  const journal = await openJournal(directory, {
    model: job.model,
    optimizer: job.optimizer,
    create: counting(groups),
  });
  const source = new Subject<Admitted<'weights'>>();
  groups.length = 0;
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    const send = (): void => {
      sent += 1;
      source.next({ ...admitted[sent % admitted.length], version: sent });
    };
    source.pipe(journal.commit()).subscribe({
      next: ({ version }) => {
        if (version === count) resolve();
        else if (sent < count) send();
      },
      error: reject,
    });
    for (let i = 0; i < inFlight; i++) send();
  });
  const seconds = (performance.now() - start) / 1000;
  source.complete();
  const measured = [...groups];
  await journal.close();
  return { seconds, groups: measured };
}

/** Makes files that note the bytes of each group that is synced. */
function counting(groups: number[]): typeof createFile {
  return async (path) => {
    const file = await createFile(path);
    let groupBytes = 0;
    const [writev, datasync] = [file.writev.bind(file), file.datasync.bind(file)];
    file.writev = (async (parts: NodeJS.ArrayBufferView[], position: number) => {
      const result = await writev(parts, position);
      groupBytes += result.bytesWritten;
      return result;
    }) as typeof file.writev;
    file.datasync = async () => {
      await datasync();
      groups.push(groupBytes);
      groupBytes = 0;
    };
    return file;
  };
}

/** Seconds for a plain loop over the same frames in groups of as many batches: one writev and one fdatasync for each. */
async function bare(directory: string, admitted: Given['admitted'], groups: readonly number[]): Promise<number> {
  const frames = admitted.map(({ frame }) => frame);
  const file = await open(join(directory, 'bare'), 'wx');
  let next = 0;
  const start = performance.now();
  for (const group of groups) {
    let rest = Array.from({ length: group }, () => frames[next++ % frames.length]);
    while (rest.length > 0) {
      const parts = rest.slice(0, mostBuffers);
      const { bytesWritten } = await file.writev(parts);
      if (bytesWritten !== parts.reduce((sum, part) => sum + part.byteLength, 0))
        throw new Error('a short write: the disk of this benchmark is full');
      rest = rest.slice(mostBuffers);
    }
    await file.datasync();
  }
  const seconds = (performance.now() - start) / 1000;
  await file.close();
  return seconds;
}

/** Small batches through a trainer, and through a journal alone. */
export async function smallTable({ smoke }: Scale): Promise<Table> {
  const job = denseJob(1024, 64);
  const [count, inFlight] = [smoke ? 2000 : 65_536, 4096];
  const given = { admitted: admittedOf(job), count, inFlight };
  const timings = await trainersBeside({ job: { byteLength: 1024 }, count, inFlight }, (journal) =>
    alternate(
      [
        { what: 'trainer().push, with a directory, fsync', run: journal.on },
        { what: 'trainer().push, without a directory', run: journal.off },
        {
          what: 'openJournal().commit() alone, fsync',
          run: async () => (await inDirectory((directory) => record(directory, job, given))).seconds / count,
        },
      ],
      smoke ? 2 : 7,
      { warmUps: 2 },
    ),
  );
  return {
    title: 'batches of 1 KiB, pushed in the process that acknowledges them, per second',
    caption: `${inFlight} in flight. A push is encoded, admitted, folded and published too; each of the three has a process of its own.`,
    rows: timings.map((timing) => rateRow(timing, 'batches/s', 1)),
  };
}
