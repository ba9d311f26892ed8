// A disk that takes no writes for a while: senders hear so, nothing half-written stays, and the journal goes on by itself.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { from, lastValueFrom, mergeMap, of, Subject, tap, throwError, timer } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { admit } from '../../streams/operators/admit.ts';
import type { Admitted, Answer, Arrival } from '../../streams/operators/flow.ts';
import { type CreateFile, createFile } from '../../streams/recordings/disk.ts';
import { type Journal, type JournalOptions, openJournal, openRecording } from '../../streams/recordings/index.ts';
import { groupCommit } from '../../streams/recordings/journal/group-commit.ts';
import { Mending } from '../../streams/recordings/journal/mending.ts';
import { marbles } from '../support/marbles.ts';
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
} from './runs.ts';

test.after(removeDirectories);

const given = batches(12);
const stream = admitted(given);
const digests = digestsOf(given);
const options: JournalOptions<Name> = { model, optimizer, durability: 'fsync' };

/** A disk whose writes can be made to fail, after they have taken some bytes. */
class Disk {
  /** What a write fails with; nothing where it goes well. */
  code: string | undefined;
  /** What a sync fails with. */
  syncCode: string | undefined;
  /** Bytes that a failing write takes; where it is negative, all but so many. */
  takes = 0;

  readonly create: CreateFile = async (path) => {
    if (this.code !== undefined) throw this.#error(this.code);
    const file = await createFile(path);
    const [writev, datasync] = [file.writev.bind(file), file.datasync.bind(file)];
    let wasShort = false;
    file.writev = (async (buffers: Uint8Array[], position: number) => {
      if (this.code === undefined) return await writev(buffers, position);
      const part = Buffer.concat(buffers).subarray(0, this.takes);
      // first a write that is short, then the error, as a disk answers that is nearly full
      wasShort = !wasShort && part.byteLength > 0;
      if (!wasShort) throw this.#error(this.code);
      return await writev([part], position);
    }) as typeof file.writev;
    file.datasync = () => (this.syncCode === undefined ? datasync() : Promise.reject(this.#error(this.syncCode)));
    return file;
  };

  #error(code: string): Error {
    return Object.assign(new Error(`${code}: a made failure, write`), { code });
  }
}

/** What became of batches that all come at once: the version of each that passed, the code of each that was refused. */
function fates(journal: Journal<Name>, sent: readonly Admitted<Name>[]): Promise<(number | string)[]> {
  return new Promise((resolve, reject) => {
    const fate: (number | string)[] = [];
    const note = (each: number | string): void => {
      if (fate.push(each) === sent.length) resolve(fate);
    };
    const source = new Subject<Admitted<Name>>();
    source.pipe(journal.commit()).subscribe({ next: ({ version }) => note(version), error: reject });
    for (const batch of sent)
      source.next({ ...batch, answer: (given) => note(given.type === 'nack' ? given.code : given.version) });
  });
}

test('a disk that is full: all that waited is nacked and leaves nothing behind; what comes later is written', async () => {
  for (const [code, takes] of [
    ['ENOSPC', 0],
    ['ENOSPC', 400],
    // the whole chunk, but not the index behind it: a valid record that nobody was told of
    ['ENOSPC', -10],
    ['EFBIG', 300],
    ['EROFS', 0],
    ['EDQUOT', 1],
  ] as const) {
    const path = directory();
    const disk = new Disk();
    const journal = await openJournal<Name>(path, { ...options, create: disk.create });
    assert.equal(await fates(journal, stream.slice(0, 3)), [1, 2, 3]);
    const { bytes } = journal;
    Object.assign(disk, { code, takes });
    assert.equal(await fates(journal, stream.slice(3, 7)), ['E_DISK', 'E_DISK', 'E_DISK', 'E_DISK']);
    assert.is(readFileSync(journal.recording).byteLength, bytes, `${code} after ${takes}`);
    assert.is(journal.trouble?.code, 'E_DISK');
    assert.ok(journal.trouble?.retryable && journal.trouble.retryAfterMs > 0);
    disk.code = undefined;
    await journal.close();
    const again = await openJournal<Name>(path, options);
    assert.equal(await fates(again, stream.slice(3, 12)), [4, 5, 6, 7, 8, 9, 10, 11, 12]);
    await again.close();
    assert.equal([(await foldOf(path)).digest, names(path, /broken/)], [digests[12], []]);
  }
});

test('behind an admission: the numbers and versions of what was nacked are free, also for other bytes', async () => {
  const disk = new Disk();
  const path = directory();
  const journal = await openJournal<Name>(path, { ...options, create: disk.create });
  const fold = new RMSprop(model, optimizer);
  const { producers } = journal.start;
  const arrivals = new Subject<Arrival>();
  const folded$ = arrivals.pipe(
    admit<Name>(model, { version: () => fold.version, producers }),
    journal.commit(),
    tap(({ header, payload, version, checked, answer }) => {
      fold.step(checked);
      producers.note(header, payload, version);
      answer({ type: 'ack', sequence: header.sequence, version, duplicate: false });
    }),
  );
  const done = all(folded$);
  const send = (frames: readonly Uint8Array[]): Promise<Answer[]> =>
    Promise.all(frames.map((frame) => new Promise<Answer>((answer) => arrivals.next({ frame, answer }))));
  const frames = admitted(given.map((batch) => ({ ...batch, base: 0 }))).map(({ frame }) => frame);
  const versions = (answers: readonly Answer[]) => answers.map((each) => (each.type === 'ack' ? each.version : each.code));
  assert.equal(versions(await send(frames.slice(0, 4))), [1, 2, 3, 4]);
  disk.code = 'ENOSPC';
  // a resend of a batch that waits shares its fate
  assert.equal(versions(await send([frames[4], frames[4], frames[5]])), ['E_DISK', 'E_DISK', 'E_DISK']);
  assert.equal(versions(await send([frames[3]])), [4], 'what is folded is still known');
  disk.code = undefined;
  // while nobody sends anything: whoever asks first whether it is ready would otherwise never send again
  while (journal.trouble !== undefined) await delay(10);
  const [other] = admitted([{ ...given[11], producer: 'w0', sequence: 5, base: 0 }]);
  assert.equal(versions(await send([other.frame, frames[5]])), [5, 6]);
  assert.equal(versions(await send([frames[4]])), ['E_SEQUENCE_REUSED']);
  arrivals.complete();
  await done;
  await journal.close();
  const { version, digest } = await foldOf(path);
  assert.equal([version, digest], [6, fold.digest()]);
});

test('a full disk while a segment is full: the old one stays without its end, and the next begins when there is room', async () => {
  const path = directory();
  const disk = new Disk();
  const journal = await openJournal<Name>(path, { ...options, create: disk.create, segmentBytes: 1 });
  assert.equal(await fates(journal, stream.slice(0, 1)), [1]);
  disk.code = 'ENOSPC';
  assert.equal(await fates(journal, stream.slice(1, 2)), ['E_DISK']);
  assert.is(names(path, /^seg-/).length, 1);
  disk.code = undefined;
  await journal.close();
  const again = await openJournal<Name>(path, { ...options, segmentBytes: 1 });
  for (const batch of stream.slice(1)) assert.equal(await fates(again, [batch]), [batch.version]);
  await again.close();
  assert.is((await foldOf(path)).digest, digests[12]);
});

test('a failed sync, or an input/output error, ends the stream: a second try could lie', async () => {
  for (const failure of [
    { syncCode: 'EIO' },
    { syncCode: 'ENOSPC' },
    { code: 'EIO' },
    { code: 'ENOSPC', takes: 9, syncCode: 'EIO' },
  ]) {
    const path = directory();
    const disk = new Disk();
    const journal = await openJournal<Name>(path, { ...options, create: disk.create });
    assert.equal(await fates(journal, stream.slice(0, 2)), [1, 2]);
    Object.assign(disk, failure);
    const error = await refusal('E_DISK_FAILED', fates(journal, stream.slice(2, 4)));
    assert.not(error.retryable);
    Object.assign(disk, { code: undefined, syncCode: undefined });
    await refusal('E_DISK_FAILED', fates(journal, stream.slice(2, 4)));
    await journal.close().catch(() => undefined);
    const { lastVersion } = await openRecording(path);
    assert.ok(lastVersion >= 2);
    assert.is((await foldOf(path)).digest, digests[lastVersion]);
  }
});

test('a source that is empty ends at once', async () => {
  const journal = await openJournal<Name>(directory(), options);
  assert.equal(await all(from([] as Admitted<Name>[]).pipe(journal.commit())), []);
  await journal.close();
});

test('without a promise a batch has passed before it is written: a disk that fails ends the stream', async () => {
  const disk = new Disk();
  const journal = await openJournal<Name>(directory(), { ...options, durability: 'none', create: disk.create });
  disk.code = 'ENOSPC';
  await refusal('E_DISK', all(from(stream).pipe(journal.commit())));
  await journal.close().catch(() => undefined);
});

test('what failed and what waited with it is given back, the end of the source keeps its place', () => {
  marbles(({ cold, expectObservable, flush }) => {
    const lost: string[] = [];
    const write = ([first]: readonly string[]) =>
      timer(2).pipe(mergeMap(() => (first === 'b' ? throwError(() => 'full') : of(true))));
    const onFailed = (error: unknown, values: readonly string[]): void => void lost.push(`${error} ${values.join('')}`);
    const passed$ = cold('-a-bcd--e|').pipe(groupCommit({ write, sizeOf: () => 1, groupBytes: 1, onFailed }));
    expectObservable(passed$).toBe('---a------(e|)');
    flush();
    assert.equal(lost, ['full bcd']);
  });
});

test('the disk is tried until it takes as many bytes as failed; what is not retryable is an error', async () => {
  const full = new GradwireError('E_DISK', 'full', { retryable: true, retryAfterMs: 1 });
  const lost = new GradwireError('E_DISK_FAILED', 'lost');
  const tried: number[] = [];
  const mending = new Mending(async (byteLength) => {
    if (tried.push(byteLength) < 3) throw full;
  });
  const subscription = mending.mend().subscribe();
  mending.note(full, 5);
  assert.is(mending.trouble, full);
  while (mending.trouble !== undefined) await delay(1);
  mending.note(full, 7);
  while (mending.trouble !== undefined) await delay(1);
  assert.equal(tried, [5, 5, 5, 7]);
  subscription.unsubscribe();
  mending.note(full, 9);
  await delay(20);
  assert.equal(tried.length, 4, 'nobody is subscribed');
  assert.throws(
    () => mending.note(lost, 1),
    (error: unknown) => error === lost,
  );
  const failing = new Mending(() => Promise.reject(lost));
  const failed = lastValueFrom(failing.mend()).then(assert.unreachable, (error: unknown) => error);
  failing.note(full, 1);
  assert.is(await failed, lost);
});

test.run();
