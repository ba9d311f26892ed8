// Damage: a tail torn at any byte is tolerated and told of; records removed, doubled or swapped are seen.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal, openRecording } from '../../streams/recordings/index.ts';
import { admitted, all, directory, foldOf, model, type Name, optimizer, refusal, removeDirectories } from '../recordings/runs.ts';
import { recordLength, specimen } from './specimen.ts';

test.after(removeDirectories);

const { given, digests, bytes, chunks, ending, crashed, closed } = await specimen(5);

test('the recording to damage has a chunk for each batch', () => assert.is(chunks.length, given.length));

test('a file cut at any byte gives every whole record before the cut, and says where it was torn', async () => {
  const path = closed();
  for (let length = bytes.byteLength - 1; length >= 0; length--) {
    truncateSync(path, length);
    if (length < chunks[0]) {
      await refusal('E_RECORDING', foldOf(path));
      continue;
    }
    const whole = chunks.filter((start) => start + recordLength(bytes, start) <= length).length;
    const { version, digest, torn } = await foldOf(path);
    assert.is(version, whole, `cut at ${length}`);
    assert.is(digest, digests[whole]);
    const boundary = length >= ending + recordLength(bytes, ending) || length === ending || chunks.includes(length);
    assert.is(torn.length, boundary ? 0 : 1, `cut at ${length}`);
  }
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
});

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
