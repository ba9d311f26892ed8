// The two folds of a fork, side by side: every batch as recorded, and those not left out under the other hyper-parameters.
import { GradwireError } from '../../../../src/errors.ts';
import { encodeSnapshot } from '../../../../src/frames/snapshot.ts';
import { Producers } from '../../../../src/producers.ts';
import type { RMSpropOptions } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../../src/rmsprop/rmsprop.ts';
import { Rollback } from '../../../../src/rmsprop/state/rollback.ts';
import { Tensors } from '../../../../src/tensors.ts';
import { snapshotOf } from '../../../operators/snapshot.ts';
import type { RecordedBatch } from '../../history/batches.ts';
import type { History } from '../../history/history.ts';
import { readInitial } from '../../history/start.ts';
import { newRunName } from '../../journal/run.ts';
import { type Distance, distanceOf } from '../forking/distance.ts';

/** Both folds of one recording. */
export class TwoFolds {
  readonly recorded: RMSprop;
  readonly forked: RMSprop;
  readonly #start: Tensors;
  readonly #producers: Producers = new Producers();
  #examples = 0;
  #epoch = 1;
  // whether the fork is missing a batch by now
  #leftOut = false;

  private constructor({ about }: History, start: Tensors, options: RMSpropOptions) {
    const initial = Object.fromEntries(start);
    this.#start = start;
    this.recorded = new RMSprop(about.model, { ...about.optimizer, initial });
    this.forked = new RMSprop(about.model, { ...options, initial });
  }

  /** Both at the recording's initial weights. Throws `E_CONFIG` for the options, `E_RECORDING_GAP` where the initial weights are not there. */
  static async of(history: History, options: RMSpropOptions): Promise<TwoFolds> {
    return new TwoFolds(history, new Tensors(history.about.model, await readInitial(history)), options);
  }

  /** Folds a batch in both, or in the recorded run alone. Throws the optimizer's codes, with the version. */
  step(batch: RecordedBatch, { leftOut }: { readonly leftOut: boolean }): void {
    this.recorded.step(batch.checked);
    this.#leftOut ||= leftOut;
    if (leftOut) return;
    if (batch.checked instanceof Rollback && this.#leftOut) throw notOfTheFork(batch.version, batch.checked);
    stepAt(this.forked, batch);
    this.#producers.noteFolded(batch, this.forked.version);
    this.#epoch = batch.epoch;
    this.#examples += batch.examples ?? 0;
  }

  distance(): Distance {
    return distanceOf(this.recorded.parameters, this.forked.parameters, this.#start);
  }

  /** The forked state as the snapshot frame of a run of its own. */
  snapshot(name: string): Uint8Array {
    const context = { model: name, run: newRunName(), epoch: this.#epoch, producers: this.#producers, examples: this.#examples };
    return encodeSnapshot(snapshotOf({ optimizer: this.forked }, context));
  }
}

function notOfTheFork(version: number, { to }: Rollback): GradwireError {
  const text = `version ${version} is a rollback to the recorded state of version ${to}, which is not the fork's`;
  return new GradwireError('E_CONFIG', `${text}; leave version ${version} out too, or end before it with until`);
}

/** Folds a batch of a recording; what the options cannot fold is named with its version. */
export function stepAt(optimizer: RMSprop, { checked, version }: Pick<RecordedBatch, 'checked' | 'version'>): void {
  try {
    optimizer.step(checked);
  } catch (cause) {
    if (!(cause instanceof GradwireError)) throw cause;
    throw new GradwireError(cause.code, `these options do not fold the batch of version ${version}: ${cause.text}`, { cause });
  }
}
