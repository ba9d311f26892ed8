// A new epoch of a run: its first segment, durable before anything can be admitted.
import { join } from 'node:path';
import { GradwireError } from '../../../src/errors.ts';
import { encodeWeights } from '../../../src/frames/weights.ts';
import { Tensors } from '../../../src/tensors.ts';
import { failedWith } from '../disk.ts';
import { segmentName } from '../history/names.ts';
import { keepBroken } from '../history/torn.ts';
import type { About, Epochs } from '../segment/about.ts';
import { SegmentSeries } from '../segment/series.ts';
import type { JournalSettings } from './options.ts';
import { type Recovered, syncSegments } from './recovery.ts';

/** An epoch that has begun. */
interface Epoch {
  readonly about: Omit<About, 'firstVersion'>;
  readonly series: SegmentSeries;
}

/** Begins the next epoch. Throws `E_DISK`, or `E_LOCKED` where another process has begun the same one. */
export async function beginEpoch(
  directory: string,
  { history, lastVersion, lastEpoch, start, torn }: Recovered,
  settings: JournalSettings,
): Promise<Epoch> {
  for (const tail of torn) await keepBroken(tail);
  if (settings.durability === 'fsync') await syncSegments(history);
  const { run, name, model, optimizer } = history.about;
  const epoch = lastEpoch + 1;
  const epochs: Epochs = [...history.about.epochs, [epoch, lastVersion + 1]];
  const about = { run, epoch, epochs, name, model, optimizer };
  const series = new SegmentSeries({
    ...settings,
    about,
    // asked for where the first version is 1: the start is still the initial weights then
    initial: () => encodeWeights({ model: name, run, epoch: 1, version: 0 }, new Tensors(model, start.state.parameters)),
    pathOf: (firstVersion) => join(directory, segmentName({ epoch, firstVersion })),
  });
  await series.begin(lastVersion + 1).catch((error) => Promise.reject(fenced(error, epoch)));
  return { about, series };
}

/** Two trainers that do not see each other's lock cannot both make the file of the next epoch. */
function fenced(error: unknown, epoch: number): unknown {
  if (!(error instanceof GradwireError) || !failedWith(error.cause, 'EEXIST')) return error;
  return new GradwireError('E_LOCKED', `another trainer has begun epoch ${epoch} of this run; stop it first`, { cause: error });
}
