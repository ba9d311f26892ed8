// Where a recording stands: everything that the fold of it, and going on from it, depend on, as one text.
import { bytesOf, digestOf } from '../../src/digest.ts';
import { GradwireError } from '../../src/errors.ts';
import type { FoldStart } from '../../streams/recordings/history/fold-from.ts';
import { batches$ } from '../../streams/recordings/history/replay.ts';
import { foldFrom, type RecordedBatch, replay } from '../../streams/recordings/index.ts';
import { recover } from '../../streams/recordings/journal/recovery.ts';
import { all, model, type Name } from '../recordings/runs.ts';

/** A stand, and what was said of the damage on the way to it. */
export interface Stand {
  /** Two that are the same text fold to the same bits, and dedupe alike. */
  readonly text: string;
  /** Batches recorded. */
  readonly version: number;
  /** Torn tails and snapshots that were passed over. */
  readonly told: number;
}

/** As whoever reads a recording finds it. Throws where it is refused. */
export async function standOfReader(path: string): Promise<Stand> {
  const start = await foldFrom<Name>(path);
  let told = 0;
  const onTorn = (): void => {
    told += 1;
  };
  const batches = await all(replay<Name>(path, { from: start.version, model, onTorn }));
  return { ...standOf(start, batches), told };
}

/** As a trainer that is started in a directory finds it. Throws where it refuses to start. */
export async function standOfTrainer(directory: string): Promise<Stand> {
  const found = await recover(directory);
  if (found.history === undefined) return { text: 'nothing', version: 0, told: found.torn.length };
  const { history, start, lastVersion, torn, damagedSnapshots } = found;
  const batches = await all(batches$<Name>(history, { from: start.version, until: lastVersion, model }));
  return { ...standOf(start as FoldStart<Name>, batches), told: torn.length + damagedSnapshots.length };
}

function standOf(start: FoldStart<Name>, batches: readonly RecordedBatch<Name>[]): Pick<Stand, 'text' | 'version'> {
  const { run, name, model: found, optimizer, state, version, producers, examples } = start;
  const { list, windows } = producers.toList();
  const { parameters, accumulator, owed, ...rest } = state;
  const parts = [parameters, accumulator, windows, ...owed.values()].map((each) => digestOf(bytesOf(each)));
  const said = { run, name, found, optimizer, version, list, examples, parts, rest, debtors: [...owed.keys()] };
  // a record's frame has all that is known of its batch
  const text = [JSON.stringify(said), ...batches.map(({ frame }) => digestOf(frame))].join('\n');
  return { text, version: version + batches.length };
}

/** What became of damage. */
export type Outcome = 'harmless' | 'passed over' | 'refused';

/**
 * What became of damage, where `sound` is the stand without it and `fallbacks` are those that may be taken in its place, if
 * that is told. Throws for any other stand: a wrong one.
 */
export async function outcomeOf(reading: Promise<Stand>, sound: Stand, fallbacks: readonly Stand[] = []): Promise<Outcome> {
  let found: Stand;
  try {
    found = await reading;
  } catch (error) {
    if (error instanceof GradwireError) return 'refused';
    throw error;
  }
  if (found.text === sound.text) return found.told > sound.told ? 'passed over' : 'harmless';
  if (found.told > sound.told && fallbacks.some(({ text }) => text === found.text)) return 'passed over';
  throw new Error(`a wrong state: version ${found.version} in place of ${sound.version}, told of ${found.told}`);
}
