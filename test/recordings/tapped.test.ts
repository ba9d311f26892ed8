// recordTapped: what a tap gives, in files that can be folded alone; and segments that begin with a snapshot, read strictly.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { from, lastValueFrom, NEVER, type Observable, Subject, throwError } from 'rxjs';
import { concatWith } from 'rxjs/operators';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stampGradients } from '../../src/frames/record.ts';
import { decodeSnapshot, encodeSnapshot } from '../../src/frames/snapshot.ts';
import { Producers } from '../../src/producers.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Tapped, TappedBatch, TapStart } from '../../streams/operators/index.ts';
import { snapshotOf } from '../../streams/operators/snapshot.ts';
import { foldFrom, openRecording, recordTapped, restore } from '../../streams/recordings/index.ts';
import { encodeHead } from '../../streams/recordings/segment/head.ts';
import { SegmentReader } from '../../streams/recordings/segment/reader.ts';
import {
  admitted,
  all,
  batches,
  digestsOf,
  directory,
  foldOf,
  model,
  names,
  optimizer,
  refusal,
  removeDirectories,
} from './runs.ts';

test.after(removeDirectories);

const given = batches(12);
const digests = digestsOf(given);
const run = 'a'.repeat(32);

/** What a tap gives at that version. */
function startAt(version: number, { epoch = 1, of = run } = {}): TapStart {
  const fold = new RMSprop(model, optimizer);
  for (const batch of given.slice(0, version)) fold.step(batch);
  const place = { model: 'm', run: of, epoch, producers: new Producers(), examples: 3 };
  const frame = encodeSnapshot(snapshotOf({ optimizer: fold }, place));
  return { kind: 'start', snapshot: decodeSnapshot(frame), frame };
}

/** The batches that become these versions, as a trainer stamps them. */
function tapped(first: number, last: number, epoch = 1): TappedBatch[] {
  return admitted(given.slice(first - 1, last), first).map(({ frame, version, payload, header, checked }) => {
    const stamped = stampGradients(frame, { run, epoch, version, durableUpTo: version - 1, payload });
    return { kind: 'batch', version, epoch, run, frame: stamped, header, payload, checked };
  });
}

const written = (path: string, ...values: Tapped[]) => all(from(values).pipe(recordTapped(path)));

test('a recording that begins in mid-run folds alone, to the trainer’s digest at its last version', async () => {
  const path = join(directory(), 'a.mcap');
  const values = [startAt(4), ...tapped(5, 12)];
  assert.equal(await written(path, ...values), values);
  const { version, digest, headers } = await foldOf(path);
  assert.equal([version, digest, headers.length], [12, digests[12], 8]);
  const recording = await openRecording(path);
  assert.equal([recording.run, recording.model, recording.firstVersion, recording.lastVersion], [run, 'm', 5, 12]);
  assert.equal([recording.start?.version, recording.initial, recording.segments[0].closedCleanly], [4, undefined, true]);
  const { version: at, epoch, examples } = await foldFrom(path);
  assert.equal([at, epoch, examples], [4, 1, 3]);
});

test('every version of a recording that begins in mid-run can be restored, and none before it', async () => {
  const path = join(directory(), 'a.mcap');
  await written(path, startAt(4), ...tapped(5, 12));
  for (let version = 4; version <= 12; version++) {
    const { state, run: of } = await restore(path, { version });
    const fold = new RMSprop(model, optimizer);
    fold.restore(state);
    assert.equal([fold.version, of, fold.digest()], [version, run, digests[version]]);
  }
  await refusal('E_RECORDING', restore(path, { version: 3 }), /version 3 cannot be restored/);
});

test('one that begins with version 1 has the initial weights, like every other recording', async () => {
  const path = join(directory(), 'a.mcap');
  await written(path, startAt(0), ...tapped(1, 12));
  assert.is((await foldOf(path)).digest, digests[12]);
  const { initial, start } = await openRecording(path);
  assert.ok(initial !== undefined && start === undefined);
});

test('one without a batch is the start alone', async () => {
  const path = join(directory(), 'a.mcap');
  await written(path, startAt(4));
  const { version, digest } = await foldOf(path);
  assert.equal([version, digest], [4, digests[4]]);
});

test('in a directory each epoch is a segment, and all of them are one recording', async () => {
  for (const first of [0, 4]) {
    const path = join(directory(), 'tapped');
    await written(path, startAt(first), ...tapped(first + 1, 6), ...tapped(7, 9, 2), ...tapped(10, 12, 5));
    assert.equal(names(path, /./), [
      `seg-00000001-000000000000000${first + 1}.mcap`,
      'seg-00000002-0000000000000007.mcap',
      'seg-00000005-0000000000000010.mcap',
    ]);
    const { version, digest } = await foldOf(path);
    assert.equal([version, digest], [12, digests[12]]);
    const { segments, epochs } = await openRecording(path);
    assert.equal(epochs, [
      [1, first + 1],
      [2, 7],
      [5, 10],
    ]);
    assert.ok(segments.every(({ closedCleanly }) => closedCleanly));
  }
});

test('an epoch that changes before the first batch leaves a start in either segment', async () => {
  for (const first of [0, 4]) {
    const path = join(directory(), 'tapped');
    await written(path, startAt(first), ...tapped(first + 1, 12, 2));
    assert.is(names(path, /./).length, 2);
    assert.is((await foldOf(path)).digest, digests[12]);
  }
});

test('a file’s later epoch goes to a second file, which folds from the state that the first one ends in', async () => {
  const folder = directory();
  await written(join(folder, 'a.mcap'), startAt(4), ...tapped(5, 8), ...tapped(9, 12, 2));
  assert.equal(names(folder, /./), ['a-2.mcap', 'a.mcap']);
  assert.is((await foldOf(join(folder, 'a.mcap'))).digest, digests[8]);
  await refusal('E_RECORDING_GAP', foldFrom(join(folder, 'a-2.mcap')), /begins at version 9; give a snapshot of version 8/);
  const snapshot = join(folder, 'state.safetensors');
  writeFileSync(snapshot, startAt(8).frame);
  assert.is((await foldOf(join(folder, 'a-2.mcap'), { snapshot })).digest, digests[12]);
});

test('nothing that is there is written over: a file, or a directory with a recording, is E_FILE', async () => {
  const folder = directory();
  const file = join(folder, 'a.mcap');
  writeFileSync(file, 'precious');
  await refusal('E_FILE', written(file, startAt(4)), /is there already/);
  assert.is(readFileSync(file, 'utf8'), 'precious');
  await written(folder, startAt(4), ...tapped(5, 6));
  await refusal('E_FILE', written(folder, startAt(6), ...tapped(7, 8)), /seg-.*is there already/);
  assert.is((await foldOf(folder)).version, 6);
});

test('a source that fails, or is left, leaves a file that is closed and folds', async () => {
  const error = new Error('the trainer is gone');
  const values = [startAt(4), ...tapped(5, 8)];
  const failed = join(directory(), 'a.mcap');
  const source$: Observable<Tapped> = from(values).pipe(concatWith(throwError(() => error)));
  assert.is(await all(source$.pipe(recordTapped(failed))).catch((reason: unknown) => reason), error);
  assert.is((await foldOf(failed)).digest, digests[8]);
  const left = join(directory(), 'a.mcap');
  await new Promise<void>((resolve) => {
    const source = from<Tapped[]>(values).pipe(concatWith(NEVER), recordTapped(left));
    const subscription = source.subscribe((each) => {
      if (each.kind === 'batch' && each.version === 8) setImmediate(() => resolve(subscription.unsubscribe()));
    });
  });
  for (let closed = false; !closed; ) {
    await new Promise((resolve) => setImmediate(resolve));
    [{ closedCleanly: closed }] = (await openRecording(left)).segments;
  }
  assert.is((await foldOf(left)).digest, digests[8]);
});

test('a version that does not follow, another run, or a batch without a start is refused', async () => {
  const [, second, third] = tapped(5, 7);
  for (const values of [
    [startAt(4), second],
    [startAt(4), ...tapped(5, 5), third],
    [startAt(4, { of: 'b' }), ...tapped(5, 5)],
    [second],
  ])
    await refusal('E_RECORDING', written(join(directory(), 'a.mcap'), ...values), /does not follow|before a start/);
});

test('what waits to be written is told of when it is too much, and when there is room again', async () => {
  const told: boolean[] = [];
  const source = new Subject<Tapped>();
  const [batch] = tapped(5, 5);
  const wide = { ...batch, frame: new Uint8Array(33 << 20) };
  const path = join(directory(), 'a.mcap');
  const done = lastValueFrom(source.pipe(recordTapped(path, { onFull: (full) => told.push(full) })));
  source.next(startAt(4));
  source.next(wide);
  assert.equal(told, []);
  source.next({ ...wide, version: 6 });
  assert.equal(told, [true]);
  source.complete();
  await done;
  assert.equal(told, [true, false]);
});

const config = new RMSprop(model, optimizer).getConfig();

const aboutOf = (firstVersion: number) => ({
  run,
  epoch: 1,
  epochs: [[1, firstVersion]] as const,
  name: 'm',
  model,
  optimizer: config,
  firstVersion,
});

/** A segment without records, whose head is made of parts that need not belong together. */
function forged(path: string, firstVersion: number, attached: Uint8Array | undefined, change?: (bytes: Buffer) => void): void {
  const bytes = Buffer.concat(encodeHead(aboutOf(firstVersion), attached, 0n).parts);
  change?.(bytes);
  writeFileSync(path, bytes);
}

test('a start is checked: its version, run, model and its own bytes; control: the right one is taken', async () => {
  const path = join(directory(), 'a.mcap');
  forged(path, 5, startAt(4).frame);
  assert.is((await foldFrom(path)).version, 4);
  const broken = startAt(4).frame.slice();
  broken[broken.byteLength - 1] ^= 1;
  for (const [frame, text] of [
    [startAt(5).frame, /the start is of version 5, not of 4/],
    [startAt(4, { of: 'b'.repeat(32) }).frame, /is of the run b+, the recording of a+/],
    [broken, /E_CHECK/],
    [new Uint8Array(3), /E_ST_SHORT/],
  ] as const) {
    forged(path, 5, frame);
    await refusal('E_RECORDING_CORRUPT', foldFrom(path), text);
    await refusal('E_RECORDING_CORRUPT', openRecording(path), text);
  }
});

test('the attachment’s name says what it is: initial.safetensors for version 1, start.safetensors for a later one', async () => {
  const path = join(directory(), 'a.mcap');
  for (const first of [0, 4]) {
    await written(path.replace('a.mcap', `${first}.mcap`), startAt(first), ...tapped(first + 1, first + 2));
    const bytes = readFileSync(path.replace('a.mcap', `${first}.mcap`)).toString('latin1');
    assert.equal([bytes.includes('initial.safetensors'), bytes.includes('start.safetensors')], [first === 0, first !== 0]);
  }
  // damaged, and sound but of another kind of segment
  forged(path, 5, startAt(4).frame, (whole) => whole.write('stare', whole.indexOf('start.safetensors')));
  await refusal('E_RECORDING_CORRUPT', foldFrom(path), /another CRC/);
  const [, ...attachment] = encodeHead(aboutOf(1), startAt(4).frame, 0n).parts;
  const [magic, , , , rest] = encodeHead(aboutOf(5), startAt(4).frame, 0n).parts;
  writeFileSync(path, Buffer.concat([magic, ...attachment.slice(0, 3), rest]));
  await refusal('E_RECORDING_CORRUPT', foldFrom(path), /the attachment "initial.safetensors" instead of "start.safetensors"/);
  forged(path, 1, undefined);
  await refusal('E_RECORDING', foldFrom(path), /lacks the initial weights/);
  forged(path, 5, undefined);
  await refusal('E_RECORDING_GAP', foldFrom(path), new RegExp(`${basename(path)}" begins at version 5`));
  const reader = await SegmentReader.open(path);
  assert.is(await reader.attached(), undefined);
  await reader.close();
});

test.run();
