// sweep: a recording folded under every combination of a grid of hyper-parameters, in threads.
import { availableParallelism } from 'node:os';
import { GradwireError, refuseUnknownOptions } from '../../../../src/errors.ts';
import { RMSprop } from '../../../../src/rmsprop/rmsprop.ts';
import { Tensors } from '../../../../src/tensors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { type History, readHistory } from '../../history/history.ts';
import { readInitial } from '../../history/start.ts';
import { batchesIn } from '../forking/batches.ts';
import { caveat } from '../forking/caveat.ts';
import { normBetween } from '../forking/distance.ts';
import { JointProgress } from '../forking/joint-progress.ts';
import { demandPoints, demandUntil, spacedVersions } from '../forking/spaced.ts';
import { type Better, moduleUrl } from './evaluation.ts';
import type { Folded } from './fold.ts';
import { type Combination, combinationsOf, type Grid } from './grid.ts';
import { foldAll } from './pool.ts';
import { bestFirst } from './rank.ts';
import { Thread } from './thread.ts';

/** What a sweep folds, and with how many threads. */
export interface SweepOptions {
  readonly grid: Grid;
  /** A module, by path or file URL, whose default export or `evaluate` is an `Evaluate`, and whose `better` says what is better. */
  readonly evaluate?: string | URL;
  /** Threads; as many as the machine runs at once, unless told, and never more than combinations. */
  readonly workers?: number;
  /** The last version, unless the recording ends before it. */
  readonly until?: number;
  /** How many evenly spaced versions each fold is looked at; 20 unless told. */
  readonly points?: number;
  /** Told how far all folds together have come, the recorded run's first. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Ends the threads, and the sweep with `E_CLOSED`. */
  readonly signal?: AbortSignal;
}

/** What one combination came to. */
export interface SweptCombination extends Folded {
  /** The combination's hyper-parameters. */
  readonly optimizer: Combination['optimizer'];
  /** `distance` for each unit of the recorded run's movement; infinite where that never moved. */
  readonly relative: number;
}

/** What a sweep came to: plain data, the same whatever the number of threads. */
export interface Sweep {
  readonly run: string;
  /** The last version that was folded. */
  readonly versions: number;
  /** Of the recorded run's parameters there. */
  readonly digest: string;
  /** How far the recorded run had moved there. */
  readonly movement: number;
  /** Which evaluation is better; null without an evaluation. */
  readonly better: Better | null;
  /** By evaluation, the best first; without one by distance to the recorded run, the nearest first. */
  readonly combinations: readonly SweptCombination[];
  /** What the result is not. */
  readonly caveat: string;
}

const known = ['grid', 'evaluate', 'workers', 'until', 'points', 'progress', 'signal'];

/**
 * Folds a recording under every combination of a grid. Each fold reads the recording for itself, bounded in memory.
 *
 * **This is not a retraining**: the gradients were computed at the recorded run's weights.
 *
 * @throws GradwireError `E_CONFIG` for options and combinations; `E_EVALUATION` where an evaluation fails, `E_FILE` where its
 *   module cannot be loaded; `E_CLOSED` where `signal` ends it; the codes of `replay` and of a batch that a combination cannot fold.
 */
export async function sweep(path: string, options: SweepOptions): Promise<Sweep> {
  refuseUnknownOptions('sweep', options, known);
  const { grid, evaluate, workers = availableParallelism(), until, points = 20, progress = () => undefined, signal } = options;
  demandPoints(points);
  demandUntil(until);
  if (!Number.isInteger(workers) || workers < 1 || workers > 256)
    throw new GradwireError('E_CONFIG', `workers must be an integer from 1 to 256; got ${String(workers)}`);
  const history = await readHistory(path);
  const combinations = combinationsOf(grid, history.about.optimizer);
  const module = evaluate === undefined ? undefined : moduleUrl(evaluate);
  const joint = new JointProgress(progress, combinations.length + 1);
  const threads = Array.from({ length: Math.min(workers, combinations.length) }, () => new Thread({ path, module }));
  const stopped = stopOf(signal);
  try {
    const ready = Promise.all(threads.map((thread) => thread.ready));
    const [better] = await Promise.race([ready, stopped.promise]);
    const recorded = await foldRecorded(history, until, (each) => {
      signal?.throwIfAborted();
      joint.of(0)(each);
    });
    const versions = spacedVersions(recorded.version, points);
    const job = { versions, recorded: recorded.final };
    const folds = foldAll(threads, combinations, { job, progress: joint });
    const swept = (await Promise.race([folds, stopped.promise])).map((folded, i) => ({
      optimizer: combinations[i].optimizer,
      ...folded,
      relative: folded.distance === 0 ? 0 : folded.distance / recorded.movement,
    }));
    const { version, digest, movement } = recorded;
    const found = { run: history.about.run, versions: version, digest, movement, better: module === undefined ? null : better };
    return { ...found, combinations: bestFirst(swept, found.better), caveat };
  } catch (error) {
    throw signal?.aborted ? new GradwireError('E_CLOSED', 'the sweep was stopped; there is no result', { cause: error }) : error;
  } finally {
    stopped.release();
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

/** The recorded run at its end; its parameters in memory that threads share. */
async function foldRecorded(history: History, until: number | undefined, progress: (progress: ReadProgress) => void) {
  const { model, optimizer: config } = history.about;
  const start = new Tensors(model, await readInitial(history));
  const optimizer = new RMSprop(model, { ...config, initial: Object.fromEntries(start) });
  for await (const { checked } of batchesIn(history, { until, progress })) optimizer.step(checked);
  const final = new Float32Array(new SharedArrayBuffer(model.byteLength));
  final.set(optimizer.parameters.flat);
  return { version: optimizer.version, digest: optimizer.digest(), movement: normBetween(final, start.flat), final };
}

/** A promise that rejects when the signal comes. */
function stopOf(signal: AbortSignal | undefined): { readonly promise: Promise<never>; release(): void } {
  let stop = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
  });
  promise.catch(() => undefined);
  return { promise, release: () => signal?.removeEventListener('abort', stop) };
}
