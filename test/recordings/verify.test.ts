// verify: every flipped bit of a closed segment and of a snapshot is found, and what it says it proved is so.
import { closeSync, copyFileSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { from, lastValueFrom } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { deserialize, serialize } from '../../src/frames/safetensors.ts';
import { decodeSnapshot, encodeSnapshot } from '../../src/frames/snapshot.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { Tensors } from '../../src/tensors.ts';
import { openJournal, record, type Verification, verify } from '../../streams/recordings/index.ts';
import {
  admitted,
  all,
  batches,
  digestsOf,
  directory,
  model,
  type Name,
  names,
  optimizer,
  refusal,
  removeDirectories,
  snapshotFrame,
} from './runs.ts';
import { recordLength, specimen } from './specimen.ts';

test.after(removeDirectories);

const count = 9;
const given = batches(count);
const digests = digestsOf(given);

/** A run of nine batches in three epochs, its first two closed; snapshots of versions 0, 3 and 6. */
async function makeRun({ segmentBytes = 1 << 20 } = {}): Promise<string> {
  const path = directory();
  const run = admitted(given);
  const fold = new RMSprop<Name>(model, optimizer);
  for (let i = 0; i < count; i += 3) {
    const options = { durability: 'os', segmentBytes } as const;
    const journal = await openJournal<Name>(path, i === 0 ? { ...options, model, optimizer } : options);
    await all(journal.records$);
    if (i === 0) await journal.snapshots.write(snapshotFrame(journal, fold), 0);
    for (const batch of run.slice(i, i + 3)) {
      await all(from([batch]).pipe(journal.commit()));
      fold.step(batch.checked);
      journal.start.producers.note(batch.header, batch.payload, batch.version);
    }
    const examples = ((i + 3) * (i + 4)) / 2;
    if (i < 6) await journal.snapshots.write(snapshotFrame(journal, fold, examples), i + 3);
    await journal.close();
  }
  return path;
}

/** The path of the nth file of that kind in a run's directory. */
function file(path: string, pattern: RegExp, i: number): string {
  return join(path, names(path, pattern)[i]);
}

/** Flips bits of a file. */
function flip(path: string, byte: number, mask: number = 1): void {
  const bytes = readFileSync(path);
  bytes[byte] ^= mask;
  writeFileSync(path, bytes);
}

const damaged = ({ findings }: Verification) => findings.filter(({ severity }) => severity === 'damage');

// one bit of each byte; all of them with GRADWIRE_LONG=1
const masks = (i: number) => (process.env.GRADWIRE_LONG === '1' ? [1, 2, 4, 8, 16, 32, 64, 128] : [1 << (i % 8)]);

/** The flips of a file that verify does not find. */
async function unfound(path: string): Promise<string[]> {
  const original = readFileSync(path);
  const missed: string[] = [];
  const opened = openSync(path, 'r+');
  for (const [i, byte] of original.entries()) {
    for (const mask of masks(i)) {
      writeSync(opened, Uint8Array.of(byte ^ mask), 0, 1, i);
      const { ok, findings } = await verify(path);
      if (ok || findings.length === 0) missed.push(`byte ${i} ^ ${mask}`);
    }
    writeSync(opened, original, i, 1, i);
  }
  closeSync(opened);
  return missed;
}

test('every flipped bit of a closed segment is found, its head and its summary included', async () => {
  const { closed } = await specimen(2);
  const path = closed();
  assert.is((await verify(path)).ok, true);
  assert.equal(await unfound(path), []);
});

test('every flipped bit of a snapshot is found, its header included', async () => {
  const fold = new RMSprop<Name>(model, optimizer);
  const journal = await openJournal<Name>(directory(), { model, optimizer, durability: 'os' });
  for (const { checked, header, payload, version } of admitted(given.slice(0, 3))) {
    fold.step(checked);
    journal.start.producers.note(header, payload, version);
  }
  const path = await journal.snapshots.write(snapshotFrame(journal, fold), 3);
  await journal.close();
  assert.is((await verify(path)).ok, true);
  assert.equal(await unfound(path), []);
});

test('a sound run is proved: batches, snapshots, digest, and what could not be', async () => {
  const path = await makeRun();
  const progress: number[] = [];
  const { seconds, proved, findings, ...facts } = await verify(path, { progress: ({ bytes }) => progress.push(bytes) });
  assert.ok(seconds > 0);
  assert.equal(findings, []);
  assert.equal(facts, {
    ok: true,
    what: 'recording',
    run: facts.run,
    model: 'default',
    firstVersion: 1,
    lastVersion: 9,
    batches: 9,
    segments: 3,
    // the journal keeps three
    snapshots: [0, 3, 6].map((version) => ({ version, ok: true, equalsFold: true })),
    bytes: facts.bytes,
    digest: digests[9],
    unproved: [],
  });
  assert.equal(proved, [
    '9 batches, versions 1–9, all checks hold',
    'the initial weights have their CRC and their digest',
    '3 segments of 3 closed cleanly',
    '3 snapshots equal the fold, to the bit',
    `the digest at the end, version 9, is ${digests[9]}`,
  ]);
  assert.is(
    facts.bytes,
    names(path, /^s(eg|nap)/).reduce((sum, name) => sum + readFileSync(join(path, name)).byteLength, 0),
  );
  assert.ok(progress.every((bytes, i) => i === 0 || bytes >= progress[i - 1]));
});

test('a recording of one file, of any number of batches, is proved', async () => {
  for (const size of [0, 1, 5]) {
    const path = join(directory(), 'a.mcap');
    await all(from(given.slice(0, size)).pipe(record(path, { model, optimizer })));
    const { ok, batches: held, digest, unproved } = await verify(path);
    assert.equal([ok, held, digest, unproved], [true, size, digests[size], []]);
  }
});

test('damage in one segment does not keep the next from being checked, nor the fold from beginning again with a snapshot', async () => {
  const path = await makeRun();
  const segment = file(path, /^seg/, 1);
  const at = readFileSync(segment).indexOf('"sequence":"5"');
  flip(segment, at + 12);
  const { ok, findings, batches: held, digest, snapshots } = await verify(path);
  assert.is(ok, false);
  assert.is(findings.length, 1);
  const [{ severity, version, offset = 0, code, text }] = findings;
  assert.equal([severity, version, code], ['damage', 5, 'E_RECORDING_CORRUPT']);
  assert.ok(offset > 0 && offset < at);
  assert.match(text, /the chunk has another CRC than its content/);
  assert.is(held, 3 + 1 + 3);
  // from the snapshot of version 6 on
  assert.is(digest, digests[9]);
  assert.equal(
    snapshots.map(({ equalsFold }) => equalsFold),
    [true, true, null],
  );
});

test('a snapshot that is sound, and not the fold of its recording, is damage', async () => {
  const path = await makeRun();
  const name = file(path, /^snap/, 1);
  const { state, parameters, ...rest } = decodeSnapshot(readFileSync(name));
  const accumulator = state.accumulator.slice();
  accumulator[0] = Math.fround(accumulator[0] * 1.0000001);
  assert.is.not(accumulator[0], state.accumulator[0]);
  writeFileSync(name, encodeSnapshot({ ...rest, parameters, state: { ...state, accumulator } }));
  const { ok, snapshots, findings } = await verify(path);
  assert.is(ok, false);
  assert.equal(snapshots[1], { version: 3, ok: true, equalsFold: false });
  assert.match(findings[0].text, /not the fold of the recording: its accumulator have other values/);
  // the digest of the parameters alone would not have shown it
  assert.is((await verify(name)).ok, true);
});

test('a torn tail was never acknowledged and is no damage; where something later proves it, it is', async () => {
  const path = await makeRun();
  const last = file(path, /^seg/, 2);
  const whole = readFileSync(last);
  const ending = whole.indexOf('gradwire.end') - 13;
  const cut: [length: number, held: number][] = [
    [ending, 9],
    [ending - 10, 9],
    [ending + 10, 9],
    [whole.byteLength - 3, 9],
    [ending - 300, 8],
    [20, 6],
  ];
  for (const [length, held] of cut) {
    writeFileSync(last, whole);
    truncateSync(last, length);
    const { ok, batches: found, digest, findings, unproved } = await verify(path);
    assert.equal([ok, found, digest], [true, held, digests[held]], `cut at ${length}`);
    assert.equal(
      findings.map(({ severity }) => severity),
      length === ending ? [] : ['torn'],
    );
    if (length === ending) assert.match(unproved[0], /its last group has no later witness/);
  }
  writeFileSync(last, whole);
  truncateSync(file(path, /^seg/, 1), ending - 300);
  const { ok, findings } = await verify(path);
  assert.is(ok, false);
  assert.match(findings[0].text, /the next segment, which begins at version 7, proves/);
});

test('a missing segment is a gap, a doubled one and one of another run are damage', async () => {
  const path = await makeRun();
  rmSync(file(path, /^seg/, 1));
  const gap = await verify(path);
  assert.equal(
    damaged(gap).map(({ code, text }) => [code, text]),
    [['E_RECORDING_GAP', 'it begins at version 7, the segments before it end at 3']],
  );
  assert.is(gap.digest, digests[9]);

  const other = await makeRun();
  copyFileSync(file(await makeRun(), /^seg/, 0), join(other, 'seg-00000009-0000000000000010.mcap'));
  assert.match(damaged(await verify(other))[0].text, /belongs to the run/);

  const doubled = await makeRun();
  copyFileSync(file(doubled, /^seg/, 2), join(doubled, 'seg-00000009-0000000000000010.mcap'));
  assert.equal(damaged(await verify(doubled))[0].code, 'E_RECORDING_CORRUPT');
});

test('a directory whose first segments are gone is folded from its oldest snapshot', async () => {
  const path = await makeRun();
  rmSync(file(path, /^seg/, 0));
  const { ok, digest, unproved, firstVersion, snapshots } = await verify(path);
  assert.equal([ok, digest, firstVersion], [true, digests[9], 4]);
  assert.match(unproved[0], /what was folded before version 3/);
  assert.equal(snapshots.at(-1), { version: 6, ok: true, equalsFold: true });
});

test('files that are no part of the recording are listed, and change nothing', async () => {
  const path = await makeRun();
  for (const name of ['seg-00000001-0000000000000001.mcap.broken', 'snap-0000000000000007.safetensors.tmp', 'notes.txt'])
    writeFileSync(join(path, name), 'x');
  const { ok, findings } = await verify(path);
  assert.is(ok, true);
  assert.equal(
    findings.map(({ severity, text }) => `${severity} ${text}`),
    [
      'note no file of a recording; it was not looked at',
      'note a torn tail that a trainer set aside; it was not looked at',
      'note a write that was never finished; it was not looked at',
    ],
  );
});

test('one segment of a run stands for the run up to its end, as for replay', async () => {
  const path = await makeRun();
  const { ok, batches: held, digest, unproved } = await verify(file(path, /^seg/, 1));
  assert.equal([ok, held, digest], [true, 6, digests[6]]);
  assert.match(unproved[0], /verify the directory/);
});

test('bytes after the end, a chunk removed with its index, and one doubled are found', async () => {
  const { bytes, chunks, ending, closed } = await specimen(3);
  const path = closed();
  const [head, one, two, three, end] = [0, ...chunks, ending].map((start, i, all) => bytes.subarray(start, all[i + 1]));
  for (const parts of [
    [bytes, Buffer.of(0)],
    [head, one, three, end],
    [head, one, two, end],
    [head, one, two, two, three, end],
    [head, one, two, three, end, end],
  ]) {
    writeFileSync(path, Buffer.concat(parts));
    assert.is((await verify(path)).ok, false);
  }
  assert.is(recordLength(bytes, chunks[0]) > 0, true);
});

test('a batch whose sender wrote its header in another form is sound, and its payload hash is said to be unproved', async () => {
  const [batch] = admitted(given.slice(0, 1));
  // the same tensors, the header with a space before its end: as another program might write it
  const { metadata, tensors } = deserialize(batch.frame);
  const other = serialize(tensors, metadata);
  const headerBytes = Number(new DataView(other.buffer).getBigUint64(0, true));
  const padded = new Uint8Array(other.byteLength + 8);
  padded.set(other.subarray(0, 8 + headerBytes));
  padded.fill(0x20, 8 + headerBytes, 16 + headerBytes);
  padded.set(other.subarray(8 + headerBytes), 16 + headerBytes);
  new DataView(padded.buffer).setBigUint64(0, BigInt(headerBytes + 8), true);
  const path = join(directory(), 'a.mcap');
  const source = from([{ ...batch, frame: padded, payload: digestOf(padded) }]);
  await lastValueFrom(source.pipe(record(path, { model, optimizer })));
  const { ok, unproved } = await verify(path);
  assert.is(ok, true);
  assert.match(unproved[0], /payload hash of 1 batch/);
});

test('a weights file, a plain safetensors file and what is neither are told apart', async () => {
  const path = join(directory(), 'a.safetensors');
  const weights = new Tensors(model);
  writeFileSync(path, encodeWeights({ model: 'm', run: 'r', epoch: 1, version: 7 }, weights));
  const sound = await verify(path);
  assert.equal(
    [sound.ok, sound.what, sound.run, sound.lastVersion, sound.digest],
    [true, 'weights frame', 'r', 7, digestOf(bytesOf(weights.flat))],
  );
  flip(path, readFileSync(path).byteLength - 1);
  const broken = await verify(path);
  assert.equal([broken.ok, broken.findings[0].code], [false, 'E_DIGEST']);
  writeFileSync(path, serialize({ w: Float32Array.of(1) }));
  assert.is((await verify(path)).what, 'safetensors');
  writeFileSync(path, 'nothing of the kind');
  assert.is((await verify(path)).ok, false);
  await refusal('E_FILE', verify(join(directory(), 'nothing')));
  await refusal('E_RECORDING', verify(directory()), /no segments/);
  await refusal('E_CONFIG', verify(path, { progres: () => undefined } as never), /did you mean "progress"/);
});

test.run();
