// openJournal: a run begins, ends at any moment, and goes on: the same bits, the same producers, one epoch higher.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Layout, layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { createFile } from '../../streams/recordings/disk.ts';
import { type Journal, type JournalOptions, openJournal, openRecording } from '../../streams/recordings/index.ts';
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

const given = batches(20);
const digests = digestsOf(given);
const stream = admitted(given);
const quick: JournalOptions<Name> = { model, optimizer, durability: 'os' };

/** What a trainer does on start: restores and folds what is recorded. */
async function recovered(journal: Journal<Name>): Promise<RMSprop<Name>> {
  const fold = RMSprop.fromConfig(journal.optimizer, journal.model);
  fold.restore(journal.start.state);
  await all(journal.records$.pipe(tap(({ checked }) => fold.step(checked))));
  return fold;
}

/** Commits and folds batches `first` to `last`, one after the other, with a snapshot at each of these versions. */
async function train(
  journal: Journal<Name>,
  fold: RMSprop<Name>,
  last: number,
  snapshotsAt: readonly number[] = [],
): Promise<void> {
  for (const batch of stream.slice(fold.version, last)) {
    await all(
      from([batch]).pipe(
        journal.commit(),
        tap(({ checked }) => fold.step(checked)),
      ),
    );
    journal.start.producers.note(batch.header, batch.payload, batch.version);
    if (snapshotsAt.includes(fold.version))
      await journal.snapshots.write(snapshotFrame(journal, fold, fold.version * 10), fold.version);
  }
}

/** A closed run of so many batches. */
async function makeRun(
  last: number,
  snapshotsAt: readonly number[] = [],
  options: Partial<JournalOptions<Name>> = {},
): Promise<string> {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, ...options });
  await train(journal, await recovered(journal), last, snapshotsAt);
  await journal.close();
  return path;
}

test('a new directory begins a run, which is there before anything is admitted', async () => {
  const path = join(directory(), 'deep', 'run');
  const journal = await openJournal<Name>(path, { ...quick, name: 'm', durability: 'fsync' });
  assert.match(journal.run, /^[0-9a-f]{32}$/);
  assert.equal([journal.epoch, journal.epochs, journal.name, journal.start.version], [1, [[1, 1]], 'm', 0]);
  assert.is(journal.recording, join(path, 'seg-00000001-0000000000000001.mcap'));
  assert.is(journal.bytes, readFileSync(journal.recording).byteLength);
  assert.is((await recovered(journal)).digest(), digests[0]);
  assert.is(journal.snapshots.newest(), undefined);
  await journal.close();
  const again = await openJournal<Name>(path);
  assert.equal(
    [again.run, again.epoch, again.epochs],
    [
      journal.run,
      2,
      [
        [1, 1],
        [2, 1],
      ],
    ],
  );
  assert.is((await recovered(again)).digest(), digests[0]);
  await again.close();
});

test('it goes on where it ended, with the same bits, producers, examples and options', async () => {
  const path = await makeRun(8);
  const journal = await openJournal<Name>(path);
  assert.equal(journal.optimizer, new RMSprop(model, optimizer).getConfig());
  assert.equal(journal.model.toJSON(), model.toJSON());
  const fold = await recovered(journal);
  assert.equal([fold.version, fold.digest()], [8, digests[8]]);
  assert.equal(journal.start.producers.position('w1'), { producerEpoch: 0, sequence: 8 });
  assert.is(journal.start.producers.find(stream[4].header, stream[4].payload), 5);
  assert.is(journal.start.examples, 36);
  await train(journal, fold, 20);
  await journal.close();
  assert.is(fold.digest(), digests[20]);
  assert.is((await foldOf(path)).digest, digests[20]);
  assert.equal((await openRecording(path)).epochs, [
    [1, 1],
    [2, 9],
  ]);
});

test('recovery begins at the newest snapshot and folds the rest; examples and producers are those of both', async () => {
  const path = await makeRun(12, [5, 9]);
  const journal = await openJournal<Name>(path);
  assert.is(journal.start.version, 9);
  assert.is(journal.start.examples, 90);
  const fold = await recovered(journal);
  assert.equal([fold.version, fold.digest()], [12, digests[12]]);
  assert.is(journal.start.examples, 90 + 10 + 11 + 12);
  for (const { header, payload, version } of stream.slice(0, 12))
    assert.is(journal.start.producers.find(header, payload), version);
  assert.is((await all(journal.records$)).length, 3);
  assert.is(journal.start.examples, 90 + 10 + 11 + 12);
  await journal.close();
  for (const version of [5, 9]) {
    const snapshot = join(path, `snap-${String(version).padStart(16, '0')}.safetensors`);
    assert.is((await foldOf(path, { snapshot })).digest, digests[12]);
  }
});

test('a damaged snapshot is passed over for the one before it, and told of', async () => {
  const path = await makeRun(12, [3, 6, 9]);
  const [, second, third] = names(path, /^snap-/).map((name) => join(path, name));
  const flipped = readFileSync(third);
  flipped[flipped.byteLength - 5] ^= 1;
  writeFileSync(third, flipped);
  writeFileSync(second, readFileSync(second).subarray(0, 300));
  const journal = await openJournal<Name>(path);
  assert.is(journal.start.version, 3);
  assert.equal(
    journal.recovered.damagedSnapshots.map(({ code }) => code),
    ['E_SNAPSHOT', 'E_SNAPSHOT'],
  );
  assert.is((await recovered(journal)).digest(), digests[12]);
  await journal.close();
  for (const name of names(path, /^snap-/)) writeFileSync(join(path, name), '');
  const without = await openJournal<Name>(path);
  assert.is(without.start.version, 0);
  assert.is((await recovered(without)).digest(), digests[12]);
  await without.close();
});

test('snapshots: the name appears with the whole file, the newest are kept, what a crash left behind is removed', async () => {
  const path = directory();
  const leftover = join(path, 'snap-0000000000000007.safetensors.tmp');
  writeFileSync(leftover, 'half');
  const journal = await openJournal<Name>(path, { ...quick, keepSnapshots: 2 });
  assert.not(existsSync(leftover));
  const fold = await recovered(journal);
  await train(journal, fold, 6, [2, 4, 6]);
  assert.equal(names(path, /^snap-/), ['snap-0000000000000004.safetensors', 'snap-0000000000000006.safetensors']);
  assert.is(journal.snapshots.newest(), join(path, 'snap-0000000000000006.safetensors'));
  // a directory in its place lets the rename fail
  mkdirSync(join(path, 'snap-0000000000000008.safetensors', 'x'), { recursive: true });
  await refusal('E_DISK', journal.snapshots.write(new Uint8Array(8), 8));
  assert.equal(names(path, /tmp$/), []);
  assert.is(journal.snapshots.newest(), join(path, 'snap-0000000000000006.safetensors'));
  rmSync(join(path, 'snap-0000000000000008.safetensors'), { recursive: true });
  await journal.close();
  const again = await openJournal<Name>(path);
  assert.is(again.snapshots.newest(), join(path, 'snap-0000000000000006.safetensors'));
  await again.close();
});

test('a snapshot that is ahead of the recording shows that acknowledged batches are lost', async () => {
  const path = await makeRun(6, [6], { segmentBytes: 1 });
  const segments = names(path, /^seg-/);
  rmSync(join(path, segments[segments.length - 1]));
  await refusal('E_RECORDING_GAP', openJournal(path), /ends at version 5, the newest snapshot is of version 6/);
  const torn = await makeRun(6, [6]);
  const file = join(torn, names(torn, /^seg-/)[0]);
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, bytes.indexOf('gradwire.end') - 100));
  await refusal('E_RECORDING_CORRUPT', openJournal(torn), /the snapshot of version 6 proves/);
  for (const name of [...segments.slice(0, -1), 'epoch.json']) rmSync(join(path, name));
  await refusal('E_RECORDING_GAP', openJournal(path, quick), /has a snapshot of version 6 and no recording/);
});

test('options given explicitly must be those recorded; those left out are as recorded', async () => {
  const path = await makeRun(2);
  for (const [options, text] of [
    [{ optimizer: { lr: 0.02 } }, /lr is 0\.01 in the recording, 0\.02 in the options/],
    [{ optimizer: { sparse: 'lazy' } }, /sparse is exact in the recording, lazy/],
    [{ optimizer: { clipnorm: 1 } }, /clipnorm is 0 in the recording, 1/],
    [{ name: 'other' }, /the model name is "default" in the recording, "other"/],
  ] as const) {
    await refusal('E_CONFIG_DRIFT', openJournal(path, options), text);
  }
  for (const [other, text] of [
    [layout({ w: [4], table: [5, 2] }), /"w" is \[3\] in the recording, \[4\]/],
    [layout({ w: [3], table: [5, 2], b: [1] }), /"b" is \[missing\]/],
    [layout({ w: [3] }), /lacks "table"/],
    [layout({ table: [5, 2], w: [3] }), /another order/],
  ] as const) {
    await refusal('E_LAYOUT', openJournal(path, { model: other as Layout }), text);
  }
  await refusal('E_CONFIG', openJournal(path, { optimizer: { rho: 3 } }), /rho/);
  assert.is(names(path, /^seg-/).length, 1, 'a refused start leaves nothing behind');
  const journal = await openJournal<Name>(path, { model, name: 'default', optimizer: { ...optimizer, kernel: 'scalar' } });
  assert.is(journal.model, model);
  await journal.close();
});

test('options that cannot be are refused', async () => {
  const path = directory();
  await refusal('E_CONFIG', openJournal(path), /give the model to begin one/);
  await refusal('E_CONFIG', openJournal(path, { ...quick, durabilty: 'os' } as never), /did you mean "durability"/);
  await refusal('E_CONFIG', openJournal(path, { ...quick, durability: 'disk' as never }));
  await refusal('E_CONFIG', openJournal(path, { ...quick, segmentBytes: 0 }), /integer from 1/);
  await refusal('E_CONFIG', openJournal(path, { ...quick, keepSnapshots: 1.5 }));
  await refusal('E_CONFIG', openJournal(path, { ...quick, name: 'a\nb' }), /printable/);
  await refusal('E_UNKNOWN', openJournal(path, { ...quick, initial: { nothing: new Float32Array(1) } as never }));
  assert.equal(names(path, /./), []);
});

test('the initial parameters of the journal win over those of the optimizer', async () => {
  const journal = await openJournal<Name>(directory(), { ...quick, initial: { w: Float32Array.of(7, 8, 9) } });
  assert.equal([...journal.start.state.parameters.subarray(0, 3)], [7, 8, 9]);
  await journal.close();
});

test('a full segment is closed and the next begun, in the same epoch', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, segmentBytes: 4000 });
  await train(journal, await recovered(journal), 20);
  const written = names(path, /^seg-/);
  assert.ok(written.length > 3);
  assert.is(journal.recording, join(path, written[written.length - 1]));
  assert.is(
    journal.bytes,
    written.reduce((sum, name) => sum + readFileSync(join(path, name)).byteLength, 0),
  );
  const { segments, epochs } = await openRecording(path);
  assert.equal(epochs, [[1, 1]]);
  assert.ok(segments.slice(0, -1).every(({ closedCleanly, bytes }) => closedCleanly && bytes >= 4000));
  assert.not(segments.at(-1)?.closedCleanly);
  await journal.close();
  assert.is((await foldOf(path)).digest, digests[20]);
});

test('a run can be read while it is written', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, segmentBytes: 3000 });
  let writing = true;
  const trained = recovered(journal)
    .then((fold) => train(journal, fold, 20, [3, 8, 15]))
    .finally(() => {
      writing = false;
    });
  let last = 0;
  while (writing) {
    const { lastVersion, batches: count } = await openRecording(path);
    assert.ok(lastVersion >= last && count === lastVersion);
    last = lastVersion;
  }
  await trained;
  await journal.close();
});

test('a directory that cannot be made or written is an error with a code', async () => {
  const file = join(directory(), 'file');
  writeFileSync(file, '');
  await refusal('E_FILE', openJournal(join(file, 'run'), quick), /EEXIST.*file'/);
  await refusal('E_FILE', openJournal(file, quick), /EEXIST/);
});

test('all that waits is one write and one sync', async () => {
  let syncs = 0;
  const create: typeof createFile = async (file) => {
    const handle = await createFile(file);
    const datasync = handle.datasync.bind(handle);
    handle.datasync = () => {
      syncs += 1;
      return datasync();
    };
    return handle;
  };
  const journal = await openJournal<Name>(directory(), { ...quick, durability: 'fsync', create });
  assert.is(syncs, 1);
  assert.is((await all(from(stream).pipe(journal.commit()))).length, 20);
  // the first batch, and the nineteen that came while it was written
  assert.is(syncs, 3);
  await journal.close();
});

test('a disk that fails: nothing of the group passes, nothing after it, and a new start goes on', async () => {
  let broken = false;
  const create: typeof createFile = async (file) => {
    const handle = await createFile(file);
    const datasync = handle.datasync.bind(handle);
    handle.datasync = () => (broken ? Promise.reject(new Error('EIO: i/o error, fdatasync')) : datasync());
    return handle;
  };
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, durability: 'fsync', create });
  const fold = await recovered(journal);
  await train(journal, fold, 3);
  broken = true;
  await refusal('E_DISK_FAILED', train(journal, fold, 4), /EIO/);
  broken = false;
  // after a failed sync a retry would lie
  await refusal('E_DISK_FAILED', train(journal, fold, 4), /EIO/);
  assert.is(fold.version, 3);
  await journal.close();
  const again = await openJournal<Name>(path);
  const { version, digest } = await recovered(again).then((each) => ({ version: each.version, digest: each.digest() }));
  assert.ok(version === 3 || version === 4);
  assert.is(digest, digests[version]);
  await again.close();
});

test('a closed journal takes nothing more, and versions must follow', async () => {
  const journal = await openJournal<Name>(directory(), quick);
  await refusal('E_RECORDING', all(from([stream[1]]).pipe(journal.commit())), /version 2 does not follow 0/);
  await journal.close();
  await refusal('E_CLOSED', all(from([stream[0]]).pipe(journal.commit())));
});

test('close waits for the write under way; what still waits for its turn is an error, and not written', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, durability: 'fsync' });
  const passed: number[] = [];
  const done = all(
    from(stream).pipe(
      journal.commit(),
      tap(({ version }) => passed.push(version)),
    ),
  );
  await Promise.all([journal.close(), refusal('E_CLOSED', done)]);
  const { lastVersion, segments } = await openRecording(path);
  assert.equal(passed, [1]);
  assert.is(lastVersion, 1);
  assert.ok(segments[0].closedCleanly);
});

test('without a promise batches pass at once, and are written after', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...quick, durability: 'none' });
  const passed: number[] = [];
  const done = all(
    from(stream).pipe(
      journal.commit(),
      tap(({ version }) => passed.push(version)),
    ),
  );
  assert.equal(passed, [1]);
  await done;
  await journal.close();
  assert.is((await openRecording(path)).lastVersion, 20);
});

test('a directory is made with those that lead to it; one that cannot be made is refused, and does not hang', async () => {
  const path = join(directory(), 'a', 'b', 'c');
  await (await openJournal(path, quick)).close();
  assert.ok(existsSync(path));
  const file = join(directory(), 'file');
  writeFileSync(file, '');
  for (const wrong of [join(file, 'run'), '/proc/nowhere/run']) await refusal('E_FILE', openJournal(wrong, quick));
});

test.run();
