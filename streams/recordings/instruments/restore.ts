// restore: the whole state of a run at any of its versions.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import type { Snapshot } from '../../../src/frames/snapshot.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import { snapshotOf } from '../../operators/snapshot.ts';
import { batchesOf, lending } from '../history/batches.ts';
import { chunksOf, type ReadProgress } from '../history/chunks.ts';
import { findEnd } from '../history/end.ts';
import { type History, readHistory } from '../history/history.ts';
import { type FoldStart, hasStart, newestStart } from '../history/start.ts';
import type { Epochs } from '../segment/about.ts';

/** Which version, and who hears about it. */
export interface RestoreOptions {
  /** The recording's newest unless told. */
  readonly version?: number;
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
}

/**
 * The state at a version, as the trainer had it, to the bit: the nearest sound snapshot at or below it, or the initial
 * weights, and the batches that follow. `encodeSnapshot` makes a file of it.
 *
 * @throws GradwireError `E_RECORDING` for a version that is not in the recording, or that no snapshot leads to; `E_CONFIG`, and
 *   the codes of {@link replay}.
 */
export async function restore(path: string, options: RestoreOptions = {}): Promise<Snapshot> {
  refuseUnknownOptions('restore', options, ['version', 'progress']);
  const { version = Number.POSITIVE_INFINITY, progress } = options;
  if (options.version !== undefined && (!Number.isSafeInteger(version) || version < 0))
    throw new GradwireError('E_CONFIG', `version must be an integer from 0; got ${String(version)}`);
  const history = await readHistory(path);
  const start = await startUpTo(history, version);
  if (start === undefined) throw await missing(version, history);
  const { optimizer, examples } = await foldTo(history, start, { version, progress });
  // damage behind the version is no reason to refuse it, so its end is looked for where it was not reached
  if (options.version !== undefined && optimizer.version !== version) throw await missing(version, history);
  const epoch = epochOf(optimizer.version, history.about.epochs);
  return snapshotOf({ optimizer }, { run: start.run, epoch, model: start.name, producers: start.producers, examples });
}

/** Where a fold to a version starts; nothing where what leads to it has been removed. */
async function startUpTo(history: History, version: number): Promise<FoldStart | undefined> {
  try {
    const start = await newestStart(history, { notAfter: version });
    return start.version <= version ? start : undefined;
  } catch (error) {
    if (!(error instanceof GradwireError) || error.code !== 'E_RECORDING_GAP') throw error;
    return undefined;
  }
}

// folded at once: a trainer that rolls back goes on meanwhile
const sliceMs = 5;

async function foldTo(
  history: History,
  start: FoldStart,
  { version, progress }: RestoreOptions & { readonly version: number },
): Promise<{ optimizer: RMSprop; examples: number }> {
  const { model, optimizer: config, state, producers } = start;
  const optimizer = new RMSprop(model, config);
  optimizer.restore(state);
  let { examples } = start;
  const options = { from: start.version, until: version, keep: lending() };
  let turnMs = performance.now();
  if (version === start.version) return { optimizer, examples };
  for await (const chunk of chunksOf(history, { from: start.version, until: version, progress })) {
    for (const batch of batchesOf(chunk, model, options)) {
      optimizer.step(batch.checked);
      producers.noteFolded(batch, batch.version);
      examples += batch.examples ?? 0;
      if (performance.now() - turnMs < sliceMs) continue;
      await nextTurn();
      turnMs = performance.now();
    }
    // the next chunk is not asked for: it may be damaged
    if (optimizer.version === version) break;
  }
  return { optimizer, examples };
}

/** The epoch in which a version was made; the first for version 0. */
function epochOf(version: number, epochs: Epochs): number {
  const before = epochs.filter(([, firstVersion]) => firstVersion <= version);
  return before.at(-1)?.[0] ?? 1;
}

async function missing(version: number, history: History): Promise<GradwireError> {
  const { segments, snapshots } = history;
  const { lastVersion } = await findEnd(history);
  const [{ firstVersion }] = segments;
  const recorded = lastVersion < firstVersion ? 'no batches' : `the batches of versions ${firstVersion} to ${lastVersion}`;
  const usable = snapshots.filter((each) => each <= lastVersion);
  const beside = usable.length > 0 ? ` and snapshots of ${usable.join(', ')}` : '';
  const what = Number.isFinite(version) ? `version ${version}` : 'the newest version';
  const start =
    firstVersion === 1
      ? 'the initial weights (version 0), '
      : (await hasStart(history))
        ? `the state of version ${firstVersion - 1}, `
        : '';
  return new GradwireError('E_RECORDING', `${what} cannot be restored: there are ${start}${recorded}${beside}`);
}
