// snapshot: a tap that writes the state every N versions or T milliseconds, off the path.
import { asyncScheduler, from, lastValueFrom, map, Subject, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot, encodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../../streams/operators/rmsprop.ts';
import { type SnapshotOptions, snapshot, snapshotOf } from '../../streams/operators/snapshot.ts';
import { sameBits } from '../support/bits.ts';
import { marbles } from '../support/marbles.ts';
import { refused } from '../support/refused.ts';

const model = layout({ w: [2] });
const good = { w: Float32Array.of(1, -1) };
const nothing = async () => undefined;

const tapped = (options: Partial<SnapshotOptions>) =>
  [rmsprop(model), snapshot<'w', unknown>({ write: nothing, ...options })] as const;

test('options that snapshot does not know are refused where the operator is made', () => {
  const write = async () => undefined;
  refused('E_CONFIG', () => snapshot({ write, evry: 3 } as never), /every/);
  refused('E_CONFIG', () => snapshot(undefined as never), /object/);
});

test('every step passes unchanged and at once, and the ends of the source are its ends', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    for (const [given, expected, subscription] of [
      ['|', '|', '(^!)'],
      ['-', '-', '^'],
      ['-g-(gg)-|', '-1-(23)-|', '^-------!'],
      ['g-#', '1-#', '^-!'],
    ]) {
      const source = cold(given, { g: good });
      const [fold, tap] = tapped({ every: 2 });
      expectObservable(
        source.pipe(
          fold,
          tap,
          map(({ version }) => String(version)),
        ),
      ).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    }
    const source = cold('-g-g-g-', { g: good });
    const [fold, tap] = tapped({ every: 1 });
    expectObservable(
      source.pipe(
        fold,
        tap,
        map(({ version }) => String(version)),
      ),
      '^--!',
    ).toBe('-1-');
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('a snapshot is the state at its version, whatever steps follow before it is written', async () => {
  const written: Uint8Array[] = [];
  const write = async (frame: Uint8Array) => void written.push(frame);
  const [fold, tap] = tapped({ every: 3, write });
  await lastValueFrom(from(Array.from({ length: 5 }, () => good)).pipe(fold, tap));
  await Promise.resolve();
  const optimizer = new RMSprop(model);
  for (let i = 0; i < 3; i++) optimizer.step(good);
  const read = decodeSnapshot(written[0]);
  assert.is(read.version, 3);
  assert.equal(read.state, optimizer.state());
});

test('one write at a time: what comes due meanwhile is left to the next time', async () => {
  const source = new Subject<typeof good>();
  const written: number[] = [];
  const finish: (() => void)[] = [];
  const write = (_: Uint8Array, version: number) => {
    written.push(version);
    return new Promise<void>((resolve) => finish.push(resolve));
  };
  const [fold, tap] = tapped({ every: 1, write });
  const steps = lastValueFrom(source.pipe(fold, tap, toArray()));
  for (let i = 0; i < 4; i++) source.next(good);
  await Promise.resolve();
  assert.equal(written, [1]);
  finish[0]();
  await new Promise((resolve) => setImmediate(resolve));
  source.next(good);
  await Promise.resolve();
  assert.equal(written, [1, 5]);
  source.complete();
  assert.is((await steps).length, 5);
});

test('steps that no snapshot holds are taken after the interval, and a quiet stream is left alone', () => {
  marbles(({ cold, flush }) => {
    const taken: number[] = [];
    const context = () => {
      taken.push(asyncScheduler.now());
      return { model: 'm', run: 'r', epoch: 1, producers: new Producers(), examples: 0 };
    };
    const [fold, tap] = tapped({ every: 1000, intervalMs: 10, context });
    cold('-g-g----------------g-|', { g: good }).pipe(fold, tap).subscribe();
    flush();
    // a step at 1 opens the interval; the one at 20 is cut by the end of the stream, which it does not hold back
    assert.equal(taken, [11]);
  });
});

test('a write that fails is told and the stream lives on', async () => {
  const errors: unknown[] = [];
  const write = async () => {
    throw new Error('disk full');
  };
  const [fold, tap] = tapped({ every: 1, write, onError: (error) => void errors.push(error) });
  const steps = await lastValueFrom(from([good, good]).pipe(fold, tap, toArray()));
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(steps.length, 2);
  assert.match(String(errors[0]), /disk full/);
});

// eight slices to hash the parameters, sixteen for the check, sixteen to copy
const large = layout({ w: [2 << 20] });
const step = { w: new Float32Array(large.length).fill(0.5) };

/** Counts the turns of the event loop from now on. */
function turns(): { count: number; stop: () => void } {
  const counted = { count: 0, stop: () => clearImmediate(next) };
  const count = (): void => {
    counted.count += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  return counted;
}

test('while a large snapshot is made, the event loop turns and steps go on, and the next one is right too', async () => {
  const source = new Subject<typeof step>();
  const loop = turns();
  const written: { frame: Uint8Array; turn: number }[] = [];
  const write = async (frame: Uint8Array) => void written.push({ frame, turn: loop.count });
  source.pipe(rmsprop(large), snapshot({ every: 1, write })).subscribe();
  for (const snapshots of [1, 2]) {
    const before = loop.count;
    while (written.length < snapshots) {
      source.next(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(written[snapshots - 1].turn - before >= 30, `${written[snapshots - 1].turn - before} turns`);
  }
  const read = written.map(({ frame }) => decodeSnapshot(frame));
  assert.is(read[0].version, 1);
  assert.ok(read[1].version > 30);
  const optimizer = new RMSprop(large);
  for (const { version, state } of read) {
    while (optimizer.version < version) optimizer.step(step);
    const expected = optimizer.state();
    sameBits(state.parameters, expected.parameters);
    sameBits(state.accumulator, expected.accumulator);
  }
  // the same work in one go, to show that turns are counted
  const before = loop.count;
  encodeSnapshot(read[0]);
  assert.is(loop.count, before);
  loop.stop();
  source.complete();
});

test('at the end of the stream, whatever ends it, what is left of a snapshot is done at once', async () => {
  for (const end of ['complete', 'error', 'unsubscribe'] as const) {
    const source = new Subject<typeof step>();
    const written: number[] = [];
    const write = async (_: Uint8Array, version: number) => void written.push(version);
    const stream = source.pipe(rmsprop(large), snapshot({ every: 1, write })).subscribe({ error: () => undefined });
    source.next(step);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(written, []);
    if (end === 'unsubscribe') stream.unsubscribe();
    else source[end](new Error('cut'));
    assert.equal(written, [1]);
  }
});

test('the producers of a snapshot are those of its version, whoever sends meanwhile', async () => {
  const producers = new Producers();
  const note = (sequence: number) => producers.note({ producer: 'w', producerEpoch: 0, sequence }, '0'.repeat(16), sequence);
  note(1);
  const taken = snapshotOf({ optimizer: new RMSprop(model) }, { model: 'm', run: 'r', epoch: 1, producers, examples: 0 });
  const before = encodeSnapshot(taken);
  note(2);
  assert.equal(encodeSnapshot(taken), before);
});

test.run();
