// openJournal: the recording of a trainer. It finds where the run stands, begins a new epoch of it, and goes on.
import { dirname } from 'node:path';
import { defer, type MonoTypeOperatorFunction, type Observable, tap } from 'rxjs';
import type { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import type { Admitted } from '../../operators/flow.ts';
import { makeDirectory, syncDirectory } from '../disk.ts';
import type { RecordedBatch } from '../history/batches.ts';
import type { FoldStart } from '../history/fold-from.ts';
import { batches$ } from '../history/replay.ts';
import type { TornTail } from '../history/torn.ts';
import type { Epochs } from '../segment/about.ts';
import { refuseDrift } from './drift.ts';
import { beginEpoch } from './epoch.ts';
import { groupCommit } from './group-commit.ts';
import { type Lock, lock } from './lock.ts';
import { type JournalOptions, type JournalSettings, settle } from './options.ts';
import { type Recovered, recover } from './recovery.ts';
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
export interface JournalStart<Name extends string = string> extends Pick<FoldStart<Name>, 'state' | 'version' | 'producers'> {
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
  /** The batches after `start.version`, to be folded; while they pass, their producers and examples are noted in `start`. */
  readonly records$: Observable<RecordedBatch<Name>>;
  readonly recovered: RecoveryReport;
  /** An operator that passes each batch on once it is as durable as promised. One subscription at a time. Errors: `E_DISK`. */
  commit(): MonoTypeOperatorFunction<Admitted<Name>>;
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
  if (created !== undefined && settings.durability === 'fsync') await syncDirectory(dirname(created));
  const held = await lock(directory);
  try {
    const found = await recover(directory);
    if (found.history !== undefined) refuseDrift(options, found.history.about);
    const recovered = found.history === undefined ? newRun(settings, found) : found;
    return await begin(directory, recovered, settings, held);
  } catch (error) {
    await held.release();
    throw error;
  }
}

async function begin<Name extends string>(
  directory: string,
  recovered: Recovered,
  settings: JournalSettings<Name>,
  held: Lock,
): Promise<Journal<Name>> {
  const snapshots = await Snapshots.open(directory, settings.keepSnapshots);
  const { about, series } = await beginEpoch(directory, recovered, settings);
  const model = settings.model ?? (about.model as Layout<Name>);
  const { torn, damagedSnapshots, history } = recovered;
  const bytesBefore = history.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const pass = settings.durability === 'none' ? 'before' : 'after';
  return {
    ...about,
    model,
    ...folding(recovered, model),
    recovered: { torn, damagedSnapshots },
    commit: () => groupCommit({ write: (batches) => series.append(batches), sizeOf: ({ frame }) => frame.byteLength, pass }),
    snapshots,
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

/** What is folded first, and what is noted while it passes. */
function folding<Name extends string>(
  { history, lastVersion, start: { state, version, producers, examples } }: Recovered,
  model: Layout<Name>,
): Pick<Journal<Name>, 'start' | 'records$'> {
  const start = { state, version, producers, examples };
  const records$ = defer(() => {
    start.examples = examples;
    return batches$(history, { from: version, until: lastVersion, model }).pipe(
      tap(({ header, payload, version: made }) => {
        producers.note(header, payload, made);
        start.examples += header.examples ?? 0;
      }),
    );
  });
  return { start, records$ };
}
