// The class: Keras' face, its state, and refusals that change nothing.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';

const model = layout({ kernel: [2, 3], bias: [3] });
const batch = (seed: number) => ({
  kernel: Float32Array.from({ length: 6 }, (_, i) => Math.sin(seed * 7 + i)),
  bias: Float32Array.from({ length: 3 }, (_, i) => Math.cos(seed * 5 + i)),
});

test('getConfig is plain data with the names of Keras, and fromConfig reads it back from JSON', () => {
  assert.equal(new RMSprop(model).getConfig(), { lr: 0.001, rho: 0.9, decay: 0, epsilon: 1e-8 });
  const options = {
    lr: 0.5,
    rho: 0.5,
    epsilon: 1e-3,
    decay: 0.25,
    clipnorm: 1,
    clipvalue: 0.5,
    sparse: 'lazy',
    maxAbs: 10,
  } as const;
  const config = new RMSprop(model, options).getConfig();
  assert.equal(config, options);
  const json = JSON.parse(JSON.stringify(config)) as typeof config;
  for (const again of [RMSprop.fromConfig(json, model), RMSprop.fromConfig(model, json), RMSprop.fromConfig(json)])
    assert.equal(again.getConfig(), options);
});

test('an optimizer from a configuration folds as the one that gave it', () => {
  const original = new RMSprop(model, { lr: 0.1, rho: 0.5, decay: 0.1, clipnorm: 0.5 });
  const again = RMSprop.fromConfig(original.getConfig(), model);
  for (const optimizer of [original, again]) for (let i = 0; i < 5; i++) optimizer.step(batch(i));
  assert.is(original.digest(), again.digest());
});

test('parameters.get is a live view and parameters.copy stays as it is', () => {
  const optimizer = new RMSprop(model, { initial: { bias: Float32Array.of(1, 2, 3) } });
  const view = optimizer.parameters.get('bias');
  const copy = optimizer.parameters.copy('bias');
  optimizer.step(batch(1));
  assert.is.not(view[0], 1);
  assert.equal([...copy], [1, 2, 3]);
  assert.equal(
    [...optimizer.parameters].map(([name]) => name),
    ['kernel', 'bias'],
  );
  refused('E_UNKNOWN', () => optimizer.parameters.get('baas' as 'bias'), /"baas".*"kernel", "bias"/);
});

test('getWeights gives the accumulators in layout order and setWeights takes them, or Keras 2.3’s list with iterations first', () => {
  const one = new RMSprop(model);
  for (let i = 0; i < 3; i++) one.step(batch(i));
  const weights = one.getWeights();
  assert.equal(
    weights.map(({ length }) => length),
    [6, 3],
  );
  const other = new RMSprop(model, { decay: 0.5, lr: 0.1 });
  other.setWeights(weights);
  assert.is(other.version, 0);
  for (const [i, each] of other.getWeights().entries()) sameBits(each, weights[i]);
  other.setWeights([[3], ...weights]);
  assert.is(other.version, 3);
  other.setWeights([5, ...weights]);
  assert.is(other.step(batch(0)).learningRate, Math.fround(0.1 / (1 + 0.5 * 5)));
});

test('a list of weights that does not fit is refused by tensor, expected and found shape, and nothing is set', () => {
  const optimizer = new RMSprop(model);
  optimizer.step(batch(1));
  const before = optimizer.getWeights();
  refused('E_WEIGHTS', () => optimizer.setWeights([new Float32Array(6)]), /1 arrays.*takes 2 \(accumulator\)/);
  refused(
    'E_WEIGHTS',
    () => optimizer.setWeights([new Float32Array(6).fill(9), new Float32Array(4)]),
    /"bias" is \[3\] \(3 values\), got 4 values/,
  );
  refused(
    'E_WEIGHTS',
    () => optimizer.setWeights([new Float32Array(6).fill(-1), new Float32Array(3)]),
    /"kernel" has values that are negative/,
  );
  refused('E_WEIGHTS', () => optimizer.setWeights([new Float32Array(6).fill(Number.NaN), new Float32Array(3)]));
  refused('E_WEIGHTS', () => optimizer.setWeights([[1, 2], new Float32Array(6), new Float32Array(3)]), /iterations/);
  for (const [i, each] of optimizer.getWeights().entries()) sameBits(each, before[i]);
});

test('a state restored at any step gives the same bits as never having stopped, rows that owe included', () => {
  const table = layout({ table: [5, 2], bias: [3] });
  const step = (optimizer: RMSprop<'table' | 'bias'>, i: number) =>
    optimizer.step({
      table: { rows: Int32Array.of(i % 5, (i * 3) % 5), values: Float32Array.of(i, 1, -i, 2) },
      bias: batch(i).bias,
    });
  for (let cut = 0; cut < 12; cut++) {
    const whole = new RMSprop(table, { decay: 0.1, lr: 0.1 });
    for (let i = 0; i < 12; i++) step(whole, i);
    const first = new RMSprop(table, { decay: 0.1, lr: 0.1 });
    for (let i = 0; i < cut; i++) step(first, i);
    const second = new RMSprop(table, { decay: 0.1, lr: 0.1 });
    second.restore(first.state());
    for (let i = cut; i < 12; i++) step(second, i);
    sameBits(second.parameters.flat, whole.parameters.flat, `p cut at ${cut}`);
    for (const [i, each] of second.getWeights().entries()) sameBits(each, whole.getWeights()[i], `a cut at ${cut}`);
    assert.is(second.version, 12);
  }
});

test('a state of another model is refused and nothing is restored', () => {
  const optimizer = new RMSprop(model);
  optimizer.step(batch(1));
  const digest = optimizer.digest();
  const state = optimizer.state();
  refused('E_WEIGHTS', () => optimizer.restore(new RMSprop(layout({ w: [2] })).state()));
  refused('E_WEIGHTS', () => optimizer.restore({ ...state, version: -1 }));
  refused('E_WEIGHTS', () => optimizer.restore({ ...state, parameters: new Float32Array(9).fill(Number.NaN) }));
  refused('E_WEIGHTS', () => optimizer.restore({ ...state, accumulator: new Float32Array(9).fill(-1) }));
  refused('E_WEIGHTS', () => optimizer.restore({ ...state, owed: new Map([['kernel', new Float64Array(9)]]) }));
  assert.is(optimizer.digest(), digest);
});

test('tensors that a batch does not hold stay as they are, and the order of its names does not matter', () => {
  const [a, b, c] = [0, 1, 2].map(() => new RMSprop(model));
  const { kernel, bias } = batch(3);
  a.step({ kernel, bias });
  b.step({ bias, kernel });
  assert.is(a.digest(), b.digest());
  c.step({ bias });
  assert.equal([...c.parameters.get('kernel')], [0, 0, 0, 0, 0, 0]);
  assert.equal([...c.getWeights()[0]], [0, 0, 0, 0, 0, 0]);
});

test('a refused batch leaves every bit of the state as it was, and its version', () => {
  const optimizer = new RMSprop(model, { lr: 0.1 });
  optimizer.step(batch(1));
  const before = optimizer.state();
  const f = (...values: number[]) => Float32Array.from(values);
  const wrong: [string, unknown, RegExp][] = [
    ['E_NONFINITE', { bias: f(1, Number.NaN, Number.POSITIVE_INFINITY) }, /"bias"\[1\] is NaN \(2 of 3 values\)/],
    ['E_NONFINITE', { bias: f(1, 1, Number.NEGATIVE_INFINITY) }, /-Infinity/],
    ['E_RANGE', { bias: f(1, 1e10, 1) }, /"bias"\[1\] is 10000000000 \(1 of 3 values\), the limit of \|g\| is 1000000000/],
    ['E_SHAPE', { bias: f(1) }, /"bias" has 1 values, the model's \[3\] takes 3/],
    ['E_SHAPE', { kernel: { rows: Int32Array.of(0), values: f(1) } }, /takes 3 for 1 rows/],
    ['E_ROWS', { kernel: { rows: Int32Array.of(2), values: f(1, 2, 3) } }, /no row 2 \(rows 0 to 1\)/],
    ['E_ROWS', { kernel: { rows: Int32Array.of(-1), values: f(1, 2, 3) } }, /no row -1/],
    ['E_DTYPE', { bias: [1, 2, 3] }, /is an array/],
    ['E_DTYPE', { bias: new Float64Array(3) }, /Float32Array/],
    ['E_DTYPE', { kernel: { rows: [0], values: f(1, 2, 3) } }, /Float32Array/],
    ['E_UNKNOWN', { bias: f(1, 2, 3), scale: f(1) }, /"scale": the model has 2 tensors: "kernel", "bias"/],
    ['E_BATCH_EMPTY', {}, /no gradients/],
    ['E_BATCH', null, /got null/],
    ['E_BATCH', f(1), /object/],
    ['E_NONFINITE', { kernel: { rows: Int32Array.of(0, 0), values: f(1e9, 0, 0, Number.NaN, 0, 0) } }, /NaN/],
    ['E_RANGE', { kernel: { rows: Int32Array.of(0, 0), values: f(1e9, 0, 0, 1e9, 0, 0) } }, /2000000000/],
  ];
  for (const [code, record, text] of wrong)
    refused(code as 'E_BATCH', () => optimizer.step(record as GradientRecord<'kernel'>), text);
  const after = optimizer.state();
  sameBits(after.parameters, before.parameters);
  sameBits(after.accumulator, before.accumulator);
  assert.is(after.version, 1);
});

test('options that cannot be meant are refused when the optimizer is built, by name', () => {
  const wrong: [object, RegExp][] = [
    [{ lr: 0 }, /lr must be/],
    [{ lr: Number.NaN }, /lr must be.*NaN/],
    [{ lr: '0.1' }, /lr must be.*"0.1"/],
    [{ rho: 1 }, /rho must be/],
    [{ rho: 0.99999999 }, /rho must be/],
    [{ rho: -0.1 }, /rho/],
    [{ epsilon: 0 }, /epsilon/],
    [{ epsilon: 1e-60 }, /epsilon/],
    [{ decay: -1 }, /decay/],
    [{ clipnorm: -1 }, /clipnorm/],
    [{ clipvalue: Number.POSITIVE_INFINITY }, /clipvalue/],
    [{ maxAbs: 1e20 }, /maxAbs/],
    [{ sparse: 'lasy' }, /sparse must be "exact" or "lazy"; got "lasy"/],
    [{ kernel: 'gpu' }, /kernel/],
    [{ epsilom: 1 }, /unknown RMSprop option "epsilom"; did you mean "epsilon"\?/],
  ];
  for (const [options, text] of wrong) refused('E_CONFIG', () => new RMSprop(model, options), text);
  refused('E_LAYOUT', () => new RMSprop({ w: [2] } as never), /must be a layout/);
  refused('E_UNKNOWN', () => new RMSprop(model, { initial: { w: new Float32Array(1) } as object }));
  refused('E_SHAPE', () => new RMSprop(model, { initial: { bias: new Float32Array(1) } }));
  refused('E_DTYPE', () => new RMSprop(model, { initial: { bias: [1, 2, 3] as never } }));
  refused('E_NONFINITE', () => new RMSprop(model, { initial: { bias: Float32Array.of(1, Number.NaN, 2) } }));
});

test('a batch may come with its origin, and gradients for a tensor named "gradients" are still gradients', () => {
  const [bare, wrapped] = [0, 1].map(() => new RMSprop(model));
  bare.step(batch(1));
  wrapped.step({ gradients: batch(1), base: 0, examples: 32, producer: 'w1' });
  assert.is(bare.digest(), wrapped.digest());
  const odd = new RMSprop(layout({ gradients: [2], checked: [1] }));
  odd.step({ gradients: Float32Array.of(1, 2), checked: Float32Array.of(1) });
  odd.step({ gradients: { rows: Int32Array.of(1), values: Float32Array.of(3) } });
  assert.is(odd.version, 2);
  assert.ok(odd.parameters.get('gradients').every((each) => each < 0));
});

test.run();
