// Bit rot: a flip of any byte of a recording is harmless or seen; what it folds to is never something else.
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { from as source } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { admitted, all, directory, foldOf, model, type Name, names, optimizer, removeDirectories } from '../recordings/runs.ts';
import { specimen } from './specimen.ts';

test.after(removeDirectories);

const { given, digests, bytes, chunks, ending, crashed, closed } = await specimen(4);

/** What becomes of a damaged recording; another fold is the one thing that may not. */
async function outcomeOf(path: string, expected: readonly string[]): Promise<'harmless' | 'torn' | 'refused'> {
  try {
    const { digest, version, headers, torn } = await foldOf(path);
    assert.is(digest, digests[version], 'folded to other bits');
    assert.equal(headers, expected.slice(0, version), 'other producers, sequences or labels');
    if (version === given.length) return 'harmless';
    assert.is(torn.length, 1, `lost versions after ${version} in silence`);
    return 'torn';
  } catch (error) {
    if (error instanceof GradwireError) return 'refused';
    throw error;
  }
}

/** Flips a bit of every byte of `target`, one at a time, and counts what becomes of `path`. */
async function flipEach(path: string, target: string, from: number, to: number) {
  const outcomes = { harmless: 0, torn: 0, refused: 0 };
  const original = readFileSync(target);
  const { headers } = await foldOf(path);
  const file = openSync(target, 'r+');
  for (let i = from; i < to; i++) {
    for (const mask of masks(i)) {
      writeSync(file, Uint8Array.of(original[i] ^ mask), 0, 1, i);
      const outcome = await outcomeOf(path, headers).catch((error: Error) => {
        error.message = `byte ${i} ^ ${mask}: ${error.message}`;
        throw error;
      });
      outcomes[outcome] += 1;
    }
    writeSync(file, original, i, 1, i);
  }
  closeSync(file);
  return outcomes;
}

// one bit of each byte; all of them with GRADWIRE_LONG=1
const masks = (i: number) => (process.env.GRADWIRE_LONG === '1' ? [1, 2, 4, 8, 16, 32, 64, 128, 255] : [1 << (i % 8)]);

test('any byte flipped in a closed recording is harmless or refused', async () => {
  const path = closed();
  const outcomes = await flipEach(path, path, 0, bytes.byteLength);
  assert.is(outcomes.torn, 0, JSON.stringify(outcomes));
  assert.ok(outcomes.refused > ending - chunks[0] - 300, JSON.stringify(outcomes));
});

test('any byte flipped in a recording that was not closed is harmless, refused, or in its last group a torn tail', async () => {
  const path = crashed();
  const before = await flipEach(path, path, 0, chunks[3]);
  assert.is(before.torn, 0, JSON.stringify(before));
  const last = await flipEach(path, path, chunks[3], ending);
  assert.ok(last.torn > 0, JSON.stringify(last));
});

test('any byte flipped in the first segment of two is harmless or refused: the second proves what was acknowledged', async () => {
  const path = await makeRun();
  const [first] = names(path, /^seg/);
  const size = readFileSync(join(path, first)).byteLength;
  const outcomes = await flipEach(path, join(path, first), 0, size);
  assert.is(outcomes.torn, 0, JSON.stringify(outcomes));
});

/** A run whose first trainer died after two batches. */
async function makeRun(): Promise<string> {
  const path = directory();
  const run = admitted(given);
  const first = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
  for (const batch of run.slice(0, 2)) await all(source([batch]).pipe(first.commit()));
  await first.close();
  const [name] = names(path, /^seg/);
  const file = join(path, name);
  truncateSync(file, readFileSync(file).indexOf('gradwire.end') - 13);
  const second = await openJournal<Name>(path, { durability: 'os' });
  await all(second.records$);
  for (const batch of run.slice(2)) await all(source([batch]).pipe(second.commit()));
  await second.close();
  return path;
}

test.run();
