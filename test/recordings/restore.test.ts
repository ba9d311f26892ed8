// restore: the state at any version is the live trainer's, to the bit, from whatever is nearest.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf } from '../../src/digest.ts';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { openJournal, record, restore } from '../../streams/recordings/index.ts';
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

const count = 8;
const given = batches(count);
const digests = digestsOf(given);

/** A run of eight batches in two epochs, with snapshots of versions 2, 4 and 6, and the live frame of every version. */
async function makeRun(): Promise<{ path: string; live: Uint8Array[] }> {
  const path = directory();
  const fold = new RMSprop<Name>(model, optimizer);
  const live: Uint8Array[] = [];
  let examples = 0;
  for (const half of [admitted(given).slice(0, 5), admitted(given).slice(5)]) {
    const journal = await openJournal<Name>(
      path,
      live.length === 0 ? { model, optimizer, durability: 'os' } : { durability: 'os' },
    );
    await all(journal.records$);
    if (live.length === 0) live.push(snapshotFrame(journal, fold, 0));
    for (const batch of half) {
      await all(from([batch]).pipe(journal.commit()));
      fold.step(batch.checked);
      journal.start.producers.note(batch.header, batch.payload, batch.version);
      examples += batch.header.examples ?? 0;
      const frame = snapshotFrame(journal, fold, examples);
      if (batch.version % 2 === 0 && batch.version < 8) await journal.snapshots.write(frame, batch.version);
      live.push(frame);
    }
    await journal.close();
  }
  return { path, live };
}

const frameAt = async (path: string, version?: number) => Buffer.from(encodeSnapshot(await restore(path, { version })));

test('every version is restored to the bytes of the snapshot that the trainer would have written then', async () => {
  const { path, live } = await makeRun();
  for (let version = 0; version <= count; version++) {
    assert.ok((await frameAt(path, version)).equals(live[version]), `version ${version}`);
  }
  assert.ok((await frameAt(path)).equals(live[count]));
});

test('it makes no difference from where the fold starts: a damaged snapshot is passed over for an older one', async () => {
  const { path, live } = await makeRun();
  const [two, four, six] = names(path, /^snap/).map((name) => join(path, name));
  const bytes = readFileSync(six);
  bytes[bytes.byteLength - 1] ^= 1;
  writeFileSync(six, bytes);
  assert.ok((await frameAt(path, 7)).equals(live[7]));
  rmSync(four);
  rmSync(two);
  assert.ok((await frameAt(path, 7)).equals(live[7]));
});

test('control: the fold does start from the snapshot: one with other weights gives another state', async () => {
  const { path } = await makeRun();
  const six = join(path, names(path, /^snap/)[2]);
  const { state, parameters, ...rest } = await restore(path, { version: 6 });
  parameters.flat[0] += 1;
  writeFileSync(six, encodeSnapshot({ ...rest, parameters, state: { ...state, parameters: parameters.flat } }));
  const { state: moved } = await restore(path, { version: 7 });
  assert.is.not(new RMSprop(model, { ...optimizer }).digest(), digests[7]);
  const fold = new RMSprop(model, optimizer);
  fold.restore(moved);
  assert.is.not(fold.digest(), digests[7]);
});

test('a file is restored as a directory is', async () => {
  const path = join(directory(), 'a.mcap');
  await all(from(given).pipe(record(path, { model, optimizer })));
  for (const version of [0, 3, count]) {
    const { state, parameters } = await restore(path, { version });
    assert.is(state.version, version);
    assert.ok(Buffer.from(bytesOf(state.parameters)).equals(bytesOf(parameters.flat)));
    const { digest } = await foldOf(path, { until: version });
    const fold = new RMSprop(model, optimizer);
    fold.restore(state);
    assert.equal([fold.digest(), digest], [digests[version], digests[version]]);
  }
});

test('a version that is not there is refused, and the error names what is', async () => {
  const { path, live } = await makeRun();
  const beyond = await refusal('E_RECORDING', restore(path, { version: 9 }));
  assert.is(
    beyond.text,
    'version 9 cannot be restored: there are the initial weights (version 0), the batches of versions 1 to 8 and snapshots of 2, 4, 6',
  );
  // a directory whose first segment is gone can be restored from its oldest snapshot that reaches the rest
  rmSync(join(path, names(path, /^seg/)[0]));
  await refusal('E_RECORDING', restore(path, { version: 5 }), /the batches of versions 6 to 8 and snapshots of 2, 4, 6/);
  assert.ok((await frameAt(path, 4)).equals(live[4]));
  assert.ok((await frameAt(path, 7)).equals(live[7]));
  for (const version of [-1, 1.5, Number.NaN]) await refusal('E_CONFIG', restore(path, { version }));
});

test('damage behind a version is no reason to refuse it', async () => {
  const { path, live } = await makeRun();
  const last = join(path, names(path, /^seg/)[1]);
  const bytes = readFileSync(last);
  bytes[bytes.indexOf('"sequence":"8"') + 12] ^= 1;
  writeFileSync(last, bytes);
  assert.ok((await frameAt(path, 7)).equals(live[7]));
  await refusal('E_RECORDING_CORRUPT', restore(path, { version: 8 }));
});

test.run();
