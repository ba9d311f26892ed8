// Retention: old segments and snapshots go by count, bytes and age, and never before two sound snapshots make them needless.
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import {
  foldFrom,
  type Journal,
  type JournalOptions,
  openJournal,
  openRecording,
  type Retention,
} from '../../streams/recordings/index.ts';
import {
  admitted,
  all,
  batches,
  digestsOf,
  directory,
  foldOf,
  model,
  type Name,
  names,
  optimizer,
  refusal,
  removeDirectories,
  snapshotFrame,
} from './runs.ts';

test.after(removeDirectories);

const stream = admitted(batches(12));
const digests = digestsOf(batches(12));
// each batch in a segment of its own
const options: JournalOptions<Name> = { model, optimizer, durability: 'os', segmentBytes: 1, keepSnapshots: 2 };

interface Run {
  readonly path: string;
  readonly journal: Journal<Name>;
  /** Goes on up to a version, and writes a snapshot there. */
  readonly snapshotAt: (version: number) => Promise<void>;
  /** First versions of the segments, versions of the snapshots. */
  readonly there: () => [segments: number[], snapshots: number[]];
}

async function begin(retention: Retention, path: string = directory()): Promise<Run> {
  const journal = await openJournal<Name>(path, { ...options, retention });
  const fold = RMSprop.fromConfig(journal.optimizer, journal.model);
  fold.restore(journal.start.state);
  await all(journal.records$.pipe(tap(({ checked }) => fold.step(checked))));
  const snapshotAt = async (version: number): Promise<void> => {
    for (const batch of stream.slice(fold.version, version)) {
      await all(from([batch]).pipe(journal.commit()));
      fold.step(batch.checked);
    }
    await journal.snapshots.write(snapshotFrame(journal, fold), version);
  };
  const numbers = (pattern: RegExp): number[] => names(path, pattern).map((name) => Number(/(\d+)\.\w+$/.exec(name)?.[1]));
  return { path, journal, snapshotAt, there: () => [numbers(/^seg-/), numbers(/^snap-/)] };
}

test('without limits every segment is kept; snapshots beyond the newest go', async () => {
  const { snapshotAt, there, journal, path } = await begin({});
  for (const version of [3, 6, 9]) await snapshotAt(version);
  assert.equal(there(), [
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
    [6, 9],
  ]);
  await journal.close();
  assert.is((await foldOf(path)).digest, digests[9]);
});

test('nothing goes before a second snapshot is sound, then what lies before it, beyond the limit', async () => {
  const { snapshotAt, there, journal, path } = await begin({ segments: 1 });
  await snapshotAt(4);
  assert.equal(there(), [[1, 2, 3, 4], [4]]);
  await snapshotAt(7);
  assert.equal(there(), [
    [5, 6, 7],
    [4, 7],
  ]);
  await snapshotAt(9);
  assert.equal(there(), [
    [8, 9],
    [7, 9],
  ]);
  await journal.close();
  const again = await begin({ segments: 1 }, path);
  assert.equal([again.journal.start.version, again.journal.epoch], [9, 2]);
  await again.snapshotAt(12);
  await again.journal.close();
  const { firstVersion, lastVersion, initial } = await openRecording(path);
  assert.equal([firstVersion, lastVersion, initial], [10, 12, undefined]);
  const [older, newer] = names(path, /^snap/).map((name) => join(path, name));
  assert.is((await foldOf(path, { snapshot: older })).digest, digests[12]);
  // what is left begins with the oldest snapshot that leads to its first batch
  assert.is((await foldFrom(path)).version, 9);
  assert.is((await foldOf(path)).digest, digests[12]);
  rmSync(newer);
  const damaged = readFileSync(older);
  damaged[damaged.byteLength - 1] ^= 1;
  writeFileSync(older, damaged);
  await refusal('E_RECORDING_GAP', foldOf(path), /begins at version 10; give a snapshot of version 9 or later/);
});

test('by bytes and by age, the oldest first', async () => {
  const bytes = await begin({ bytes: 1 });
  await bytes.snapshotAt(2);
  await bytes.snapshotAt(5);
  assert.equal(bytes.there(), [
    [3, 4, 5],
    [2, 5],
  ]);
  await bytes.journal.close();
  const size = (path: string): number => names(path, /^seg-/).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
  const most = size(bytes.path) * 3;
  const some = await begin({ bytes: most });
  await some.snapshotAt(6);
  await some.snapshotAt(9);
  assert.ok(size(some.path) <= most && some.there()[0].length > 3);
  await some.journal.close();
  const aged = await begin({ ageMs: 3_600_000 });
  await aged.snapshotAt(5);
  for (const name of names(aged.path, /^seg-/).slice(0, 2)) utimesSync(join(aged.path, name), 0, 0);
  await aged.snapshotAt(7);
  assert.equal(aged.there(), [
    [3, 4, 5, 6, 7],
    [5, 7],
  ]);
  await aged.journal.close();
});

test('a snapshot that reads back as something else counts for nothing, and nothing is removed', async () => {
  const { snapshotAt, there, journal, path } = await begin({ segments: 1 });
  await snapshotAt(3);
  const damaged = join(path, 'snap-0000000000000003.safetensors');
  const found = readFileSync(damaged);
  found[found.byteLength - 1] ^= 1;
  writeFileSync(damaged, found);
  await journal.close();
  // a start reads it, passes it over, and has no sound snapshot yet
  const again = await begin({ segments: 1 }, path);
  assert.is(again.journal.start.version, 0);
  await again.snapshotAt(6);
  assert.equal(again.there(), [
    [1, 2, 3, 4, 5, 6],
    [3, 6],
  ]);
  await again.snapshotAt(8);
  assert.equal(again.there(), [
    [7, 8],
    [6, 8],
  ]);
  await again.journal.close();
  assert.equal(there(), [
    [7, 8],
    [6, 8],
  ]);
});

test('limits that cannot be are refused', async () => {
  for (const retention of [{ segments: 0 }, { bytes: 1.5 }, { ageMs: Number.NaN }, { segments: '3' }, { days: 3 }]) {
    await refusal('E_CONFIG', openJournal<Name>(directory(), { ...options, retention: retention as never }));
  }
  await refusal('E_CONFIG', openJournal<Name>(directory(), { ...options, keepSnapshots: 1 }), /integer from 2/);
});

test.run();
