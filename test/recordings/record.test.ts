// record: a tap that passes every value on unchanged, in order, once its record is written.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { concat, EMPTY, from, NEVER, type Observable, of, Subject, take, tap, throwError } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { checkGradients } from '../../src/gradients/check.ts';
import { createFile } from '../../streams/recordings/disk.ts';
import { openRecording, type Recording, type RecordOptions, record, replay } from '../../streams/recordings/index.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';
import {
  admitted,
  all,
  batches,
  digestsOf,
  directory,
  foldOf,
  model,
  type Name,
  optimizer,
  refusal,
  removeDirectories,
} from './runs.ts';

test.after(removeDirectories);

const given = batches(9);
const digests = digestsOf(given);
const bad = { w: Float32Array.of(1, Number.NaN, 3) };

/** Records to a new file, and gives its path with what passed. */
async function recorded<T extends object>(source: Observable<T>, options: Partial<RecordOptions<Name>> = {}) {
  const path = join(directory(), 'a.mcap');
  const passed: T[] = [];
  let error: unknown;
  const passed$ = source.pipe(
    record<Name, T & GradientRecord<Name>>(path, { model, optimizer, ...options }) as never,
    tap((value: T) => passed.push(value)),
  );
  await all(passed$ as Observable<T>).catch((reason: unknown) => (error = reason));
  return { path, passed, error };
}

test('an empty stream makes a recording without a batch', async () => {
  const { path, passed, error } = await recorded(EMPTY);
  assert.equal([passed, error], [[], undefined]);
  assert.is((await foldOf(path)).digest, digests[0]);
});

test('a stream that never emits makes no file, and leaves none when it is unsubscribed', async () => {
  const path = join(directory(), 'a.mcap');
  NEVER.pipe(record(path, { model })).subscribe().unsubscribe();
  await new Promise(setImmediate);
  assert.not(existsSync(path));
});

test('one batch, or many, pass unchanged and in order, and fold to the same bits', async () => {
  for (const count of [1, 9]) {
    const { path, passed } = await recorded(from(given.slice(0, count)));
    assert.is(passed.length, count);
    for (const [i, each] of passed.entries()) assert.is(each, given[i]);
    const { digest, version, torn } = await foldOf(path);
    assert.equal([digest, version, torn], [digests[count], count, []]);
    assert.ok((await openRecording(path)).segments[0].closedCleanly);
  }
});

test('an error of the source comes after what was before it, and the recording is closed', async () => {
  const { path, passed, error } = await recorded(
    concat(
      from(given.slice(0, 4)),
      throwError(() => 'broken'),
    ),
  );
  assert.equal([passed.length, error], [4, 'broken']);
  assert.is((await foldOf(path)).digest, digests[4]);
  assert.ok((await openRecording(path)).segments[0].closedCleanly);
});

test('an error before the first batch makes no file', async () => {
  const { path, error } = await recorded(throwError(() => 'broken'));
  assert.is(error, 'broken');
  assert.not(existsSync(path));
});

test('a batch that does not fit the model is an error with its code, after what was before it', async () => {
  const { path, passed, error } = await recorded(from<object[]>([...given.slice(0, 3), bad, ...given.slice(3)]));
  assert.is(passed.length, 3);
  await refusal('E_NONFINITE', Promise.reject(error), /"w"\[1\] is NaN/);
  assert.is((await foldOf(path)).digest, digests[3]);
});

test('an early end of the subscriber closes the recording, with all that had passed', async () => {
  const { path, passed } = await recorded(from(given));
  assert.is(passed.length, 9);
  const early = join(directory(), 'b.mcap');
  const [first] = await all(from(given).pipe(record(early, { model, optimizer }), take(1)));
  assert.is(first, given[0]);
  // closing goes on after the subscriber has gone
  for (let closed = false; !closed; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    [{ closedCleanly: closed }] = (await openRecording(early)).segments;
  }
  const { version, digest } = await foldOf(early);
  assert.ok(version >= 1);
  assert.is(digest, digests[version]);
  assert.is((await foldOf(path)).digest, digests[9]);
});

test('each subscription makes a recording of its own, so a second one is refused while the file is there', async () => {
  const path = join(directory(), 'a.mcap');
  const recorded$ = from(given).pipe(record(path, { model }));
  await all(recorded$);
  await refusal('E_FILE', all(recorded$), /is there already/);
});

test('under load all that waits is one group', async () => {
  let syncs = 0;
  const source = new Subject<(typeof given)[number]>();
  const path = join(directory(), 'a.mcap');
  const create: typeof createFile = async (file) => {
    const handle = await createFile(file);
    const datasync = handle.datasync.bind(handle);
    handle.datasync = () => {
      syncs += 1;
      return datasync();
    };
    return handle;
  };
  const done = all(source.pipe(record(path, { model, create, durability: 'fsync' })));
  for (const batch of given) source.next(batch);
  source.complete();
  assert.is((await done).length, 9);
  // the head, the first batch, the eight that waited, the end
  assert.is(syncs, 4);
});

test('with durability none values pass before they are written, with others after', async () => {
  for (const [durability, expected] of [
    ['none', false],
    ['os', true],
    ['fsync', true],
  ] as const) {
    const path = join(directory(), 'a.mcap');
    let writes = 0;
    const create = async (path: string) => {
      const handle = await createFile(path);
      const writev = handle.writev.bind(handle);
      handle.writev = (async (...all: Parameters<typeof writev>) => {
        const result = await writev(...all);
        writes += 1;
        return result;
      }) as typeof writev;
      return handle;
    };
    const there: boolean[] = [];
    await all(
      of(given[0]).pipe(
        record(path, { model, durability, create }),
        tap(() => there.push(writes > 0)),
      ),
    );
    assert.equal(there, [expected], durability);
    assert.is((await openRecording(path)).batches, 1);
  }
});

test('what has passed is recorded though whoever takes it soon has enough, whatever the durability', async () => {
  for (const durability of ['none', 'os', 'fsync'] as const)
    for (const count of [1, 5]) {
      const path = join(directory(), 'a.mcap');
      const passed = await all(from(given).pipe(record(path, { model, durability }), take(count)));
      assert.is(passed.length, count);
      // an unsubscribed stream tells nobody when its file is closed
      let recording: Recording | undefined;
      while (recording?.segments[0].closedCleanly !== true) {
        await delay(5);
        recording = await openRecording(path).catch(() => undefined);
      }
      assert.ok(recording.batches >= count, `${durability}, ${count}`);
    }
});

test('bare gradients, batches, checked and admitted batches are recorded with what they say, and the rest filled in', async () => {
  const plain = given.map(({ gradients }) => gradients);
  const { path } = await recorded(from(plain), { durability: 'fsync' });
  const back = await all(replay<Name>(path, { model }));
  assert.equal(
    back.map(({ producer, producerEpoch, sequence, base, version }) => [producer, producerEpoch, sequence, base, version]),
    plain.map((_, i) => ['local', 0, i + 1, i, i + 1]),
  );
  assert.is((await foldOf(path)).digest, digests[9]);
  for (const source of [
    from(given.map(({ gradients }) => checkGradients(model, gradients))),
    from(given.map(({ gradients }) => ({ checked: checkGradients(model, gradients) }))),
    from(admitted(given)),
  ] as Observable<object>[]) {
    assert.is((await foldOf((await recorded(source)).path)).digest, digests[9]);
  }
  const [first] = await all(replay<Name>((await recorded(from(given))).path));
  const { base, examples, loss, producer, sequence } = given[0];
  assert.equal(
    [first.base, first.examples, first.loss, first.producer, first.sequence],
    [base, examples, loss, producer, sequence],
  );
});

test('rows and dense tensors come back as the bits they were', async () => {
  const w = Float32Array.of(-0, 1e-45, -3.4e8);
  const table = { rows: Int32Array.of(0, 4), values: Float32Array.of(1e-38, -0, 5, 1e9) };
  const { path } = await recorded(from([{ w, table }]));
  const [{ gradients, checked }] = await all(replay<Name>(path));
  sameBits(gradients.w as Float32Array, w);
  const back = gradients.table as typeof table;
  assert.equal(back.rows, table.rows);
  sameBits(back.values, table.values);
  assert.is(checked.toRecord().w, gradients.w);
});

test('a replay can be recorded again, from any version on, with its versions and producers', async () => {
  const { path } = await recorded(from(given));
  const copy = await recorded(replay<Name>(path, { from: 4 }));
  const back = await all(replay<Name>(copy.path));
  assert.equal(
    back.map(({ version, producer, payload }) => [version, producer, payload]),
    (await all(replay<Name>(path, { from: 4 }))).map(({ version, producer, payload }) => [version, producer, payload]),
  );
  assert.is((await openRecording(copy.path)).initial, undefined);
  await refusal('E_RECORDING_GAP', foldOf(copy.path), /begins at version 5; give a snapshot/);
});

test('versions that do not follow are refused', async () => {
  const [first, , third] = admitted(given);
  const { error, path } = await recorded(from([first, third]));
  await refusal('E_RECORDING', Promise.reject(error), /version 3 does not follow 1/);
  assert.is((await foldOf(path)).version, 1);
});

test('options are checked when the operator is built', () => {
  refused('E_CONFIG', () => record('a.mcap', { model, durabilty: 'os' } as never), /did you mean "durability"/);
  refused('E_CONFIG', () => record('a.mcap', { model, durability: 'disk' } as never), /"fsync", "os" or "none"/);
  refused('E_CONFIG', () => record('a.mcap', { model, name: '' }), /printable/);
  refused('E_CONFIG', () => record('a.mcap', { model, optimizer: { rho: 2 } }), /rho/);
});

test('a value that is no batch is an error of the stream', async () => {
  const { error } = await recorded(of(7 as unknown as object));
  await refusal('E_BATCH', Promise.reject(error));
});

test.run();
