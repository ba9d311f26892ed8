// The durable epoch: of two trainers on one directory that do not see each other, only the later is believed.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Admitted } from '../../streams/operators/flow.ts';
import { createFile } from '../../streams/recordings/disk.ts';
import { type Journal, type JournalOptions, openJournal, openRecording } from '../../streams/recordings/index.ts';
import { Fence } from '../../streams/recordings/journal/fence.ts';
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
const options: JournalOptions<Name> = { model, optimizer, durability: 'os' };
const epochOf = (path: string): { epoch: number; segment?: string } => JSON.parse(readFileSync(join(path, 'epoch.json'), 'utf8'));

function commit(journal: Journal<Name>, first: number, last: number): Promise<Admitted<Name>[]> {
  return all(from(stream.slice(first - 1, last)).pipe(journal.commit()));
}

/** Another process' claim, made as one that does not see this one's lock would make it. */
async function claim(path: string): Promise<Fence> {
  return await Fence.claim(path, 0);
}

test('each start claims the next epoch before it reads, and names its first segment once that is on disk', async () => {
  const path = directory();
  for (const epoch of [1, 2, 3]) {
    const journal = await openJournal<Name>(path, options);
    assert.equal([journal.epoch, epochOf(path).epoch], [epoch, epoch]);
    assert.equal(join(path, epochOf(path).segment ?? ''), journal.recording);
    await journal.close();
  }
  // one that died between its claim and its first segment
  await claim(path);
  const journal = await openJournal<Name>(path, options);
  assert.is(journal.epoch, 5);
  await journal.close();
  rmSync(join(path, 'epoch.json'));
  const without = await openJournal<Name>(path, options);
  assert.is(without.epoch, 6, 'a recording of a release without epoch.json goes on');
  await without.close();
});

test('a trainer whose directory was claimed acknowledges nothing more, and writes no snapshot', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, options);
  await commit(journal, 1, 4);
  await claim(path);
  const error = await refusal('E_FENCED', commit(journal, 5, 6), /has begun epoch 2; this one, of epoch 1, stops/);
  assert.not(error.retryable);
  await refusal('E_FENCED', commit(journal, 5, 6));
  await refusal('E_FENCED', journal.snapshots.write(snapshotFrame(journal, new RMSprop(model, optimizer)), 4));
  assert.equal(names(path, /^snap/), []);
  await journal.close();
});

test('what a replaced trainer still wrote does not count: the later epoch goes on from where it began', async () => {
  const path = directory();
  const old = await openJournal<Name>(path, options);
  await commit(old, 1, 4);
  // the other reads here: versions up to 4
  const copies = names(path, /./).map((name) => [join(path, name), readFileSync(join(path, name))] as const);
  await refusal(
    'E_FENCED',
    claim(path).then(() => commit(old, 5, 7)),
  );
  const late = readFileSync(old.recording);
  await old.close();
  for (const [file, bytes] of copies) writeFileSync(file, bytes);
  const next = await openJournal<Name>(path, options);
  // its late bytes arrive after all
  writeFileSync(old.recording, late);
  await commit(next, 5, 9);
  await next.close();
  assert.is((await foldOf(path)).digest, digests[9]);
  const { torn, lastVersion } = await openRecording(path);
  assert.equal([torn.map(({ version, path: file }) => [version, file]), lastVersion], [[[5, old.recording]], 9]);
  assert.match(torn[0].reason, /another had taken over/);
  const again = await openJournal<Name>(path, options);
  await commit(again, 10, 12);
  await again.close();
  assert.is((await foldOf(path)).digest, digests[12]);
});

test('a claim that is written back whole, or looked at twice, is still the own one', async () => {
  const path = directory();
  const fence = await claim(path);
  await fence.check();
  const text = readFileSync(join(path, 'epoch.json'));
  rmSync(join(path, 'epoch.json'));
  await refusal('E_FENCED', fence.check(), /is gone/);
  writeFileSync(join(path, 'epoch.json'), text);
  await fence.check();
  writeFileSync(join(path, 'epoch.json'), 'no JSON');
  await refusal('E_FENCED', fence.check());
});

test('segments that are missing at the end are known by epoch.json, and by the end of the one before', async () => {
  const path = directory();
  const journal = await openJournal<Name>(path, { ...options, segmentBytes: 1 });
  for (let version = 1; version <= 4; version++) await commit(journal, version, version);
  await journal.close();
  const [, , , last] = names(path, /^seg-/);
  const bytes = readFileSync(join(path, last));
  rmSync(join(path, last));
  await refusal('E_RECORDING_GAP', openJournal(path), /the segment that begins with version 4 is missing/);
  await refusal('E_RECORDING_GAP', openRecording(path), /begins with version 4 is missing/);
  // one file names no more than itself and those before it
  assert.is((await openRecording(join(path, names(path, /^seg-/)[2]))).lastVersion, 3);
  writeFileSync(join(path, last), bytes);
  const again = await openJournal<Name>(path);
  await again.close();
  rmSync(again.recording);
  await refusal('E_RECORDING_GAP', openJournal(path), /lacks "seg-00000003-0000000000000005.mcap", which its epoch.json names/);
});

test('a snapshot is never on disk before the batches that are folded in it, whatever the durability', async () => {
  for (const durability of ['fsync', 'os', 'none'] as const) {
    const path = directory();
    const events: string[] = [];
    const journal = await openJournal<Name>(path, {
      ...options,
      durability,
      create: async (file) => {
        const handle = await createFile(file);
        const datasync = handle.datasync.bind(handle);
        handle.datasync = async () => {
          await datasync();
          events.push(existsSync(join(path, 'snap-0000000000000003.safetensors')) ? 'late' : `synced ${statSync(file).size}`);
        };
        return handle;
      },
    });
    await commit(journal, 1, 3);
    const fold = new RMSprop(model, optimizer);
    for (const { checked } of stream.slice(0, 3)) fold.step(checked);
    await journal.snapshots.write(snapshotFrame(journal, fold), 3);
    assert.is(events.at(-1), `synced ${journal.bytes}`, durability);
    await journal.close();
  }
});

test.run();
