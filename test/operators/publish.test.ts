// publish: one update frame a version, that a replica folds to the same bits.
import { from, lastValueFrom, map, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize } from '../../src/frames/safetensors.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import { layout } from '../../src/layout.ts';
import { Replica } from '../../src/strict-replica.ts';
import { Tensors } from '../../src/tensors.ts';
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
  const { header, check, learningRate, ...rest } = metadata;
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
  for (const hash of [header, check]) assert.match(hash, /^[0-9a-f]{16}$/);
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

/** What is published when: `from-version`, by marbles. */
const places = map(({ from: base, version }: { from: number; version: number }) => `${base}-${version}`);

test('`every` merges versions, and what is left goes out when no step has come for `settleMs`, or at the end', () => {
  marbles(({ cold, expectObservable }) => {
    for (const [given, expected, settleMs] of [
      ['-g-g-g-g|', '-----a--(b|)', 1000],
      ['-g-g-g-g 2000ms |', '-----a- 1000ms b 1000ms |', 1000],
      ['-g-g-g-g-g-g 50ms |', '-----a-----b 50ms |', 10],
    ] as const) {
      const source = cold(given, { g: good });
      const published$ = source.pipe(rmsprop(model), publish({ every: 3, settleMs }), places);
      expectObservable(published$).toBe(expected, { a: '0-3', b: settleMs === 10 ? '3-6' : '3-4' });
    }
  });
});

test('`intervalMs` lets one publication pass in that time: the first at once, what waits at its end', () => {
  marbles(({ cold, expectObservable }) => {
    for (const [given, expected] of [
      ['gggg 100ms g|', 'a 9ms b 93ms c|'],
      ['gg|', 'a-(d|)'],
      ['g 4ms gg 30ms |', 'a 9ms e 26ms |'],
      ['gg#', 'a-#'],
    ] as const) {
      const published$ = cold(given, { g: good }).pipe(rmsprop(model), publish({ intervalMs: 10 }), places);
      expectObservable(published$).toBe(expected, { a: '0-1', b: '1-4', c: '4-5', d: '1-2', e: '1-3' });
    }
  });
});

test('what a lossy encoding dropped follows in f32 without a version of its own, once no step comes or the source ends', () => {
  marbles(({ cold, expectObservable }) => {
    for (const [given, expected] of [
      ['-g-g 2000ms |', '-a-b 999ms c 1000ms |'],
      ['-g-g|', '-a-b(c|)'],
    ] as const) {
      const published$ = cold(given, { g: { bias: Float32Array.of(0.3, -2, 5) } }).pipe(
        rmsprop(model, { initial: { bias: Float32Array.of(0.1, 0.2, 0.3) } }),
        publish({ encoding: 'topk' }),
        places,
      );
      expectObservable(published$).toBe(expected, { a: '0-1', b: '1-2', c: '2-2' });
    }
  });
});

test('a merged update names every batch in it, in the order of their versions, and a replica comes to the same bits', async () => {
  const batches = Array.from({ length: 10 }, (_, i) => ({
    gradients: i % 2 === 0 ? good : { table: { rows: Int32Array.of(9 - i, 40), values: Float32Array.of(i, 1, -1, 2) } },
    producer: 'w1',
    sequence: i,
  }));
  for (const encoding of ['f32', 'bf16', 'topk'] as const) {
    const steps = await lastValueFrom(from(batches).pipe(rmsprop(model), toArray()));
    const initial = encodeWeights({ model: 'default', run: 'local', epoch: 0, version: 0 }, new Tensors(model));
    const replica = new Replica();
    replica.accept(initial);
    const updates = await lastValueFrom(from(batches).pipe(rmsprop(model), publish({ encoding, every: 4 }), toArray()));
    const folded = updates.map(({ frame }) =>
      JSON.parse(deserialize(frame).metadata.folded).map(([, , sequence]: number[]) => sequence),
    );
    assert.equal(folded, [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    assert.equal(
      updates.map((update) => update.batches.length),
      [4, 4, 2],
    );
    for (const { frame } of updates) assert.is(replica.accept(frame), 'applied');
    assert.is(replica.digest(), steps[9].optimizer.digest());
  }
});

test('what waits has a limit, whatever the interval: 4,096 batches, or 64 MiB of their frames', async () => {
  const many = Array.from({ length: 5000 }, (_, sequence) => ({ gradients: good, producer: 'w', sequence }));
  const counted = await lastValueFrom(from(many).pipe(rmsprop(model), publish({ every: 1e9 }), toArray()));
  assert.equal(
    counted.map(({ version }) => version),
    [4096, 5000],
  );
  const large = Array.from({ length: 3 }, () => ({ gradients: good, frame: new Uint8Array(40 << 20) }));
  const weighed = await lastValueFrom(from(large).pipe(rmsprop(model), publish({ every: 1e9 }), toArray()));
  assert.equal(
    weighed.map(({ version }) => version),
    [2, 3],
  );
});

test('settings that cannot be meant are refused where the operator is made', () => {
  for (const wrong of [
    { every: 0 },
    { intervalMs: 0 },
    { settleMs: Number.NaN },
    { digestEvery: 1.5 },
    { encoding: 'zip' as never },
  ])
    refused('E_CONFIG', () => publish(wrong), new RegExp(Object.keys(wrong)[0]));
});

test.run();
