// Seeking: a replay begins at any version or time, reads what it gives and little else, and judges damage as a whole reading does.
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { map, of, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import {
  foldFrom,
  openJournal,
  type RecordedBatch,
  type ReplayOptions,
  replay,
  type TornTail,
  takeUntilVersion,
} from '../../streams/recordings/index.ts';
import { refused } from '../support/refused.ts';
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
import { bytesReadBy, startMs, timedRun, wideRun } from './timed.ts';

test.after(removeDirectories);

const versions = (path: string, options: ReplayOptions = {}) => all(replay(path, options).pipe(map(({ version }) => version)));
const upTo = (end: number, start = 1) => Array.from({ length: Math.max(0, end - start + 1) }, (_, i) => start + i);
const at = (time: number) => new Date(startMs + time);
const size = (path: string) => names(path, /^seg-/).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
const endingOf = (bytes: Buffer) => bytes.indexOf('gradwire.end') - 13;

/** Takes the end off a run's last segment, as a crash leaves it. */
function crash(path: string): string {
  const last = join(path, names(path, /^seg-/).at(-1) ?? '');
  truncateSync(last, endingOf(readFileSync(last)));
  return path;
}

test('from near the end of a recording of many chunks reads a small part of it, closed or not, by version and by time', async () => {
  const closed = await wideRun(150, 20_000);
  const open = crash(await wideRun(150, 20_000));
  const bytes = size(closed);
  assert.ok(bytes > 12_000_000);
  for (const path of [closed, open]) {
    const control = await bytesReadBy(() => versions(path));
    assert.ok(control > 0.95 * bytes, `${control} of ${bytes}`);
    for (const from of [147, at(147_500)]) {
      const read = await bytesReadBy(async () => assert.equal(await versions(path, { from }), [148, 149, 150]));
      // of a segment that was not closed each head is read, a page at a time
      assert.ok(read < (path === closed ? 0.06 : 0.15) * bytes, `${read} of ${bytes} from ${from}`);
    }
  }
});

test('from and until a time near the front read no further than until', async () => {
  const path = await wideRun(600, 1000);
  const read = await bytesReadBy(async () => assert.equal(await versions(path, { from: at(3000), until: at(5000) }), [3, 4, 5]));
  assert.ok(read < 0.5 * size(path), String(read));
});

test('segments before from are not read beyond their heads', async () => {
  const path = await wideRun(600, 1000, 400_000);
  const segments = names(path, /^seg-/).length;
  assert.ok(segments > 5);
  const read = await bytesReadBy(async () => assert.equal(await versions(path, { from: 598 }), [599, 600]));
  assert.ok(read < segments * (16 << 10) + 300_000, String(read));
});

const given = batches(24);
// the second start's clock is behind the first's; several batches share a millisecond
const starts = [
  [10, 20, 20, 20, 30, 40, 50, 60, 70, 80],
  [35, 45, 55, 65, 75, 85, 95, 95, 95, 95, 100, 110, 120, 130],
];
const times = starts.flat();
const firstAt = (isIt: (time: number) => boolean) => {
  const i = times.findIndex(isIt);
  return i < 0 ? times.length : i;
};

test('every version and every time is found, in one segment or many, closed or not', async () => {
  for (const segmentBytes of [1 << 20, 4000]) {
    const closed = await timedRun(given, starts, segmentBytes);
    const open = crash(await timedRun(given, starts, segmentBytes));
    for (const path of [closed, open]) {
      for (let from = 0; from <= 26; from++) assert.equal(await versions(path, { from }), upTo(24, from + 1), `from ${from}`);
      for (let time = 5; time <= 135; time += 5) {
        const from = firstAt((each) => each >= time);
        assert.equal(await versions(path, { from: at(time) }), upTo(24, from + 1), `from the time ${time}`);
        const until = firstAt((each) => each > time);
        assert.equal(await versions(path, { until: at(time) }), upTo(until), `until the time ${time}`);
        assert.equal(await versions(path, { from: at(time), until: at(time) }), upTo(until, from + 1), `at ${time}`);
      }
    }
  }
});

test('a batch says when it was written', async () => {
  const path = await timedRun(given, starts);
  const written = await all(replay(path).pipe(map(({ writtenMs }) => writtenMs)));
  assert.equal(
    written,
    times.map((time) => startMs + time),
  );
});

test('a version and a time that turn out to be in the wrong order are refused', async () => {
  const path = await timedRun(given, starts);
  await refusal('E_CONFIG', versions(path, { from: 20, until: at(20) }), /from must not lie after until; got 20 and 4/);
  await refusal('E_CONFIG', versions(path, { from: at(130), until: 20 }), /got 23 and 20/);
});

const wrong: readonly [ReplayOptions, RegExp][] = [
  [{ from: -1 }, /from must be a version \(an integer from 0\) or a Date; got -1/],
  [{ from: 1.5 }, /from must be/],
  [{ from: Number.NaN }, /from must be/],
  [{ from: new Date('yesterday') }, /from must be .* got Invalid Date/],
  [{ from: '5' as never }, /from must be/],
  [{ until: -1 }, /until must be/],
  [{ until: Number.NaN }, /until must be/],
  [{ until: new Date(Number.NaN) }, /until must be .* got Invalid Date/],
  [{ until: null as never }, /until must be/],
  [{ from: 6, until: 5 }, /from must not lie after until; got 6 and 5/],
  [{ from: at(1), until: at(0) }, /got 2026-11-23T08:00:00\.001Z and 2026-11-23T08:00:00\.000Z/],
  [{ form: 6 } as never, /unknown replay option "form"; did you mean "from"\?/],
];
for (const [options, text] of wrong) {
  test(`replay refuses what is no place before it reads: ${text.source}`, () =>
    void refused('E_CONFIG', () => replay('nowhere', options), text));
}

test('takeUntilVersion is a breakpoint: it passes up to and with its version, and reading stops', async () => {
  const path = await wideRun(300, 1000);
  const read = await bytesReadBy(async () =>
    assert.equal(
      await all(
        replay(path).pipe(
          takeUntilVersion(7),
          map(({ version }) => version),
        ),
      ),
      upTo(7),
    ),
  );
  assert.ok(read < 0.7 * size(path), String(read));
  const passed = async (values: number[]) => await all(of(...values.map((version) => ({ version }))).pipe(takeUntilVersion(3)));
  assert.equal(await passed([1, 2]), [{ version: 1 }, { version: 2 }]);
  assert.equal(await passed([2, 4, 3]), [{ version: 2 }]);
  assert.equal(await passed([4, 5]), []);
});

/** What a replay gives, and how it ends. */
async function outcomeOf(path: string, from: number): Promise<{ given: string[]; torn: TornTail[]; error: string | undefined }> {
  const torn: TornTail[] = [];
  const seen: string[] = [];
  const note = ({ version, payload, writtenMs }: RecordedBatch): number => seen.push(`${version} ${payload} ${writtenMs}`);
  const error = await all(replay(path, { from, onTorn: (tail) => torn.push(tail) }).pipe(tap(note))).then(
    () => undefined,
    (reason: unknown) => {
      if (reason instanceof GradwireError) return reason.text;
      throw reason;
    },
  );
  return { given: seen, torn, error };
}

test('damage that is read is judged as by a reading from the front: the same error, or the same torn tail', async () => {
  const { bytes, chunks, crashed, closed } = await specimen(8);
  for (const path of [crashed(), closed()]) {
    const original = readFileSync(path);
    const last = path && original.byteLength < bytes.byteLength;
    for (const i of [5, 6, 7]) {
      for (const offset of [0, 8, 20, 30, 42, 60, 200]) {
        const damaged = Buffer.from(original);
        damaged[chunks[i] + offset] ^= 1;
        writeFileSync(path, damaged);
        const whole = await outcomeOf(path, 0);
        const part = await outcomeOf(path, 5);
        assert.equal({ error: part.error, torn: part.torn }, { error: whole.error, torn: whole.torn }, `${i} ${offset}`);
        // the two times in a chunk's head are nobody's but other tools'
        if (offset < 9 || offset >= 25) assert.ok(part.error !== undefined || (last && part.torn.length === 1), `${i} ${offset}`);
      }
    }
    for (const cut of [chunks[7] + 30, chunks[7] + 100, chunks[7] + recordLength(bytes, chunks[7]) + 3]) {
      writeFileSync(path, original.subarray(0, cut));
      const whole = await outcomeOf(path, 0);
      assert.is(whole.torn.length, 1);
      for (const from of [3, 6, 7, 8, 9])
        assert.equal((await outcomeOf(path, from)).torn, whole.torn, `cut at ${cut}, from ${from}`);
    }
  }
});

test('whatever byte of the heads, indexes and summary is wrong, a replay from the middle gives its batches or an error, never others', async () => {
  const { bytes, chunks, ending, closed, crashed } = await specimen(6);
  const heads = chunks.flatMap((start, i) => {
    const end = start + recordLength(bytes, start);
    return [...span(start, start + 80), ...span(end, chunks[i + 1] ?? ending)];
  });
  for (const [path, places] of [
    [closed(), [...heads, ...span(ending, bytes.byteLength)]],
    [crashed(), heads],
  ] as const) {
    const file = openSync(path, 'r+');
    for (const from of [3]) {
      const sound = await outcomeOf(path, from);
      for (const i of places) {
        writeSync(file, Uint8Array.of(bytes[i] ^ (1 << (i % 8))), 0, 1, i);
        const { given: got, torn, error } = await outcomeOf(path, from);
        // a time alone has no check of its own in a chunk's head, but in its records
        assert.equal(got, sound.given.slice(0, got.length), `byte ${i}`);
        assert.ok(got.length === 3 || error !== undefined || torn.length === 1, `byte ${i}: versions lost in silence`);
        writeSync(file, bytes, i, 1, i);
      }
    }
    closeSync(file);
  }
});

test('a summary that points elsewhere is not trusted', async () => {
  const { bytes, ending, closed } = await specimen(9);
  const path = closed();
  // each chunk index in turn says the place of the one after it
  const first = bytes.indexOf(Buffer.from([8, 74, 0, 0, 0, 0, 0, 0, 0]), ending);
  for (let i = 0; i < 8; i++) {
    const damaged = Buffer.from(bytes);
    const here = first + i * 83;
    damaged.copy(damaged, here + 25, here + 83 + 25, here + 83 + 41);
    writeFileSync(path, damaged);
    for (let from = 0; from <= 9; from++)
      assert.equal(await versions(path, { from }), upTo(9, from + 1), `index ${i}, from ${from}`);
    for (const time of [0, Date.now() + 1e6])
      assert.is((await versions(path, { from: new Date(time) })).length, time === 0 ? 9 : 0);
  }
});

function span(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

test('a fold begins at the newest sound snapshot that is not later than asked', async () => {
  const path = directory();
  const digests = digestsOf(given);
  const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os' });
  const fold = new RMSprop(model, optimizer);
  for (const batch of admitted(given)) {
    await all(of(batch).pipe(journal.commit()));
    fold.step(batch.checked);
    if (batch.version % 5 === 0) await journal.snapshots.write(snapshotFrame(journal, fold), batch.version);
  }
  await journal.close();
  const snapshots = names(path, /^snap-/);
  assert.is(snapshots.length, 3);
  for (const [notAfter, expected] of [
    [24, 20],
    [20, 20],
    [19, 15],
    [14, 10],
    [9, 0],
  ]) {
    const { version, state } = await foldFrom<Name>(path, { notAfter });
    assert.is(version, expected);
    fold.restore(state);
    assert.is(fold.digest(), digests[version]);
  }
  const newest = join(path, snapshots[2]);
  writeFileSync(newest, readFileSync(newest).subarray(0, 500));
  assert.is((await foldFrom(path, { notAfter: 24 })).version, 15);
  await refusal('E_CONFIG', foldFrom(path, { notAfter: 24, snapshot: newest }), /not both/);
  await refusal('E_CONFIG', foldFrom(path, { notafter: 24 } as never), /did you mean "notAfter"/);
});

test.run();
