// Recordings: what durability costs, how fast a run is read back, and how long a snapshot holds the stream.
import type { Report, Scale } from '../report.ts';
import { flightsJob } from './batches.ts';
import { journalTables } from './journal.ts';
import { fileSystem } from './place.ts';
import { recoveryTable } from './recovery.ts';
import { replayTable } from './replays.ts';
import { snapshotTable } from './snapshots.ts';
import { trainerTable } from './trainers.ts';

/** All tables, one after the other: about five minutes, or seconds where `smoke` is true. */
export async function recordings(scale: Scale): Promise<Report> {
  const flights = await flightsJob(scale.smoke ? 500 : 16_384);
  const tables = [
    ...(await journalTables(scale)),
    await trainerTable(scale),
    await replayTable(flights, scale),
    await recoveryTable(flights, scale),
    await snapshotTable(scale),
  ];
  return { versions: { disk: fileSystem() }, tables };
}
