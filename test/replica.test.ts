// A replica as a fold over frames: what it applies, what it ignores, what it notices.

import { from, lastValueFrom, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeWeights } from '../src/frames/weights.ts';
import type { GradientRecord } from '../src/gradients/batch.ts';
import { layout } from '../src/layout.ts';
import { RMSprop } from '../src/rmsprop/rmsprop.ts';
import { Replica } from '../src/strict-replica.ts';
import { Tensors } from '../src/tensors.ts';
import { publish } from '../streams/operators/publish.ts';
import { rmsprop } from '../streams/operators/rmsprop.ts';
import { refused } from './support/refused.ts';

const model = layout({ table: [40, 3], bias: [5] });
const position = { model: 'm', run: 'r', epoch: 1 };
const batches = Array.from({ length: 600 }, (_, i): GradientRecord<'table' | 'bias'> => {
  const rows = { rows: Int32Array.of(i % 40, (i * 7) % 40), values: Float32Array.from({ length: 6 }, (_, j) => Math.sin(i + j)) };
  const bias = Float32Array.from({ length: 5 }, (_, j) => Math.cos(i * j));
  return i % 3 === 0 ? { table: rows, bias } : i % 3 === 1 ? { table: rows } : { bias };
});
const updates = await lastValueFrom(from(batches).pipe(rmsprop(model), publish({ name: 'm', run: 'r', epoch: 1 }), toArray()));

/** The digest of the trainer's parameters at every version, from an optimizer of its own. */
const digests = (() => {
  const optimizer = new RMSprop(model);
  const after = (batch: GradientRecord<'table' | 'bias'>): string => {
    optimizer.step(batch);
    return optimizer.digest();
  };
  return [optimizer.digest(), ...batches.map(after)];
})();

function joined(version = 0): Replica {
  const replica = new Replica();
  const optimizer = new RMSprop(model);
  for (const batch of batches.slice(0, version)) optimizer.step(batch);
  assert.is(replica.accept(encodeWeights({ ...position, version }, optimizer.parameters)), 'applied');
  return replica;
}

test('a replica that joins early or late has the trainer’s bits at every version', () => {
  for (const start of [0, 1, 299, 599]) {
    const replica = joined(start);
    for (const { frame, version } of updates.slice(start)) {
      assert.is(replica.accept(frame), 'applied');
      assert.is(replica.version, version);
      assert.is(replica.digest(), digests[version]);
    }
  }
});

test('older and repeated versions are ignored and counted, a hole is a gap, and neither changes anything', () => {
  const replica = joined(10);
  assert.is(replica.accept(updates[9].frame), 'stale');
  assert.is(replica.accept(updates[3].frame), 'stale');
  assert.is(replica.accept(updates[11].frame), 'gap');
  assert.is(replica.digest(), digests[10]);
  assert.is(replica.accept(updates[10].frame), 'applied');
  assert.equal(replica.counts, { applied: 2, stale: 2, older: 0, gap: 1, fork: 0, refused: 0 });
});

test('an update of another run or a later epoch is a gap, of an earlier epoch older, until the trainer has proven its epoch', async () => {
  const next = async (run: string, epoch: number) =>
    (await lastValueFrom(from(batches).pipe(rmsprop(model), publish({ name: 'm', run, epoch }), toArray())))[0].frame;
  const replica = joined(0);
  assert.is(replica.accept(await next('other', 1)), 'gap');
  assert.is(replica.accept(await next('r', 2)), 'gap');
  assert.is(replica.accept(await next('r', 0)), 'older');
  replica.enter(2);
  assert.is(replica.accept(updates[0].frame), 'older');
  assert.is(replica.accept(await next('r', 2)), 'applied');
  assert.is(replica.digest(), digests[1]);
});

test('a damaged update is refused and nothing is applied', () => {
  const replica = joined(0);
  const damaged = updates[0].frame.slice();
  damaged[damaged.length - 1] ^= 1;
  refused('E_CHECK', () => replica.accept(damaged));
  refused('E_ST_SHORT', () => replica.accept(new Uint8Array(3)));
  assert.is(replica.version, 0);
  assert.is(replica.digest(), digests[0]);
  assert.is(replica.counts.refused, 2);
});

test('weights that had drifted are found by the digest of every 256th version, and the position is given up', () => {
  const replica = joined(250);
  replica.weights.flat[0] += 1;
  for (const { frame } of updates.slice(250, 255)) replica.accept(frame);
  refused('E_DIGEST', () => replica.accept(updates[255].frame), /at version 256/);
  assert.is(replica.position, undefined);
  assert.is(replica.accept(updates[256].frame), 'gap');
});

test('a weights frame that is behind is stale, unless the position was given up; another model replaces the layout', () => {
  const replica = joined(20);
  const weights = encodeWeights({ ...position, version: 3 }, new RMSprop(model).parameters);
  assert.is(replica.accept(weights), 'stale');
  replica.forget();
  assert.is(replica.accept(weights), 'applied');
  assert.is(replica.version, 3);
  const other = layout({ w: [2] });
  assert.is(
    replica.accept(encodeWeights({ ...position, run: 'new', version: 0 }, new Tensors(other, Float32Array.of(1, 2)))),
    'applied',
  );
  assert.equal([...replica.weights.get('w')], [1, 2]);
});

test('a view of the weights stays live over updates and over new weights of the same layout', () => {
  const replica = joined(0);
  const view = replica.weights.get('bias');
  replica.accept(updates[0].frame);
  const after = view[0];
  assert.is.not(after, 0);
  replica.forget();
  replica.accept(encodeWeights({ ...position, version: 0 }, new RMSprop(model).parameters));
  assert.is(view[0], 0);
});

test.run();
