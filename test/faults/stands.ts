// Where a recording stands: everything that its fold depends on, as one text; and whether damage led to another one.
import { dirname } from 'node:path';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { GradwireError } from '../../src/errors.ts';
import { chunksOf } from '../../streams/recordings/history/chunks.ts';
import { readHistory } from '../../streams/recordings/history/history.ts';
import { batches$ } from '../../streams/recordings/history/replay.ts';
import { type FoldStart, readInitial } from '../../streams/recordings/history/start.ts';
import { foldFrom, type RecordedBatch, replay } from '../../streams/recordings/index.ts';
import { recover } from '../../streams/recordings/journal/recovery.ts';
import { readSnapshot } from '../../streams/recordings/journal/snapshots.ts';
import { all, model, type Name } from '../recordings/runs.ts';

/** A stand, and what was said of damage on the way to it. */
export interface Stand {
  /** Two that are the same text fold to the same bits, and dedupe alike. */
  readonly text: string;
  /** Batches recorded. */
  readonly version: number;
  /** Torn tails, and snapshots that were passed over. */
  readonly told: number;
}

/** A way to read what is in a folder. It throws where the recording is refused. */
export type Reading = (folder: string) => Promise<Stand>;

/** The bytes that the fold is made from: heads, initial weights and records. Nothing is decoded, so it is quick. */
export const standOfBytes: Reading = async (folder) => {
  const initial = digestOf(bytesOf(await readInitial(await readHistory(folder))));
  const { text, ...rest } = await standOfRecords(folder);
  return { text: `${initial}\n${text}`, ...rest };
};

/** The same without the initial weights, for damage that is behind them. */
export const standOfRecords: Reading = async (folder) => {
  const history = await readHistory(folder);
  // the head of a segment that was cut off is told of as torn, and holds nothing
  const abouts = history.segments.map(({ about }) => about).filter((each) => each !== undefined);
  const records: string[] = [];
  let told = 0;
  const onTorn = (): void => {
    told += 1;
  };
  for await (const chunk of chunksOf(history, { onTorn }))
    records.push(...chunk.records.map((each) => `${chunk.about.epoch} ${digestOf(each)}`));
  return { text: [JSON.stringify(abouts), ...records].join('\n'), version: records.length, told };
};

/** As whoever replays a recording finds it. */
export const standOfReader: Reading = async (folder) => {
  const start = await foldFrom<Name>(folder);
  let told = 0;
  const onTorn = (): void => {
    told += 1;
  };
  const batches = await all(replay<Name>(folder, { from: start.version, model, onTorn }));
  return { ...standOf(start, batches), told };
};

/** As a trainer that is started in the folder finds it. */
export const standOfTrainer: Reading = async (folder) => {
  const found = await recover(folder);
  if (found.history === undefined) return { text: 'nothing', version: 0, told: found.torn.length };
  const { history, start, lastVersion, torn, damagedSnapshots } = found;
  const batches = await all(batches$<Name>(history, { from: start.version, until: lastVersion, model }));
  return { ...standOf(start, batches), told: torn.length + damagedSnapshots.length };
};

/** A snapshot by itself, as a trainer reads it. */
export const standOfSnapshot: Reading = async (path) => {
  const { about } = await readHistory(dirname(path));
  const found = await readSnapshot(path, about).catch((error: unknown) => {
    if (error instanceof GradwireError && error.code === 'E_SNAPSHOT') return undefined;
    throw error;
  });
  if (found === undefined) return { text: 'passed over', version: 0, told: 1 };
  const { model: name, parameters } = found;
  return { ...standOf({ ...found, name, model: parameters.layout }, []), told: 0 };
};

function standOf(start: Omit<FoldStart, 'epoch'>, batches: readonly RecordedBatch<Name>[]): Pick<Stand, 'text' | 'version'> {
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

/** The stand without damage, and those that may take its place where that is told. */
export interface Expected {
  readonly sound: Stand;
  readonly fallbacks: readonly Stand[];
}

/** What became of damage. Throws for a stand that is none of those expected: a wrong state. */
export async function outcomeOf(reading: Promise<Stand>, { sound, fallbacks }: Expected): Promise<Outcome> {
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
