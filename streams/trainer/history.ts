// A model's history: on disk where the trainer has a directory, in memory where it has none; and its recovery.
import { randomUUID } from 'node:crypto';
import { EMPTY, identity, lastValueFrom, tap } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import { Producers } from '../../src/producers.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { PublishSettings } from '../operators/publish.ts';
import { type Journal, openJournal, type RecordedBatch } from '../recordings/index.ts';
import { Held } from './held.ts';
import type { TrainerOptions } from './options.ts';

/** What a trainer needs of a journal; one without a directory forgets. */
export type History<Name extends string = string> = Pick<
  Journal<Name>,
  | 'name'
  | 'run'
  | 'epoch'
  | 'epochs'
  | 'model'
  | 'optimizer'
  | 'start'
  | 'records$'
  | 'commit'
  | 'close'
  | 'bytes'
  | 'recovered'
  | 'trouble'
> & { readonly recording: string | undefined; readonly snapshots: Journal['snapshots'] | undefined };

/** The history in the directory, a new one where it is empty; one in memory where there is no directory. */
export async function openHistory<Name extends string>(options: TrainerOptions<Name>): Promise<History<Name>> {
  const { directory, snapshots: { keep } = {}, name, model, optimizer = {} } = options;
  if (directory === undefined) return forgetful(options);
  const { durability, segmentBytes, retention, takeOver, progress } = options;
  const writing = { durability, segmentBytes, retention, keepSnapshots: keep };
  return await openJournal<Name>(directory, { name, model, optimizer, ...writing, takeOver, progress });
}

function forgetful<Name extends string>({ name = 'default', model, optimizer = {} }: TrainerOptions<Name>): History<Name> {
  if (model === undefined) throw new GradwireError('E_CONFIG', 'a trainer needs a model, or a directory with a run');
  const fresh = new RMSprop(model, optimizer);
  return {
    name,
    run: randomUUID().replaceAll('-', ''),
    epoch: 1,
    epochs: [[1, 1]],
    model,
    optimizer: fresh.getConfig(),
    start: { state: fresh.state(), producers: new Producers(), examples: 0, version: 0 },
    records$: EMPTY,
    recovered: { torn: [], damagedSnapshots: [] },
    trouble: undefined,
    commit: () => identity,
    bytes: 0,
    recording: undefined,
    snapshots: undefined,
    close: async () => undefined,
  };
}

/** Folds what was recorded after the newest snapshot: the same bits as before, whatever ended the process. */
export async function recover<Name extends string>(history: History<Name>, encoding: PublishSettings = {}): Promise<Held<Name>> {
  const optimizer = new RMSprop(history.model, history.optimizer);
  optimizer.restore(history.start.state);
  const fold = tap((batch: RecordedBatch<Name>) => optimizer.step(batch));
  await lastValueFrom(history.records$.pipe(fold), { defaultValue: undefined });
  return new Held(history, optimizer, encoding);
}
