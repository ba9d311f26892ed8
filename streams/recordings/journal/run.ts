// A new run: its random name, and the weights that it begins with.
import { randomBytes } from 'node:crypto';
import { GradwireError } from '../../../src/errors.ts';
import { Producers } from '../../../src/producers.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import type { JournalOptions } from './options.ts';
import type { Recovered, Untouched } from './recovery.ts';

/** A run's name: 128 random bits as hexadecimal digits. */
export function newRunName(): string {
  return randomBytes(16).toString('hex');
}

/** A run that has no batch yet. Throws `E_CONFIG` without a model, and the codes of the optimizer's constructor. */
export function newRun<Name extends string>(options: JournalOptions<Name>, { lastEpoch, torn }: Untouched): Recovered {
  const { name = 'default', model, optimizer: given = {}, initial = given.initial } = options;
  if (model === undefined) throw new GradwireError('E_CONFIG', 'the directory holds no run yet; give the model to begin one');
  const optimizer = new RMSprop(model, { ...given, initial });
  const config = optimizer.getConfig();
  const about = { run: newRunName(), epoch: 0, epochs: [], firstVersion: 1, name, model, optimizer: config };
  return {
    history: { about, segments: [], count: 0, directory: undefined, snapshots: [] },
    lastVersion: 0,
    lastEpoch,
    start: { ...about, state: optimizer.state(), version: 0, producers: new Producers(), examples: 0 },
    torn,
    damagedSnapshots: [],
  };
}
