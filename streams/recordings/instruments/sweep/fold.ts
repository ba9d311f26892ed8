// One fold of a sweep: the recording under one combination, looked at on the way.
import { GradwireError } from '../../../../src/errors.ts';
import type { RMSpropOptions } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../../src/rmsprop/rmsprop.ts';
import { Tensors } from '../../../../src/tensors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { readHistory } from '../../history/history.ts';
import { readInitial } from '../../history/start.ts';
import { stepAt } from '../fork/two-folds.ts';
import { batchesIn } from '../forking/batches.ts';
import { normBetween } from '../forking/distance.ts';
import { type Evaluation, evaluated } from './evaluation.ts';

/** What a thread is asked to fold. */
export interface Job {
  readonly options: RMSpropOptions;
  /** The versions to look at, ascending; the last is where the fold ends. Empty for a recording without batches. */
  readonly versions: readonly number[];
  /** The recorded run's parameters at the end, in layout order. */
  readonly recorded: Float32Array;
}

/** A fold at a version. */
export interface SweepPoint {
  readonly version: number;
  /** L2 norm of the parameters' difference from the start. */
  readonly movement: number;
  /** What the evaluation gave; undefined without one. */
  readonly evaluation?: number;
}

/** What a fold came to. */
export interface Folded {
  /** L2 norm of the parameters' difference from the start. */
  readonly movement: number;
  /** L2 norm of the parameters' difference from the recorded run's. */
  readonly distance: number;
  readonly evaluation?: number;
  readonly digest: string;
  readonly points: readonly SweepPoint[];
}

/** Folds a recording once, streaming. Throws the codes of `replay`, of the options and of the evaluation. */
export async function foldJob(
  path: string,
  { options, versions, recorded }: Job,
  { evaluation, progress }: { readonly evaluation?: Evaluation; readonly progress?: (progress: ReadProgress) => void },
): Promise<Folded> {
  const history = await readHistory(path);
  const start = new Tensors(history.about.model, await readInitial(history));
  const optimizer = new RMSprop(history.about.model, { ...options, initial: Object.fromEntries(start) });
  const config = optimizer.getConfig();
  const points: SweepPoint[] = [];
  const pointAt = async (version: number): Promise<SweepPoint> => {
    const movement = normBetween(optimizer.parameters.flat, start.flat);
    if (evaluation === undefined) return { version, movement };
    return { version, movement, evaluation: await evaluated(evaluation, optimizer.parameters, { version, optimizer: config }) };
  };
  const until = versions.at(-1) ?? 0;
  for await (const batch of batchesIn(history, { until, progress })) {
    stepAt(optimizer, batch);
    if (batch.version === versions[points.length]) points.push(await pointAt(batch.version));
  }
  if (optimizer.version !== until)
    throw new GradwireError('E_RECORDING', `the recording ended before version ${until}, where it was read first`);
  const { movement, evaluation: final } = points.at(-1) ?? (await pointAt(0));
  const distance = normBetween(optimizer.parameters.flat, recorded);
  return { movement, distance, ...(final === undefined ? {} : { evaluation: final }), digest: optimizer.digest(), points };
}
