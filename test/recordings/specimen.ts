// A small recording to damage: one chunk for each batch, and where everything stands in it.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { admitted, all, batches, digestsOf, directory, model, type Name, optimizer, snapshotFrame } from './runs.ts';

/** A recording, cleanly closed. */
export interface Specimen {
  readonly given: ReturnType<typeof batches>;
  /** Of the fold, by version. */
  readonly digests: readonly string[];
  readonly bytes: Buffer;
  /** Where each chunk begins; the first is the end of the head. */
  readonly chunks: readonly number[];
  /** Where the record begins that closes the segment. */
  readonly ending: number;
  /** A snapshot of the version before the last. */
  readonly snapshot: Uint8Array;
  /** Writes the file as a crash leaves it: without its end. */
  crashed(): string;
  /** Writes the whole file. */
  closed(): string;
}

/** Makes one of `count` batches. */
export async function specimen(count: number): Promise<Specimen> {
  const given = batches(count);
  const journal = await openJournal<Name>(directory(), { model, optimizer, durability: 'os' });
  const fold = new RMSprop(model, optimizer);
  for (const batch of admitted(given)) {
    await all(from([batch]).pipe(journal.commit()));
    if (batch.version === count) continue;
    fold.step(batch.checked);
    journal.start.producers.note(batch.header, batch.payload, batch.version);
  }
  const snapshot = snapshotFrame(journal, fold, 10);
  await journal.close();
  const bytes = readFileSync(journal.recording);
  const ending = bytes.indexOf('gradwire.end') - 13;
  const chunks = [...bytes.keys()].filter((i) => i < ending && bytes[i] === 6 && isChunk(bytes, i));
  const write = (contents: Uint8Array): string => {
    const path = join(directory(), 'a.mcap');
    writeFileSync(path, contents);
    return path;
  };
  const [crashed, closed] = [() => write(bytes.subarray(0, ending)), () => write(bytes)];
  return { given, digests: digestsOf(given), bytes, chunks, ending, snapshot, crashed, closed };
}

/** A run of two segments, the first of which was not closed: its trainer died before the last batch. */
export async function twoSegments(
  given: Specimen['given'],
): Promise<{ readonly first: Uint8Array; readonly second: Uint8Array; readonly firstVersion: number }> {
  const path = directory();
  const run = admitted(given);
  const one = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
  for (const batch of run.slice(0, -1)) await all(from([batch]).pipe(one.commit()));
  await one.close();
  truncateSync(one.recording, readFileSync(one.recording).indexOf('gradwire.end') - 13);
  const two = await openJournal<Name>(path, { durability: 'os' });
  await all(two.records$);
  await all(from(run.slice(-1)).pipe(two.commit()));
  await two.close();
  return { first: readFileSync(one.recording), second: readFileSync(two.recording), firstVersion: given.length };
}

/** The bytes of the MCAP record at `i`. */
export function recordLength(bytes: Buffer, i: number): number {
  return 9 + Number(bytes.readBigUInt64LE(i + 1));
}

function isChunk(bytes: Buffer, i: number): boolean {
  const size = Number(bytes.readBigUInt64LE(i + 41));
  return recordLength(bytes, i) === size + 49 && Number(bytes.readBigUInt64LE(i + 25)) === size;
}
