// Batches that are lent: the same values as ever for who takes each at once, in memory that the next one has too.
import { from, map } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal, openRecording, type RecordedBatch, type ReplayOptions, replay } from '../../streams/recordings/index.ts';
import { admitted, all, batches, digestsOf, directory, foldOf, model, type Name, optimizer, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const given = batches(24);
const run = directory();
const journal = await openJournal<Name>(run, { model, optimizer, durability: 'os', segmentBytes: 5000 });
await all(from(admitted(given)).pipe(journal.commit()));
await journal.close();

/** What a batch says, as text that stays. */
const said = ({ version, frame, gradients, producer }: RecordedBatch): string =>
  JSON.stringify([version, producer, Buffer.from(frame).toString('latin1'), gradients]);
const taken = (options: ReplayOptions<Name>) => all(replay<Name>(run, options).pipe(map(said)));

test('taken at once, each is what it is without being lent', async () => {
  const own = (await all(replay<Name>(run))).map(said);
  assert.is(new Set(own).size, given.length);
  assert.equal(await taken({ lent: true }), own);
  assert.equal(await taken({ lent: true, from: 5, until: 19 }), own.slice(5, 19));
  assert.equal(await taken({ lent: true, speed: 1e9 }), own);
});

test('a batch that is not lent stays as it is, in memory of its own', async () => {
  const kept = await all(replay<Name>(run));
  assert.is(new Set(kept.map(({ frame }) => frame.buffer)).size, given.length);
  const heard: string[] = [];
  const told: RecordedBatch[] = [];
  await openRecording(run, {
    onBatch: (batch) => {
      told.push(batch);
      heard.push(said(batch));
    },
  });
  assert.equal(told.map(said), heard);
});

test('those that are lent share memory, those of another subscription another', async () => {
  const lent$ = replay<Name>(run, { lent: true });
  const memories = await Promise.all([lent$, lent$].map((each$) => all(each$.pipe(map(({ frame }) => frame.buffer)))));
  const [one, other] = memories.map((each) => new Set(each));
  assert.ok(one.size < given.length / 2, `${one.size} memories`);
  assert.is([...one].filter((memory) => other.has(memory)).length, 0);
});

test('a fold takes each at once', async () => {
  assert.is((await foldOf(run, { lent: true })).digest, digestsOf(given)[given.length]);
});

test.run();
