// Bit rot: every single bit of a small journal and of a snapshot flipped is harmless or seen; what it leads to is never another state.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { segmentName, snapshotName } from '../../streams/recordings/history/names.ts';
import { foldOf, removeDirectories } from '../recordings/runs.ts';
import { specimen, twoSegments } from '../recordings/specimen.ts';
import { figure } from '../support/figures.ts';
import { MemoryFiles } from './memory-files.ts';
import {
  type Expected,
  type Outcome,
  outcomeOf,
  type Reading,
  standOfBytes,
  standOfReader,
  standOfRecords,
  standOfSnapshot,
  standOfTrainer,
} from './stands.ts';

const { given, digests, bytes, chunks, ending, snapshot } = await specimen(3);
const split = await twoSegments(given);
const files = new MemoryFiles();
test.after(() => {
  files.restore();
  removeDirectories();
});

const first = segmentName({ epoch: 1, firstVersion: 1 });
const second = segmentName({ epoch: 2, firstVersion: split.firstVersion });
const name = snapshotName(2);
// the decoded batches and the optimizer's state are compared too: at every bit with GRADWIRE_LONG=1, else at one of each eighth byte
const isDeep = (bit: number): boolean => process.env.GRADWIRE_LONG === '1' || bit % 64 === Math.floor(bit / 64) % 8;
const isHead = (bit: number): boolean => bit < chunks[0] * 8;

type Counts = Record<Outcome, number>;
const sumOf = (counts: Counts): number => counts.harmless + counts['passed over'] + counts.refused;
const shown = (counts: Counts): string =>
  `${sumOf(counts)} flips: refused ${counts.refused}, passed over and told of ${counts['passed over']}, harmless ${counts.harmless}, wrong states 0`;

/** A way to read, what it finds while all is sound, and at which bits it is tried. One that `counts` is tried at every bit by itself or with others. */
interface Compared {
  readonly reading: Reading;
  readonly expected: Expected;
  readonly at: (bit: number) => boolean;
  readonly counts: boolean;
}

/** Flips each bit of `target`, one at a time, and counts what becomes of the folder. */
async function flipEach(
  folder: string,
  target: Uint8Array,
  readings: readonly Compared[],
  { from = 0, to = target.byteLength }: { from?: number; to?: number } = {},
): Promise<Counts> {
  const counts = { harmless: 0, 'passed over': 0, refused: 0 };
  for (let bit = from * 8; bit < to * 8; bit++) {
    target[bit >> 3] ^= 1 << (bit & 7);
    for (const { reading, expected, at, counts: counted } of readings) {
      if (!at(bit)) continue;
      const outcome = await outcomeOf(reading(folder), expected).catch((error: Error) => {
        error.message = `byte ${bit >> 3}, bit ${bit & 7}: ${error.message}`;
        throw error;
      });
      if (counted) counts[outcome] += 1;
    }
    target[bit >> 3] ^= 1 << (bit & 7);
  }
  return counts;
}

/** All ways to read a folder, with what each finds while it is sound. `fallbacks` changes the folder, and changes it back. */
async function readingsOf(
  folder: string,
  fallbacks: readonly ((read: () => Promise<void>) => Promise<void>)[] = [],
): Promise<Compared[]> {
  const readings: Compared[] = [];
  for (const [reading, at, counts] of [
    [standOfBytes, isHead, true],
    [standOfRecords, (bit: number) => !isHead(bit), true],
    [standOfReader, isDeep, false],
    [standOfTrainer, isDeep, false],
  ] as const) {
    const expected = { sound: await reading(folder), fallbacks: [] as Awaited<ReturnType<Reading>>[] };
    for (const change of fallbacks) await change(async () => void expected.fallbacks.push(await reading(folder)));
    readings.push({ reading, expected, at, counts });
  }
  return readings;
}

test('any bit flipped in a closed journal is refused or harmless, and in its end told of', async () => {
  const target = Buffer.from(bytes);
  const path = files.put('closed', first, target);
  assert.is((await foldOf(path)).digest, digests[3]);
  const counts = await flipEach(files.folder('closed'), target, await readingsOf(files.folder('closed')));
  figure(`bits: a closed journal of ${bytes.byteLength} bytes, ${shown(counts)}`);
  // its end is damaged, and all of its batches are there
  assert.ok(counts['passed over'] < (bytes.byteLength - ending) * 8, JSON.stringify(counts));
  assert.ok(counts.refused > (ending - chunks[0]) * 7.5, JSON.stringify(counts));
});

test('any bit flipped in a journal that was not closed is refused or harmless, in its last group a torn tail that is told of', async () => {
  const target = Buffer.from(bytes.subarray(0, ending));
  const folder = files.folder('crashed');
  files.put('crashed', first, target);
  const cut = async (read: () => Promise<void>): Promise<void> => {
    files.put('crashed', first, target.subarray(0, chunks[2]));
    await read();
    files.put('crashed', first, target);
  };
  const readings = await readingsOf(folder, [cut]);
  const before = await flipEach(folder, target, readings, { to: chunks[2] });
  const last = await flipEach(folder, target, readings, { from: chunks[2] });
  figure(`bits: a crashed journal of ${target.byteLength} bytes, before its last group, ${shown(before)}`);
  figure(`bits: a crashed journal, its last group, which nothing later proves, ${shown(last)}`);
  assert.is(before['passed over'], 0, JSON.stringify(before));
  assert.ok(last['passed over'] > 0, JSON.stringify(last));
});

test('any bit flipped in the first segment of two is refused or harmless: the second proves what was acknowledged', async () => {
  const target = Buffer.from(split.first);
  const folder = files.folder('two');
  files.put('two', first, target);
  files.put('two', second, split.second);
  assert.is((await foldOf(folder)).digest, digests[3]);
  const counts = await flipEach(folder, target, await readingsOf(folder));
  figure(`bits: the crashed first segment of two, ${target.byteLength} bytes, ${shown(counts)}`);
  // what is passed over stands behind the last batch, and nothing may take the place of the sound stand
  assert.ok(counts['passed over'] < 100, JSON.stringify(counts));
});

test('any bit flipped in a snapshot makes the trainer pass it over and say so, and replay instead', async () => {
  const target = Buffer.from(snapshot);
  const folder = files.folder('snapshot');
  files.put('snapshot', first, bytes);
  files.put('snapshot', name, target);
  const without = async (read: () => Promise<void>): Promise<void> => {
    files.remove('snapshot', name);
    await read();
    files.put('snapshot', name, target);
  };
  const readings = await readingsOf(folder, [without]);
  const [trainer] = readings.filter(({ reading }) => reading === standOfTrainer);
  assert.is.not(trainer.expected.sound.text, trainer.expected.fallbacks[0].text);
  const alone = () => standOfSnapshot(`${folder}/${name}`);
  const expected = { sound: await alone(), fallbacks: [{ text: 'passed over', version: 0, told: 1 }] };
  const counts = await flipEach(folder, target, [{ reading: alone, expected, at: () => true, counts: true }, trainer]);
  figure(`bits: a snapshot of ${target.byteLength} bytes, ${shown(counts)}`);
  assert.is(counts.refused, 0, JSON.stringify(counts));
  assert.ok(counts['passed over'] > target.byteLength * 7.5, JSON.stringify(counts));
  // from the snapshot and from the beginning the fold is the same
  const { state, optimizer } = decodeSnapshot(snapshot);
  const fold = new RMSprop(layout({ w: [3], table: [5, 2] }), optimizer);
  fold.restore(state);
  fold.step(given[2]);
  assert.is(fold.digest(), digests[3]);
});

test('control: a reading that believes what it finds is caught', async () => {
  const target = Buffer.from(bytes);
  const folder = files.folder('control');
  files.put('control', first, target);
  const sound = await standOfBytes(folder);
  target[chunks[1] + 300] ^= 1;
  const believing = Promise.resolve({ ...sound, text: `${sound.text.slice(0, -1)}x` });
  const wrong = await outcomeOf(believing, { sound, fallbacks: [] }).catch(({ message }: Error) => message);
  assert.is(wrong, 'a wrong state: version 3 in place of 3, told of 0');
  const silent = Promise.resolve({ ...sound, text: sound.text.split('\n').slice(0, -1).join('\n'), version: 2 });
  assert.match(
    await outcomeOf(silent, { sound, fallbacks: [await silent] }).catch(({ message }: Error) => message),
    'a wrong state',
  );
});

test.run();
