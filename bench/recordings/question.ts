// One question about recordings, answered in a process of its own: what the engine has learned from another one's objects is no part of it.
import { answerQuestions } from '../child.ts';
import type { Scale, Table } from '../report.ts';
import { denseJob, flightsJob, type Job } from './batches.ts';
import { journalTable, smallTable } from './journal.ts';
import { recoveryTable } from './recovery.ts';
import { replayTable } from './replays.ts';
import { snapshotTable } from './snapshots.ts';
import { trainerTable } from './trainers.ts';

/** What is asked, and at what scale. */
export interface Question extends Scale {
  readonly about: 'journal' | 'small batches' | 'trainer' | 'replay of flights' | 'replay of 64 KiB' | 'recovery' | 'snapshot';
}

const flightsOf = ({ smoke }: Scale): Promise<Job> => flightsJob(smoke ? 500 : 16_384);

const tables: Record<Question['about'], (scale: Scale) => Promise<Table>> = {
  journal: journalTable,
  'small batches': smallTable,
  trainer: trainerTable,
  'replay of flights': async (scale: Scale) => replayTable('flights', await flightsOf(scale), scale),
  'replay of 64 KiB': async (scale: Scale) => replayTable('64 KiB', denseJob(64 << 10, scale.smoke ? 16 : 2048), scale),
  recovery: async (scale: Scale) => recoveryTable(await flightsOf(scale), scale),
  snapshot: snapshotTable,
};

answerQuestions(async ({ about, ...scale }: Question) => await tables[about](scale));
