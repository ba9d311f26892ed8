// A new epoch of a run: its first segment, durable before anything can be admitted.
import { join } from 'node:path';
import { encodeWeights } from '../../../src/frames/weights.ts';
import { Tensors } from '../../../src/tensors.ts';
import { segmentName } from '../history/names.ts';
import { keepBroken } from '../history/torn.ts';
import type { About, Epochs } from '../segment/about.ts';
import { SegmentSeries } from '../segment/series.ts';
import type { Fence } from './fence.ts';
import type { JournalSettings } from './options.ts';
import { type Recovered, syncSegments } from './recovery.ts';

/** An epoch that has begun. */
interface Epoch {
  readonly about: Omit<About, 'firstVersion'>;
  readonly series: SegmentSeries;
}

/** Begins the epoch that was claimed. Throws `E_DISK`, `E_DISK_FAILED`, `E_FENCED`. */
export async function beginEpoch(
  directory: string,
  { history, lastVersion, start, torn }: Recovered,
  settings: JournalSettings,
  fence: Fence,
): Promise<Epoch> {
  for (const tail of torn) await keepBroken(tail);
  if (settings.durability === 'fsync') await syncSegments(history);
  const { run, name, model, optimizer } = history.about;
  const { epoch } = fence;
  const epochs: Epochs = [...history.about.epochs, [epoch, lastVersion + 1]];
  const about = { run, epoch, epochs, name, model, optimizer };
  const series = new SegmentSeries({
    ...settings,
    about,
    // asked for where the first version is 1: the start is still the initial weights then
    initial: () => encodeWeights({ model: name, run, epoch: 1, version: 0 }, new Tensors(model, start.state.parameters)),
    pathOf: (firstVersion) => join(directory, segmentName({ epoch, firstVersion })),
    confirm: () => fence.check(),
  });
  try {
    await series.begin(lastVersion + 1);
    await fence.began(series.path as string);
    return { about, series };
  } catch (error) {
    await series.close().catch(() => undefined);
    throw error;
  }
}
