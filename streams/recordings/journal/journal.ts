// openJournal: the recording of a trainer. It finds where the run stands, begins a new epoch of it, and goes on.
import { dirname } from 'node:path';
import { defer, type MonoTypeOperatorFunction, type Observable, tap } from 'rxjs';
import type { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import type { Admitted } from '../../operators/flow.ts';
import { lostError, makeDirectory, syncDirectory } from '../disk.ts';
import type { RecordedBatch } from '../history/batches.ts';
import { historyOf, readSegments, type Segment } from '../history/history.ts';
import { batches$ } from '../history/replay.ts';
import type { FoldStart } from '../history/start.ts';
import type { TornTail } from '../history/torn.ts';
import type { Epochs } from '../segment/about.ts';
import { commit } from './commit.ts';
import { refuseDrift } from './drift.ts';
import { beginEpoch } from './epoch.ts';
import { Fence } from './fence.ts';
import { type Lock, lock } from './lock.ts';
import { Mending } from './mending.ts';
import { type JournalOptions, type JournalSettings, settle } from './options.ts';
import { type Recovered, recover } from './recovery.ts';
import { removeSegments } from './retention.ts';
import { newRun } from './run.ts';
import { Snapshots } from './snapshots.ts';

/** What recovery passed over. */
export interface RecoveryReport {
  /** Unfinished last writes, which nobody was told of; each is kept as a `.broken` file beside its segment. */
  readonly torn: readonly TornTail[];
  /** `E_SNAPSHOT` for each snapshot that is damaged; an older one was taken. */
  readonly damagedSnapshots: readonly GradwireError[];
}

/** Where a trainer goes on from. */
export interface JournalStart<Name extends string = string>
  extends Pick<FoldStart<Name>, 'state' | 'version' | 'published' | 'producers'> {
  /** Examples folded: at the snapshot first, up to the end of the recording once `records$` is done. */
  readonly examples: number;
}

/** A run's recording, open for its next epoch. Whoever opened it closes it. */
export interface Journal<Name extends string = string> {
  readonly run: string;
  readonly epoch: number;
  /** All epochs of the run with the first version of each, this one included. */
  readonly epochs: Epochs;
  readonly name: string;
  readonly model: Layout<Name>;
  /** The optimizer's configuration, as recorded. */
  readonly optimizer: RMSpropConfig;
  /** The newest snapshot, or the initial weights. */
  readonly start: JournalStart<Name>;
  /**
   * The batches after `start.version`, to be folded; while they pass, their producers and examples are noted in `start`. They are
   * lent: the next one overwrites the frame and the values of the one before.
   */
  readonly records$: Observable<RecordedBatch<Name>>;
  readonly recovered: RecoveryReport;
  /**
   * An operator that passes each batch on once it is as durable as promised. One subscription at a time. While the disk takes
   * no writes, batches are answered with a nack that is retryable, and do not pass. Errors: `E_DISK_FAILED`, `E_FENCED`.
   */
  commit(): MonoTypeOperatorFunction<Admitted<Name>>;
  /** Why nothing can be written at the moment, as on a full disk; undefined where all is well. */
  readonly trouble: GradwireError | undefined;
  readonly snapshots: Pick<Snapshots, 'write' | 'newest'>;
  /** The path of the segment being written. */
  readonly recording: string;
  /** Bytes in all segments. */
  readonly bytes: number;
  /**
   * Closes the recording cleanly once the write under way is done, and lets others have the directory. Batches that still
   * wait for their turn get `E_CLOSED`: end the source of `commit` first.
   */
  close(): Promise<void>;
}

/**
 * Opens the journal in a directory: an empty or new one begins a run, another goes on where it ended. The new epoch is
 * durable when this resolves.
 *
 * @throws GradwireError `E_CONFIG`, `E_CONFIG_DRIFT`, `E_LAYOUT`, `E_LOCKED`, `E_DISK`, `E_FILE`, and the codes of {@link replay}.
 */
export async function openJournal<Name extends string = string>(
  directory: string,
  options: JournalOptions<Name> = {},
): Promise<Journal<Name>> {
  const settings = settle(options);
  const created = await makeDirectory(directory);
  if (created !== undefined && settings.durability === 'fsync')
    await syncDirectory(dirname(created)).catch((cause) => Promise.reject(lostError(created, cause)));
  const held = await lock(directory, { takeOver: settings.takeOver });
  try {
    return await begin(directory, settings, held);
  } catch (error) {
    await held.release();
    throw error;
  }
}

async function begin<Name extends string>(
  directory: string,
  settings: JournalSettings<Name>,
  held: Lock,
): Promise<Journal<Name>> {
  const { fence, segments } = await claim(directory, settings);
  // read after the claim: from now on nobody else can acknowledge anything here
  const found = await recover(directory, segments);
  const recovered = found.history === undefined ? newRun(settings, found) : found;
  const { series, about } = await beginEpoch(directory, recovered, settings, fence);
  const { durability, keepSnapshots: keep, retention, clock } = settings;
  const snapshots = await Snapshots.open(directory, {
    keep,
    sound: recovered.start.version > 0 ? recovered.start.version : undefined,
    confirm: async () => {
      // a snapshot must not be on disk before the batches that are folded in it
      if (durability !== 'fsync') await series.sync();
      await fence.check();
    },
    onVerified: (needed) => removeSegments(directory, { retention, needed, nowMs: clock() }),
  }).catch(async (error) => {
    await series.close().catch(() => undefined);
    throw error;
  });
  const { torn, damagedSnapshots, history } = recovered;
  const model = settings.model ?? (about.model as Layout<Name>);
  const mending = new Mending((byteLength) => series.probe(byteLength));
  const bytesBefore = history.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    ...about,
    model,
    ...folding(recovered, settings, model),
    recovered: { torn, damagedSnapshots },
    commit: () => commit({ series, mending, durability }),
    snapshots,
    get trouble() {
      return mending.trouble;
    },
    get recording() {
      return series.path as string;
    },
    get bytes() {
      return bytesBefore + series.bytes;
    },
    close: async () => {
      try {
        await series.close();
        await snapshots.idle();
      } finally {
        await held.release();
      }
    },
  };
}

/** Claims the next epoch of the run in the directory, which must be the one that the options mean. */
async function claim(
  directory: string,
  settings: JournalSettings,
): Promise<{ readonly fence: Fence; readonly segments: readonly Segment[] }> {
  const segments = await readSegments(directory);
  const isNew = segments.every(({ about }) => about === undefined);
  if (!isNew) refuseDrift(settings, historyOf(segments, directory).about);
  // what cannot begin is refused before anything is written
  else newRun(settings, { history: undefined, lastEpoch: 0, torn: [] });
  const lastEpoch = segments.reduce((most, { epoch }) => Math.max(most, epoch), 0);
  return { fence: await Fence.claim(directory, lastEpoch), segments };
}

/** What is folded first, and what is noted while it passes. */
function folding<Name extends string>(
  { history, lastVersion, start: { state, version, published, producers, examples } }: Recovered,
  { progress }: JournalSettings<Name>,
  model: Layout<Name>,
): Pick<Journal<Name>, 'start' | 'records$'> {
  const start = { state, version, published, producers, examples };
  const records$ = defer(() => {
    start.examples = examples;
    return batches$(history, { from: version, until: lastVersion, model, progress, lent: true }).pipe(
      tap((batch) => {
        producers.noteFolded(batch, batch.version);
        start.examples += batch.examples ?? 0;
      }),
    );
  });
  return { start, records$ };
}
