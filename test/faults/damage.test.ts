// Damage: a tail torn at any byte is tolerated and told of; records or segments removed, doubled or swapped are seen.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { openJournal, openRecording } from '../../streams/recordings/index.ts';
import {
  admitted,
  all,
  directory,
  foldOf,
  model,
  type Name,
  names,
  optimizer,
  refusal,
  removeDirectories,
  snapshotFrame,
} from '../recordings/runs.ts';
import { recordLength, specimen } from '../recordings/specimen.ts';
import { figure } from '../support/figures.ts';
import { MemoryFiles } from './memory-files.ts';

const files = new MemoryFiles();
test.after(() => {
  files.restore();
  removeDirectories();
});

const { given, digests, bytes, chunks, ending, crashed } = await specimen(5);

test('the recording to damage has a chunk for each batch', () => assert.is(chunks.length, given.length));

test('a file cut at any byte gives every whole record before the cut, and says where it was torn', async () => {
  const counts = { refused: 0, torn: 0, whole: 0 };
  for (let length = bytes.byteLength - 1; length >= 0; length--) {
    const path = files.put('cut', 'a.mcap', bytes.subarray(0, length));
    if (length < chunks[0]) {
      await refusal('E_RECORDING', foldOf(path));
      counts.refused += 1;
      continue;
    }
    const whole = chunks.filter((start) => start + recordLength(bytes, start) <= length).length;
    const { version, digest, torn } = await foldOf(path);
    assert.is(version, whole, `cut at ${length}`);
    assert.is(digest, digests[whole]);
    const boundary = length >= ending + recordLength(bytes, ending) || length === ending || chunks.includes(length);
    assert.is(torn.length, boundary ? 0 : 1, `cut at ${length}`);
    counts[boundary ? 'whole' : 'torn'] += 1;
  }
  figure(
    `damage: a journal cut at each of its ${bytes.byteLength} bytes: in its head refused ${counts.refused}, every whole batch kept and the torn tail told of ${counts.torn}, at the end of a batch or behind the last record ${counts.whole}, wrong states 0`,
  );
});

test('chunks removed, doubled or swapped are seen', async () => {
  const parts = chunks.map((start, i) => bytes.subarray(start, chunks[i + 1] ?? ending));
  const head = bytes.subarray(0, chunks[0]);
  const path = crashed();
  for (const order of [
    [0, 2, 3, 4],
    [1, 2, 3, 4],
    [0, 1, 1, 2, 3, 4],
    [0, 0, 1, 2, 3, 4],
    [1, 0, 2, 3, 4],
    [0, 1, 2, 4, 3],
  ]) {
    writeFileSync(path, Buffer.concat([head, ...order.map((i) => parts[i])]));
    const error = await refusal(
      'E_RECORDING_CORRUPT',
      foldOf(path),
      /segment "a\.mcap", version \d, offset \d+: a record of version \d stands here/,
    );
    assert.match(error.text, /proves that it had been acknowledged/);
  }
  // in a closed recording the end knows how many there were
  for (const order of [[0, 1, 2, 3], [0, 1, 2, 3, 4, 4], []]) {
    writeFileSync(path, Buffer.concat([head, ...order.map((i) => parts[i]), bytes.subarray(ending)]));
    await refusal('E_RECORDING_CORRUPT', foldOf(path));
  }
  figure('damage: chunks removed 4 times, doubled 3 times, swapped 2 times: refused 9 of 9');
});

test("a tail of zeros, of garbage, or of an older run's blocks is no record", async () => {
  const other = await specimen(5);
  const foreign = other.bytes.subarray(other.chunks[0], other.ending);
  for (const tail of [
    Buffer.alloc(5000),
    Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 31) % 251)),
    Buffer.alloc(300, 6),
    foreign,
  ]) {
    const path = crashed();
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole, tail]));
    const { version, digest, torn } = await foldOf(path);
    assert.equal([version, digest], [5, digests[5]]);
    assert.equal(
      torn.map(({ offset, byteLength }) => [offset, byteLength]),
      [[whole.byteLength, tail.byteLength]],
    );
  }
  figure(
    "damage: tails of zeros, garbage, one repeated byte, and an older run's chunks: taken for records 0 of 4, told of 4 of 4",
  );
});

test('a segment that is missing is seen, at the end too where a snapshot knows of what was in it', async () => {
  const run = directory();
  for (let i = 0; i < 3; i++) {
    const journal = await openJournal<Name>(run, { model, optimizer, durability: 'os' });
    await all(journal.records$);
    await all(from(admitted(given.slice(i, i + 1), i + 1)).pipe(journal.commit()));
    if (i === 2) await journal.snapshots.write(snapshotFrame(journal, foldedTo(3)), 3);
    await journal.close();
  }
  const segments = names(run, /^seg/);
  const [snapshot] = names(run, /^snap/);
  assert.is(await goOn(copyOf(run)), 3);
  for (const [i, segment] of segments.entries()) {
    const path = copyOf(run);
    rmSync(join(path, segment));
    // the snapshot would do in place of the first two
    if (i < 2) rmSync(join(path, snapshot));
    await refusal('E_RECORDING_GAP', foldOf(path));
    await refusal('E_RECORDING_GAP', goOn(path));
  }
  figure('damage: the first, the middle and the last of three segments removed: refused 3 of 3 by readers and by a trainer');
});

/** A copy of a directory. */
function copyOf(path: string): string {
  const copy = directory();
  cpSync(path, copy, { recursive: true });
  return copy;
}

/** Goes on in a directory, as a trainer does; gives the version that it gets to. */
async function goOn(path: string): Promise<number> {
  const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
  try {
    return journal.start.version + (await all(journal.records$)).length;
  } finally {
    await journal.close();
  }
}

/** The fold of the first batches. */
function foldedTo(version: number): RMSprop<Name> {
  const fold = new RMSprop(model, optimizer);
  for (const batch of given.slice(0, version)) fold.step(batch);
  return fold;
}

test('the error of a damaged record names its file, version and place', async () => {
  const path = crashed();
  const damaged = readFileSync(path);
  damaged[chunks[2] + 200] ^= 1;
  writeFileSync(path, damaged);
  const error = await refusal('E_RECORDING_CORRUPT', openRecording(path));
  assert.is(
    error.text,
    `segment "a.mcap", version 3, offset ${chunks[2]}: the chunk has another CRC than its content; what stands at offset ${chunks[3]} ` +
      'proves that it had been acknowledged; restore the file from a copy',
  );
});

test('a journal goes on after a tail torn at any place, keeps a copy of it, and loses nothing that is whole', async () => {
  const lengths = [0, 5, chunks[0] - 1, chunks[0]];
  for (const start of chunks) lengths.push(start + 1, start + 8, start + 49, start + 300);
  lengths.push(ending - 1, ending, ending + 20);
  for (const length of lengths) {
    const path = directory();
    const name = 'seg-00000001-0000000000000001.mcap';
    writeFileSync(join(path, name), bytes.subarray(0, length));
    const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
    const records = await all(journal.records$);
    const whole = chunks.filter((start) => start + recordLength(bytes, start) <= length).length;
    assert.is(records.length, whole, `cut at ${length}`);
    assert.is(journal.epoch, 2);
    for (const { offset, byteLength } of journal.recovered.torn) {
      const copy = byteLength === 0 ? Buffer.alloc(0) : readFileSync(join(path, `${name}.broken`));
      assert.ok(copy.equals(bytes.subarray(offset, length)));
    }
    await all(from(admitted(given).slice(whole)).pipe(journal.commit()));
    await journal.close();
    assert.is(readFileSync(join(path, name)).byteLength, length, 'an old segment is never written to');
    assert.is((await foldOf(path)).digest, digests[5], `cut at ${length}`);
  }
});

test.run();
