// publish: one update frame a version, that a replica folds to the same bits.
import { from, lastValueFrom, map, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { publish } from '../../streams/operators/publish.ts';
import { rmsprop } from '../../streams/operators/rmsprop.ts';
import { marbles } from '../support/marbles.ts';
import { refused } from '../support/refused.ts';

const model = layout({ table: [100, 2], bias: [3] });
const good = { bias: Float32Array.of(1, 2, 3) };

test('options that publish does not know are refused where the operator is made', () => {
  refused('E_CONFIG', () => publish({ encodings: 'int8' } as never), /encoding/);
  refused('E_CONFIG', () => publish(null as never), /object/);
});

test('each step becomes one publication, and the ends of the source are its ends', () => {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    for (const [given, expected, subscription] of [
      ['|', '|', '(^!)'],
      ['-', '-', '^'],
      ['-g-g(gg)|', '-1-2(34)|', '^-------!'],
      ['g-#', '1-#', '^-!'],
    ]) {
      const source = cold(given, { g: good });
      const versions$ = source.pipe(
        rmsprop(model),
        publish(),
        map(({ version }) => String(version)),
      );
      expectObservable(versions$).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    }
    const source = cold('-g-g-g-', { g: good });
    expectObservable(
      source.pipe(
        rmsprop(model),
        publish(),
        map(({ from: base }) => String(base)),
      ),
      '^--!',
    ).toBe('-0-');
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('an update holds what the batch touched, as rows where they take fewer bytes, else whole', async () => {
  const some = { table: { rows: Int32Array.of(3, 50), values: Float32Array.of(1, 2, 3, 4) } };
  const most = { table: { rows: Int32Array.from({ length: 90 }, (_, i) => i), values: new Float32Array(180).fill(1) } };
  const updates = await lastValueFrom(from([good, some, most]).pipe(rmsprop(model), publish(), toArray()));
  const names = updates.map(({ frame }) => [...deserialize(frame).tensors.keys()]);
  assert.equal(names, [['bias'], ['table#rows', 'table#values'], ['table']]);
});

test('an update says whose it is, the batch in it, and every 256th the digest of all weights', async () => {
  const batches = Array.from({ length: 512 }, (_, i) => ({ gradients: good, producer: 'w1', producerEpoch: 2, sequence: i }));
  const updates = await lastValueFrom(from(batches).pipe(rmsprop(model), publish({ name: 'm', run: 'r', epoch: 7 }), toArray()));
  const { metadata } = deserialize(updates[5].frame);
  const { check, learningRate, ...rest } = metadata;
  assert.equal(rest, {
    gradwire: '1',
    kind: 'update',
    model: 'm',
    run: 'r',
    epoch: '7',
    from: '5',
    version: '6',
    encoding: 'f32',
    folded: '[["w1",2,5]]',
  });
  assert.match(check, /^[0-9a-f]{16}$/);
  assert.is(Number(learningRate), Math.fround(0.001));
  const digested = updates.filter(({ frame }) => deserialize(frame).metadata.digest !== undefined).map(({ version }) => version);
  assert.equal(digested, [256, 512]);
});

test('a frame is owned: later steps do not change it', async () => {
  const frames = await lastValueFrom(
    from([good, good, good]).pipe(
      rmsprop(model),
      publish(),
      map(({ frame }) => ({ frame, copy: frame.slice() })),
      toArray(),
    ),
  );
  for (const { frame, copy } of frames) assert.equal(frame, copy);
});

test.run();
