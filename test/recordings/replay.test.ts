// replay: a recording as a cold Observable, from one file or a directory of segments, each version once and in order.
import { copyFileSync, cpSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { McapRecordBuilder } from '@mcap/core';
import { from, last, lastValueFrom, map, take, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../../streams/operators/rmsprop.ts';
import { foldFrom, openJournal, openRecording, type ReadProgress, record, replay } from '../../streams/recordings/index.ts';
import { readAbout } from '../../streams/recordings/segment/about.ts';
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

const given = batches(30);
const digests = digestsOf(given);
const clock = () => 1_700_000_000_000;

/** A run of three starts, each of ten batches in segments of about three. */
async function makeRun(): Promise<string> {
  const path = directory();
  for (let start = 0; start < 30; start += 10) {
    const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os', segmentBytes: 5000, clock });
    for (const batch of admitted(given.slice(start, start + 10), start + 1)) await all(from([batch]).pipe(journal.commit()));
    await journal.close();
  }
  return path;
}
const run = await makeRun();
const segments = names(run, /^seg-/);
const versions = (path: string, options = {}) => all(replay<Name>(path, options).pipe(map(({ version }) => version)));
const upTo = (end: number, start = 1) => Array.from({ length: end - start + 1 }, (_, i) => start + i);

test("a directory is its run, over restarts and rotations, and folds to the run's bits", async () => {
  assert.ok(segments.length >= 6, segments.join(' '));
  assert.equal(await versions(run), upTo(30));
  assert.is((await foldOf(run)).digest, digests[30]);
  const { batches: count, epochs, producers, segments: files, bytes, examples } = await openRecording(run);
  assert.is(count, 30);
  assert.equal(epochs, [
    [1, 1],
    [2, 11],
    [3, 21],
  ]);
  assert.equal(
    [...producers],
    [
      ['w0', 15],
      ['w1', 15],
    ],
  );
  assert.is(
    examples,
    given.reduce((sum, batch) => sum + (batch.examples ?? 0), 0),
  );
  assert.is(files.length, segments.length);
  assert.ok(files.every(({ closedCleanly }) => closedCleanly));
  assert.is(
    bytes,
    files.reduce((sum, { path }) => sum + readFileSync(path).byteLength, 0),
  );
});

test('the rmsprop operator folds a replay as it is', async () => {
  const { state, optimizer: config } = await foldFrom<Name>(run);
  const step$ = replay<Name>(run, { model }).pipe(rmsprop(model, { ...config, state }), last());
  assert.is((await lastValueFrom(step$)).optimizer.digest(), digests[30]);
});

test('from and until cut anywhere', async () => {
  for (const [start, end] of [
    [0, 30],
    [1, 29],
    [9, 11],
    [10, 10],
    [13, 14],
    [29, 30],
    [30, 30],
    [0, 0],
  ]) {
    assert.equal(await versions(run, { from: start, until: end }), upTo(end, start + 1), `${start}..${end}`);
  }
  assert.is((await foldOf(run, { until: 17 })).digest, digests[17]);
});

test("a segment in its directory stands for its run up to that segment's end", async () => {
  const ends = (await openRecording(run)).segments.map(({ lastVersion }) => lastVersion);
  for (const [i, name] of segments.entries()) {
    const path = join(run, name);
    assert.equal(await versions(path), upTo(ends[i]));
    assert.is((await foldOf(path)).digest, digests[ends[i]]);
    assert.is((await openRecording(path)).lastVersion, ends[i]);
  }
});

test('a file moved elsewhere is read alone', async () => {
  const elsewhere = join(directory(), basename(segments[1]));
  copyFileSync(join(run, segments[1]), elsewhere);
  const { firstVersion, lastVersion, initial } = await openRecording(elsewhere);
  assert.ok(firstVersion > 1);
  assert.is(initial, undefined);
  assert.equal(await versions(elsewhere), upTo(lastVersion, firstVersion));
  await refusal('E_RECORDING_GAP', foldFrom(elsewhere), /begins at version \d+; give a snapshot/);
  await refusal('E_RECORDING_GAP', versions(elsewhere, { from: 0 }), /are missing/);
});

test('it is cold: each subscription reads for itself, and one that is done early reads no further', async () => {
  const replay$ = replay<Name>(run);
  const [a, b] = await Promise.all([all(replay$), all(replay$)]);
  assert.is(a.length, 30);
  assert.ok(a[0] !== b[0]);
  const seen: ReadProgress[] = [];
  assert.is((await all(replay<Name>(run, { progress: (each) => seen.push(each) }).pipe(take(2)))).length, 2);
  assert.ok(seen.length <= 2);
});

test('an early end closes the file', async () => {
  const ours = (): number => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(run)).length;
  for (let i = 0; i < 20; i++) await all(replay(run).pipe(take(1)));
  await new Promise(setImmediate);
  if (process.platform === 'linux') assert.ok(ours() <= 1);
  let count = 0;
  await new Promise<void>((resolve) => {
    const subscription = replay(run).subscribe(() => {
      count += 1;
      subscription.unsubscribe();
      setImmediate(resolve);
    });
  });
  assert.is(count, 1);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // closed meanwhile
    return '';
  }
}

test('a subscriber that throws in its operator gets its error, and the reading stops', async () => {
  const failing$ = replay(run).pipe(
    tap(({ version }) => {
      if (version === 3) throw new Error('mine');
    }),
  );
  const error = await all(failing$).catch((reason: Error) => reason);
  assert.is((error as Error).message, 'mine');
});

test('progress counts bytes up to all of them', async () => {
  const seen: ReadProgress[] = [];
  await all(replay(run, { progress: (each) => seen.push(each) }));
  const total = segments.reduce((sum, name) => sum + readFileSync(join(run, name)).byteLength, 0);
  assert.equal(seen.at(-1), { bytes: total, totalBytes: total, version: 30 });
  assert.ok(seen.every(({ bytes }, i) => i === 0 || bytes >= seen[i - 1].bytes));
});

test('a frame is owned: it stays as it is while the replay goes on', async () => {
  const kept = await all(replay<Name>(run));
  const fold = new RMSprop(model, optimizer);
  for (const { gradients } of kept) fold.step(gradients);
  assert.is(fold.digest(), digests[30]);
  assert.ok(kept.every(({ frame }) => frame.byteOffset === 0 && frame.byteLength === frame.buffer.byteLength));
});

test('batches checked against the given model are not checked again; another model is refused', async () => {
  const [first] = await all(replay<Name>(run, { model }).pipe(take(1)));
  assert.is(first.checked.layout, model);
  await refusal('E_LAYOUT', all(replay(run, { model: layout({ w: [4] }) })), /the recording's model is/);
});

test('a snapshot is a start too, of the same run only', async () => {
  const { snapshot, path } = await withSnapshot();
  assert.is((await foldOf(path, { snapshot })).digest, digests[10]);
  await refusal('E_SNAPSHOT', foldOf(run, { snapshot }), /is of the run/);
  await refusal('E_FILE', foldOf(path, { snapshot: join(path, 'none') }));
  await refusal('E_SNAPSHOT', foldOf(path, { snapshot: join(path, names(path, /^seg/)[0]) }));
});

async function withSnapshot() {
  const path = directory();
  const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
  const fold = new RMSprop(model, optimizer);
  for (const batch of admitted(given.slice(0, 10))) {
    await all(
      from([batch]).pipe(
        journal.commit(),
        tap(({ checked }) => fold.step(checked)),
      ),
    );
    if (batch.version === 6) await journal.snapshots.write(snapshotFrame(journal, fold), 6);
  }
  await journal.close();
  return { path, snapshot: journal.snapshots.newest() as string };
}

test('a missing segment is a gap, named with its versions', async () => {
  for (const i of [1, 2, segments.length - 2]) {
    const path = directory();
    cpSync(run, path, { recursive: true });
    rmSync(join(path, segments[i]));
    await refusal(
      'E_RECORDING_GAP',
      all(replay(path)),
      /have \.\.\d+ and, in "seg-\d+-\d+\.mcap", \d+\.\., missing \d+ versions/,
    );
  }
});

test('a segment of another run, or one twice, is refused', async () => {
  const path = directory();
  cpSync(run, path, { recursive: true });
  const other = await makeRun();
  cpSync(join(other, segments[2]), join(path, segments[2]));
  await refusal('E_RECORDING', all(replay(path)), /belongs to the run/);
  const twice = directory();
  cpSync(run, twice, { recursive: true });
  cpSync(join(run, segments[3]), join(twice, segments[3].replace('seg-0000000', 'seg-9000000')));
  await refusal('E_RECORDING_CORRUPT', all(replay(twice)), /which the segments before it hold too/);
});

test('what is no recording is refused with what it is', async () => {
  const path = directory();
  await refusal('E_FILE', all(replay(join(path, 'none.mcap'))), /ENOENT/);
  await refusal('E_RECORDING', all(replay(path)), /no segments/);
  const file = join(path, 'a.mcap');
  for (const [bytes, text] of [
    ['', /ends within its first 8 bytes/],
    ['hello, world', /no MCAP file/],
    ['\x89MCAP0\r\n', /ends after 0 bytes/],
    [mcapOf('ros2'), /the profile "ros2"/],
  ] as const) {
    writeFileSync(file, bytes, 'latin1');
    await refusal('E_RECORDING', all(replay(file)), text);
  }
});

function mcapOf(profile: string): string {
  const builder = new McapRecordBuilder();
  builder.writeMagic();
  builder.writeHeader({ profile, library: 'other' });
  return Buffer.from(builder.buffer).toString('latin1');
}

test('a newer format is refused by name, of MCAP and of ours', async () => {
  const path = join(directory(), 'a.mcap');
  await all(from(given).pipe(record(path, { model })));
  const bytes = readFileSync(path, 'latin1');
  writeFileSync(path, bytes.replace('\x89MCAP0', '\x89MCAP1'), 'latin1');
  await refusal('E_FORMAT', all(replay(path)), /MCAP "1", this release reads MCAP "0"/);
  writeFileSync(path, bytes.replace('format\x01\0\0\x001', 'format\x01\0\0\x002'), 'latin1');
  await refusal('E_FORMAT', all(replay(path)), /has the format "2", this release reads "1"/);
  assert.throws(() => readAbout(new Map([['format', '1']])), /not those that were written/);
});

test.run();
