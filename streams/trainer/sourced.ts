// A trainer and its source agree: on the options before anything is opened, and on the state once all is recovered.
import { GradwireError } from '../../src/errors.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { TrainingSource } from '../operators/index.ts';
import type { Failing } from './failing.ts';
import { Following } from './following.ts';
import type { Held } from './held.ts';
import { settleTrainerOptions, type TrainerOptions } from './options.ts';
import { Pusher } from './pusher.ts';

/** The options of a trainer, checked, with its source's model and hyper-parameters. Throws `E_CONFIG` or `E_LAYOUT` where they contradict it. */
export function withSource<Name extends string>(given: TrainerOptions<Name>): TrainerOptions<Name> {
  const options = settleTrainerOptions(given);
  const { source, model, optimizer = {} } = options;
  if (source === undefined) return options;
  const config = source.getConfig();
  if (typeof config.lossScale === 'object')
    throw new GradwireError(
      'E_CONFIG',
      'a source with a dynamic loss scale makes batches that no trainer takes; give it a number',
    );
  const { exact: _exact, ...plain } = config as typeof config & { exact?: string };
  const {
    initial: _initial,
    threads: _threads,
    ...hyperparameters
  } = { initial: undefined, threads: undefined, ...plain, ...optimizer };
  const [mine, its] = [hyperparameters, plain].map((each) => JSON.stringify(new RMSprop(layout({}), each).getConfig()));
  if (mine !== its)
    throw new GradwireError(
      'E_CONFIG',
      `the trainer's optimizer would be ${mine}, its source's is ${its}; leave the options out`,
    );
  const bound = source.bind(model) as NonNullable<typeof model>;
  const state = source.state();
  const initial = Object.fromEntries(
    bound.tensors.map(({ name, offset, length }) => [name, state.parameters.slice(offset, offset + length)]),
  );
  return { ...options, model: bound, optimizer: { ...plain, initial: initial as Record<Name, Float32Array>, ...optimizer } };
}

/** What batches of this process come through: pushes, or the steps of a source, which then is at the trainer's state. */
export function pusherFor<Name extends string>(held: Held<Name>, options: TrainerOptions<Name>, failing: Failing): Pusher<Name> {
  const { source, maxWaitingBytes } = options;
  if (source === undefined) return new Pusher(held, held.history.optimizer, maxWaitingBytes);
  align(source, held);
  return new Following(held, { source, maxWaitingBytes, fail: (error) => failing.failed$.error(error) });
}

// one state: the recording's where it has one, otherwise the source's
function align<Name extends string>(source: TrainingSource, held: Held<Name>): void {
  const state = held.optimizer.state();
  const { version } = source.state();
  if (state.version === 0 && version > 0)
    throw new GradwireError(
      'E_CONFIG',
      `the source has made ${version} steps that no recording has; attach the trainer before the first`,
    );
  source.adopt(state);
}
