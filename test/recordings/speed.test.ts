// The original timing: batches are due by when they were written, in virtual time, without drift, drops or timers left behind.
import { readdirSync, readlinkSync } from 'node:fs';
import { concat, map, type Observable, of, Subject, take, VirtualTimeScheduler } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pace } from '../../streams/recordings/history/pace.ts';
import { replayInto } from '../../streams/recordings/history/replay.ts';
import { type RecordedBatch, replay, takeUntilVersion } from '../../streams/recordings/index.ts';
import { marbles } from '../support/marbles.ts';
import { refused } from '../support/refused.ts';
import { all, batches, removeDirectories } from './runs.ts';
import { startMs, timedRun } from './timed.ts';

test.after(removeDirectories);

/** Numbers from 0, written at these times, as a replay paces them. */
function paced(times: readonly number[], options: ConstructorParameters<typeof Pace>[0]): Observable<number> {
  const pace = new Pace(options);
  return concat(...times.map((time, i) => concat(pace.wait(time), of(i))));
}
const letters = { a: 0, b: 1, c: 2, d: 3 };

test('at speed 1 each batch comes when it came, the first at once', () =>
  marbles(({ expectObservable }) => {
    expectObservable(paced([1000, 1003, 1003, 1009], { speed: 1 })).toBe('a--(bc)--(d|)', letters);
    expectObservable(paced([5], { speed: 1 })).toBe('(a|)', letters);
    expectObservable(paced([], { speed: 1 })).toBe('|');
  }));

test('at speed 10 a second takes a tenth of one; at speed 0.5, two', () =>
  marbles(({ expectObservable }) => {
    expectObservable(paced([0, 1000, 3000], { speed: 10 })).toBe('a 99ms b 199ms (c|)', letters);
    expectObservable(paced([0, 1000, 3000], { speed: 0.5 })).toBe('a 1999ms b 3999ms (c|)', letters);
  }));

test('unsubscribed in between, nothing more comes', () =>
  marbles(({ expectObservable }) => {
    expectObservable(paced([0, 3, 6], { speed: 1 }), '----!').toBe('a--b', letters);
  }));

test('a clock that was set back between two starts costs no time, and what follows keeps its timing', () =>
  marbles(({ expectObservable }) => {
    expectObservable(paced([500, 503, 100, 104], { speed: 1 })).toBe('a--(bc)(d|)', letters);
  }));

test('no delay adds up: ten thousand batches, each a third of a millisecond after the one before, are due to the last', () => {
  const scheduler = new VirtualTimeScheduler();
  const dueMs: number[] = [];
  const times = Array.from({ length: 10_000 }, (_, i) => i);
  paced(times, { speed: 3, scheduler }).subscribe(() => dueMs.push(scheduler.now()));
  scheduler.flush();
  assert.is(dueMs.length, times.length);
  assert.ok(dueMs.every((due, i) => Math.abs(due - i / 3) < 1e-6));
});

test('a gap longer than any timer is waited for to its end', () => {
  const delays: number[] = [];
  class Noting extends VirtualTimeScheduler {
    override schedule: VirtualTimeScheduler['schedule'] = (work, delay, state) => {
      delays.push(delay ?? 0);
      return VirtualTimeScheduler.prototype.schedule.call(this, work as never, delay, state as never);
    };
  }
  const scheduler = new Noting();
  const yearMs = 365 * 24 * 3600 * 1000;
  const seen: number[] = [];
  paced([0, yearMs], { speed: 1, scheduler }).subscribe(() => seen.push(scheduler.now()));
  scheduler.flush();
  assert.equal(seen, [0, yearMs]);
  assert.ok(delays.length > 2 && delays.every((delay) => delay < 2 ** 31));
});

const given = batches(8);
const times = [0, 100, 250, 250, 900, 901, 1000, 5000];
const run = await timedRun(given, [times.slice(0, 5), times.slice(5)]);

/** Plays a replay in virtual time; the versions with the time at which each came. */
async function play(
  make: (scheduler: VirtualTimeScheduler) => Observable<RecordedBatch>,
  late: (scheduler: VirtualTimeScheduler, version: number) => void = () => undefined,
): Promise<[version: number, atMs: number][]> {
  const scheduler = new VirtualTimeScheduler();
  const seen: [number, number][] = [];
  let playing = true;
  const done = all(
    make(scheduler).pipe(
      map(({ version }) => {
        seen.push([version, scheduler.now()]);
        late(scheduler, version);
      }),
    ),
  ).finally(() => {
    playing = false;
  });
  while (playing) {
    // what was read has been waited for; then the next timer fires
    await new Promise(setImmediate);
    scheduler.flush();
  }
  await done;
  return seen;
}

test('a recording plays in its original timing by factor, over restarts, from anywhere', async () => {
  const expected = times.map((time, i) => [i + 1, time / 10]);
  assert.equal(await play((scheduler) => replay(run, { speed: 10, scheduler })), expected);
  const from5 = await play((scheduler) => replay(run, { speed: 1, scheduler, from: new Date(startMs + 900), until: 7 }));
  assert.equal(from5, [
    [5, 0],
    [6, 1],
    [7, 100],
  ]);
  const stopped = await play((scheduler) => replay(run, { speed: 1, scheduler }).pipe(takeUntilVersion(3)));
  assert.equal(stopped.at(-1), [3, 250]);
});

test('a subscriber that is late is not sped past: it gets every batch, and those that are due at once', async () => {
  const seen = await play(
    (scheduler) => replay(run, { speed: 1, scheduler }),
    (scheduler, version) => {
      if (version === 2) scheduler.frame += 800;
    },
  );
  assert.equal(seen, [
    [1, 0],
    [2, 100],
    [3, 900],
    [4, 900],
    [5, 900],
    [6, 901],
    [7, 1000],
    [8, 5000],
  ]);
});

test('each subscription has a timing of its own', async () => {
  const scheduler = new VirtualTimeScheduler();
  const replay$ = replay(run, { speed: 1, scheduler, until: 2 });
  assert.equal(await play(() => replay$.pipe(take(1))), [[1, 0]]);
  scheduler.frame = 500;
  const times2: number[] = [];
  const done = all(replay$.pipe(map(() => times2.push(scheduler.now()))));
  while (times2.length < 2) {
    await new Promise(setImmediate);
    scheduler.flush();
  }
  await done;
  assert.equal(times2, [500, 600]);
});

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('unsubscribing clears the timer and closes the file', async () => {
  const before = timers();
  await new Promise<void>((resolve) => {
    // an hour for each millisecond
    const subscription = replay(run, { speed: 1 / 3_600_000 }).subscribe(() => {
      setImmediate(waitForTimer);
    });
    function waitForTimer(): void {
      if (timers() === before) setImmediate(waitForTimer);
      else {
        subscription.unsubscribe();
        resolve();
      }
    }
  });
  assert.is(timers(), before);
  while (openFiles() > 0) await new Promise(setImmediate);
});

/** Files of the run that this process has open. */
function openFiles(): number {
  if (process.platform !== 'linux') return 0;
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(run);
    } catch {
      // closed meanwhile
      return false;
    }
  }).length;
}

test('the next batch is asked for when all is done with the one before', async () => {
  const begun: number[] = [];
  const doing = new Subject<void>();
  const done = all(
    replayInto(run, {}, ({ version }) => {
      begun.push(version);
      return doing.pipe(take(1));
    }),
  );
  for (let i = 1; i <= given.length; i++) {
    while (begun.length < i) await new Promise(setImmediate);
    // were it read ahead, these turns of the loop would be enough
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    assert.is(begun.length, i);
    doing.next();
  }
  assert.is((await done).length, given.length);
});

for (const speed of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '10' as never]) {
  test(`a speed of ${String(speed)} is refused`, () =>
    void refused('E_CONFIG', () => replay(run, { speed }), /speed must be a number above 0; got /));
}

test.run();
