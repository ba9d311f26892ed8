// groupCommit: one write at a time, for all that waits; values pass in order, and ends keep their place.
import { delay, EMPTY, lastValueFrom, type Observable, of, range, Subject, take, tap, throwError, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type GroupCommitOptions, groupCommit } from '../../streams/recordings/journal/group-commit.ts';
import { marbles } from '../support/marbles.ts';

type Options = Partial<GroupCommitOptions<string>>;
const sizeOf = () => 1;
const written = of(true);

test('each value passes when its group is written: what waits meanwhile is the next group', () => {
  for (const [given, expected, subscription, groups, options] of [
    ['|', '|', '(^!)', [], {}],
    ['-', '-', '^', [], {}],
    ['-a-|', '---(a|)', '^--!', ['a'], {}],
    ['-a---b---|', '---a---b-|', '^--------!', ['a', 'b'], {}],
    ['(abc)---|', '--a-(bc)|', '^-------!', ['a', 'bc'], {}],
    ['-abc------', '---a-(bc)-', '^', ['a', 'bc'], {}],
    ['(abcd)----', '--a-b-c-d-', '^', ['a', 'b', 'c', 'd'], { groupBytes: 1 }],
    ['(abc|)', '--a-(bc|)', '(^!)', ['a', 'bc'], {}],
    ['#', '#', '(^!)', [], {}],
    ['-(ab)#', '---a-(b#)', '^----!', ['a', 'b'], {}],
  ] as [string, string, string, string[], Options][]) {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const seen: string[] = [];
      const write = (group: readonly string[]) => {
        seen.push(group.join(''));
        return written.pipe(delay(2));
      };
      const source = cold(given);
      expectObservable(source.pipe(groupCommit({ write, sizeOf, ...options }))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
      flush();
      assert.equal(seen, groups);
    });
  }
});

test('values that pass before they are written wait for the write before theirs', () => {
  marbles(({ cold, expectObservable }) => {
    const write = () => written.pipe(delay(2));
    expectObservable(cold('-abc---|').pipe(groupCommit({ write, sizeOf, pass: 'before' }))).toBe('-a-(bc)|');
  });
});

test('a failed write is an error, nothing of its group or after it passes', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a----bc--|');
    const write = ([first]: readonly string[]) => (first === 'a' ? written.pipe(delay(2)) : throwError(() => 'error'));
    expectObservable(source.pipe(groupCommit({ write, sizeOf }))).toBe('---a--#');
    expectSubscriptions(source.subscriptions).toBe('^-----!');
  });
});

test('unsubscribing stops the source, and nothing more passes', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c-d-');
    expectObservable(source.pipe(groupCommit({ write: () => written.pipe(delay(1)), sizeOf })), '^---!').toBe('--a--');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('a write that is done at once, and one that emits nothing, let values pass at once', () => {
  marbles(({ cold, expectObservable }) => {
    for (const write of [() => written, () => EMPTY]) {
      expectObservable(cold('-a-(bc)-|').pipe(groupCommit<string>({ write, sizeOf }))).toBe('-a-(bc)-|');
    }
  });
});

test('each subscription has a line of its own', () => {
  marbles(({ cold, expectObservable }) => {
    const passed$ = cold('-ab-|').pipe(groupCommit({ write: () => written.pipe(delay(2)), sizeOf }));
    expectObservable(passed$).toBe('---a-(b|)');
    expectObservable(passed$, '--^-----').toBe('-----a-(b|)');
  });
});

test('a consumer that has enough stops a source that gives all at once: what has passed is written, and little else', async () => {
  for (const pass of ['before', 'after'] as const) {
    const writes: number[][] = [];
    let pulled = 0;
    const write = async (group: readonly number[]) => void writes.push([...group]);
    const source = range(1, 1000).pipe(tap(() => pulled++));
    const first = await lastValueFrom(source.pipe(groupCommit({ write, sizeOf, pass }), take(1)));
    await new Promise(setImmediate);
    assert.is(first, 1);
    assert.equal(writes[0], [1]);
    if (pass === 'before') assert.equal([writes.length, pulled], [1, 2], 'told of when the next is pulled');
    else assert.ok(writes.length <= 2, 'the next is begun before those of the last pass');
  }
});

test('a hundred thousand values that come at once are groups of 1,024', async () => {
  const count = 100_000;
  let groups = 0;
  const write = async () => void groups++;
  const passed = await lastValueFrom(range(1, count).pipe(groupCommit({ write, sizeOf, groupBytes: count / 2 }), toArray()));
  assert.is(passed.length, count);
  assert.is(passed.at(-1), count);
  assert.is(groups, 99);
});

/** Holds the event loop for longer than values pass in one turn. */
function busy(): void {
  const endMs = performance.now() + 5;
  while (performance.now() < endMs);
}

test('values that take their time pass in turns of the event loop, in order; half is written while half passes', async () => {
  const source = new Subject<number>();
  const writes: { readonly group: readonly number[]; readonly passed: number }[] = [];
  const passed: number[] = [];
  const write = async (group: readonly number[]) => void writes.push({ group: [...group], passed: passed.length });
  const turns: number[] = [];
  const done = lastValueFrom(
    source.pipe(
      groupCommit({ write, sizeOf }),
      tap((value) => {
        busy();
        passed.push(value);
        if (value <= 3) source.next(value + 10);
        if (value === 13) source.complete();
      }),
    ),
  );
  const turn = (): void => {
    turns.push(passed.length);
    if (passed.length < 8) setImmediate(turn);
  };
  setImmediate(turn);
  for (let value = 1; value <= 5; value++) source.next(value);
  await done;
  assert.equal(passed, [1, 2, 3, 4, 5, 11, 12, 13]);
  assert.ok(turns.length >= 5, `others had ${turns.length} turns`);
  assert.equal(writes, [
    { group: [1], passed: 0 },
    { group: [2, 3, 4, 5], passed: 0 },
    { group: [11, 12, 13], passed: 3 },
  ]);
});

for (const pass of ['after', 'before'] as const) {
  for (const [how, write$] of [
    ['at once', EMPTY],
    ['after a while', EMPTY.pipe(delay(0))],
  ] as const) {
    test(`who has enough while values pass lets no further write begin: ${pass}, written ${how}`, async () => {
      const source = new Subject<number>();
      let ended = false;
      const late: number[][] = [];
      const write = (group: readonly number[]): Observable<never> => {
        if (ended) late.push([...group]);
        return write$;
      };
      const passed: number[] = [];
      const subscription = source.pipe(groupCommit({ write, sizeOf, pass, groupBytes: 2 * sizeOf() })).subscribe((value) => {
        passed.push(value);
        if (value < 10) source.next(value + 10);
        if (value !== 3) return;
        subscription.unsubscribe();
        ended = true;
      });
      for (let value = 1; value <= 5; value++) source.next(value);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(passed.includes(3) && passed.length < 10, `${passed}`);
      assert.equal(late, []);
    });
  }
}

test('a failure is told after all that was written before it has passed, with all that waits by then', async () => {
  const source = new Subject<number>();
  const write = async ([first]: readonly number[]) => {
    if (first === 4) throw new Error('full');
  };
  const told: unknown[] = [];
  const onFailed = (error: unknown, lost: readonly number[]): void => {
    told.push(`${error} ${lost.join()}`);
    source.next(7);
    source.complete();
  };
  source.pipe(groupCommit({ write, sizeOf: (value) => (value < 4 ? 1 : 3), groupBytes: 3, onFailed })).subscribe((value) => {
    busy();
    told.push(value);
    if (value === 3) source.next(6);
  });
  for (let value = 1; value <= 5; value++) source.next(value);
  await lastValueFrom(source);
  while (told.at(-1) !== 7) await new Promise(setImmediate);
  assert.equal(told, [1, 2, 3, 'Error: full 4,5,6', 7]);
});

test.run();
