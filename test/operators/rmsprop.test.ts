// rmsprop as an operator: empty, never, one, many, source error, bad value, early unsubscribe; state per subscription.
import { from, lastValueFrom, map, take, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradwireError } from '../../src/errors.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../../streams/operators/rmsprop.ts';
import { marbles } from '../support/marbles.ts';
import { refused } from '../support/refused.ts';

const model = layout({ w: [2] });
const good = { w: Float32Array.of(1, -1) };
const bad = { w: Float32Array.of(1, Number.NaN) };
const versions = map(({ version }: { version: number }) => String(version));

test('each batch becomes a step, in its own turn, and the ends of the source are its ends', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    for (const [given, expected, subscription] of [
      ['|', '|', '(^!)'],
      ['-', '-', '^'],
      ['-g-|', '-1-|', '^--!'],
      ['-g-(gg)-g|', '-1-(23)-4|', '^--------!'],
      ['-g-#', '-1-#', '^--!'],
      ['-gbgb|', '-1-2-|', '^----!'],
    ]) {
      const source = cold(given, { g: good, b: bad });
      expectObservable(source.pipe(rmsprop(model), versions)).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    }
  });
});

test('unsubscribing early unsubscribes from the source', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-g-g-g-g-', { g: good });
    expectObservable(source.pipe(rmsprop(model), versions), '^---!').toBe('-1-2-');
    expectSubscriptions(source.subscriptions).toBe('^---!');
    const cut = cold('-g-g-g-g-', { g: good });
    expectObservable(cut.pipe(rmsprop(model), take(2), versions)).toBe('-1-(2|)');
    expectSubscriptions(cut.subscriptions).toBe('^--!');
  });
});

test('every subscription folds from the start, with accumulators of its own', async () => {
  const steps$ = from([good, good, good]).pipe(
    rmsprop(model, { lr: 0.1 }),
    map(({ optimizer }) => optimizer.digest()),
    toArray(),
  );
  assert.equal(await lastValueFrom(steps$), await lastValueFrom(steps$));
});

test('a refused batch is told, counted on the next step, and changes nothing', async () => {
  const errors: GradwireError[] = [];
  const onRefused = (error: GradwireError) => errors.push(error);
  const steps = await lastValueFrom(from([good, bad, {}, good]).pipe(rmsprop(model, { onRefused }), toArray()));
  assert.equal(
    steps.map(({ version, refused: count }) => [version, count]),
    [
      [1, 0],
      [2, 2],
    ],
  );
  assert.equal(
    errors.map(({ code }) => code),
    ['E_NONFINITE', 'E_BATCH_EMPTY'],
  );
  const direct = new RMSprop(model);
  for (const batch of [good, good]) direct.step(batch);
  assert.is(steps[1].optimizer.digest(), direct.digest());
});

test('the stream goes on from a state as if it had never stopped', async () => {
  const whole = new RMSprop(model, { decay: 0.5 });
  whole.step(good);
  const state = whole.state();
  whole.step(good);
  const [step] = await lastValueFrom(from([good]).pipe(rmsprop(model, { decay: 0.5, state }), toArray()));
  assert.is(step.version, 2);
  assert.is(step.optimizer.digest(), whole.digest());
});

test('bad options throw where the operator is made, and an error that is not a refusal ends the stream with that error', async () => {
  refused('E_CONFIG', () => rmsprop(model, { lr: -1 }));
  const onRefused = () => {
    throw new TypeError('from the user');
  };
  let error: unknown;
  await lastValueFrom(from([bad]).pipe(rmsprop(model, { onRefused }))).catch((caught: unknown) => {
    error = caught;
  });
  assert.instance(error, TypeError);
});

test.run();
