// How a loss scale moves, and what of it is state.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LossScale } from '../../src/rmsprop/state/loss-scale.ts';

test('a fixed loss scale has no state, takes none, and never moves', () => {
  const fixed = new LossScale(8);
  for (let i = 0; i < 3; i++) fixed.note();
  fixed.restore({ scale: 2, good: 1 });
  fixed.restore(undefined);
  assert.equal([fixed.scale, fixed.dynamic, fixed.state()], [8, false, undefined]);
});

test('a dynamic loss scale doubles after its batches, halves down to 1, and goes on from a state', () => {
  const dynamic = new LossScale({ initial: 2, growthSteps: 2 });
  dynamic.note();
  assert.equal([dynamic.dynamic, dynamic.state()], [true, { scale: 2, good: 1 }]);
  dynamic.note();
  assert.equal(dynamic.state(), { scale: 4, good: 0 });
  dynamic.restore({ scale: 2 ** 126, good: 1 });
  dynamic.restore(undefined);
  dynamic.note();
  assert.equal(dynamic.state(), { scale: 2 ** 126, good: 0 });
  dynamic.restore({ scale: 2, good: 1 });
  dynamic.halve();
  dynamic.halve();
  assert.equal(dynamic.state(), { scale: 1, good: 0 });
});

test.run();
