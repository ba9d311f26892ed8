// fork: what a run would have come to with the same gradients under other hyper-parameters, or without some of them.
import { refuseUnknownOptions } from '../../../../src/errors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { readHistory } from '../../history/history.ts';
import { batchesIn } from '../forking/batches.ts';
import { caveat } from '../forking/caveat.ts';
import type { Distance } from '../forking/distance.ts';
import { type ChangedOptions, changedOptions, type ForkedOptions, mergeOptions } from '../forking/options.ts';
import { demandPoints, demandUntil, Spaced } from '../forking/spaced.ts';
import { LeftOut, type VersionRange } from './left-out.ts';
import { TwoFolds } from './two-folds.ts';

/** What a fork changes, and who hears about it. */
export interface ForkOptions {
  /** Hyper-parameters that differ from the recorded ones; they are merged over those. */
  readonly optimizer?: ForkedOptions;
  /** Producers whose batches are left out. */
  readonly withoutProducers?: readonly string[];
  /** Versions whose batches are left out. */
  readonly withoutVersions?: readonly VersionRange[];
  /** The last version, unless the recording ends before it. */
  readonly until?: number;
  /** At most how many versions the distance is told of; 20 unless told. */
  readonly points?: number;
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Given the forked state at the end, as the snapshot frame of a run of its own; the frame is the caller's. */
  readonly snapshot?: (frame: Uint8Array) => void;
}

/** The distance of both runs at a version of the recorded one. */
export interface ForkPoint extends Distance {
  readonly version: number;
}

/** What a fork came to: plain data. */
export interface Fork {
  /** The recorded run. */
  readonly run: string;
  /** The last version of the recorded run that was read. */
  readonly versions: number;
  /** Batches of the recorded run up to there. */
  readonly batches: number;
  /** How many of them the fork left out. Its own versions count the others. */
  readonly left: number;
  readonly changed: ChangedOptions;
  /** Evenly spaced versions, the last one included. */
  readonly points: readonly ForkPoint[];
  /** Of the recorded run's parameters at the end. */
  readonly digest: string;
  /** Of the fork's. */
  readonly forkDigest: string;
  /** What the result is not. */
  readonly caveat: string;
  /** Producers that were to be left out, and that no batch is of. */
  readonly absentProducers: readonly string[];
}

const known = ['optimizer', 'withoutProducers', 'withoutVersions', 'until', 'points', 'progress', 'snapshot'];

/**
 * Folds a recording twice in one pass: as it was recorded, and under other hyper-parameters or without some batches.
 *
 * **This is not a retraining**: the gradients were computed at the recorded run's weights, not at the forked ones. A batch that
 * is left out makes no version in the fork, whose count, and so `decay` and schedules, goes on by folded batches only.
 *
 * @throws GradwireError `E_CONFIG` for options; the codes of `replay` and `foldFrom`; those of a batch that the options cannot fold.
 */
export async function fork(path: string, options: ForkOptions = {}): Promise<Fork> {
  refuseUnknownOptions('fork', options, known);
  const { optimizer = {}, withoutProducers = [], withoutVersions = [], until, points = 20, progress, snapshot } = options;
  demandPoints(points);
  demandUntil(until);
  const leftOut = new LeftOut(withoutProducers, withoutVersions);
  const history = await readHistory(path);
  const { run, name } = history.about;
  const folds = await TwoFolds.of(history, mergeOptions(history.about.optimizer, optimizer));
  const spaced = new Spaced<ForkPoint>(points);
  const pointAt = (version: number): ForkPoint => ({ version, ...folds.distance() });
  for await (const batch of batchesIn(history, { until, progress })) {
    folds.step(batch, { leftOut: leftOut.takes(batch) });
    if (spaced.wants(batch.version)) spaced.add(pointAt(batch.version));
  }
  const { recorded, forked } = folds;
  snapshot?.(folds.snapshot(name));
  return {
    run,
    versions: recorded.version,
    batches: recorded.version,
    left: leftOut.count,
    changed: changedOptions(recorded.getConfig(), forked.getConfig()),
    points: spaced.end(recorded.version, () => pointAt(recorded.version)),
    digest: recorded.digest(),
    forkDigest: forked.digest(),
    caveat,
    absentProducers: leftOut.absent(),
  };
}
