// Slots under the names of others: what is written, what is read, what is refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize, serialize, type Tensor } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';

const model = layout({ 'dense/kernel': [3, 2], scale: [] });
const batch = (i: number) => ({ 'dense/kernel': Float32Array.of(i, -1, 2, 0.5, i, 3), scale: Float32Array.of(1 / (i + 1)) });
const rows = { 'dense/kernel': { rows: Int32Array.of(1), values: Float32Array.of(1, 2) } };

function trained(options: RMSpropOptions): RMSprop {
  const optimizer = new RMSprop(model, options);
  for (let i = 0; i < 5; i++) optimizer.step(batch(i));
  return optimizer;
}

const torch = { preset: 'torch', momentum: 0.9, centered: true } as const;
const tfjs = { preset: 'tfjs', lr: 0.01, momentum: 0.9, centered: true } as const;

test('the names are those of torch.optim.RMSprop and of TF.js, with shapes and the count of updates', () => {
  const names = (options: RMSpropOptions, format: 'torch' | 'tfjs') =>
    [...deserialize(trained(options).exportState(format)).tensors].map(
      ([name, { dtype, shape }]) => `${name} ${dtype}[${shape}]`,
    );
  assert.equal(names(torch, 'torch').sort(), [
    'dense/kernel.grad_avg F32[3,2]',
    'dense/kernel.momentum_buffer F32[3,2]',
    'dense/kernel.square_avg F32[3,2]',
    'dense/kernel.step F32[]',
    'scale.grad_avg F32[]',
    'scale.momentum_buffer F32[]',
    'scale.square_avg F32[]',
    'scale.step F32[]',
  ]);
  assert.equal(names(tfjs, 'tfjs').sort(), [
    'dense/kernel/mg F32[3,2]',
    'dense/kernel/momentum F32[3,2]',
    'dense/kernel/rms F32[3,2]',
    'iter I32[]',
    'scale/mg F32[]',
    'scale/momentum F32[]',
    'scale/rms F32[]',
  ]);
  assert.equal(names({}, 'torch').sort(), [
    'dense/kernel.square_avg F32[3,2]',
    'dense/kernel.step F32[]',
    'scale.square_avg F32[]',
    'scale.step F32[]',
  ]);
  assert.equal(deserialize(trained({}).exportState('tfjs')).tensors.get('iter')?.data, Int32Array.of(5));
});

for (const [options, format] of [
  [torch, 'torch'],
  [tfjs, 'tfjs'],
  [{}, 'torch'],
  [{ preset: 'keras3', momentum: 0.5, useEma: true }, 'tfjs'],
  [{ lr: 0.1, decay: 0.5, gradientAccumulationSteps: 5 }, 'tfjs'],
] as const)
  test(`what is written as ${format} is read back to the same bits: ${JSON.stringify(options)}`, () => {
    const optimizer = trained(options);
    const initial = Object.fromEntries(model.tensors.map(({ name }) => [name, optimizer.parameters.copy(name)]));
    const other = new RMSprop(model, { ...options, initial });
    other.importState(format, optimizer.exportState(format));
    assert.is(other.version, optimizer.version);
    for (let i = 5; i < 10; i++) for (const each of [optimizer, other]) each.step(batch(i));
    sameBits(other.parameters.flat, optimizer.parameters.flat);
  });

test('what rows owe is paid in what is written, and nothing is owed after reading', () => {
  const optimizer = trained({ rho: 0.5 });
  optimizer.step(rows);
  const [expected] = optimizer.getWeights();
  const { tensors } = deserialize(optimizer.exportState('torch'));
  sameBits(tensors.get('dense/kernel.square_avg')?.data as Float32Array, expected);
  optimizer.importState('torch', optimizer.exportState('torch'));
  assert.is(optimizer.state().owed.size, 0);
  sameBits(optimizer.getWeights()[0], expected);
});

test('what does not fit is refused, and nothing is set', () => {
  const optimizer = trained(torch);
  const good = deserialize(optimizer.exportState('torch')).tensors;
  const before = optimizer.state();
  const changed = (change: (tensors: Map<string, Tensor>) => void) => {
    const tensors = new Map(good);
    change(tensors);
    return serialize([...tensors]);
  };
  const one: Tensor = { dtype: 'F32', shape: [], data: Float32Array.of(1) };
  for (const [buffer, text] of [
    [changed((tensors) => tensors.delete('scale.grad_avg')), /"scale\.grad_avg" is missing/],
    [changed((tensors) => tensors.set('scale.exp_avg', one)), /"scale\.exp_avg" is nothing/],
    [changed((tensors) => tensors.set('scale.step', one)), /different numbers of steps/],
    [changed((tensors) => tensors.set('scale.step', { ...one, data: Float32Array.of(0.5) })), /one count/],
    [changed((tensors) => tensors.set('dense/kernel.square_avg', one)), /is \[\], the model has \[3,2\]/],
    [changed((tensors) => tensors.set('scale.square_avg', { ...one, data: Float32Array.of(-1) })), /negative/],
    [changed((tensors) => tensors.set('scale.square_avg', { ...one, data: Float32Array.of(Number.NaN) })), /not finite/],
    [changed((tensors) => tensors.set('scale.square_avg', { dtype: 'F64', shape: [], data: Float64Array.of(1) })), /F64/],
  ] as const)
    refused('E_WEIGHTS', () => optimizer.importState('torch', buffer), text);
  refused('E_CONFIG', () => optimizer.exportState('jax' as never), /torch or tfjs/);
  refused('E_CONFIG', () => optimizer.exportState('tfjs'), /learning rate outside/);
  refused('E_CONFIG', () => trained(tfjs).importState('torch', serialize({})), /learning rate inside/);
  refused('E_WEIGHTS', () => trained({ gradientAccumulationSteps: 3 }).exportState('torch'), /accumulated/);
  assert.equal(optimizer.state(), before);
});

test.run();
