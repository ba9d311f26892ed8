// State that moves between this optimizer and PyTorch, in both directions, in the middle of a training.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize, serialize } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { needsModule } from '../support/needs.ts';

const python = '/usr/bin/python3';
const script = fileURLToPath(new URL('torch_state.py', import.meta.url));
const model = layout({ kernel: [5, 7], bias: [7] });
const options = { preset: 'torch', lr: 0.01, momentum: 0.9, centered: true } as const;
const folder = mkdtempSync(join(tmpdir(), 'gradwire-torch-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

function torch(action: 'write' | 'read'): void {
  const { status, stderr } = spawnSync(python, [script, action, folder], { timeout: 60_000 });
  assert.is(status, 0, String(stderr));
}

function file(name: string): Buffer {
  return readFileSync(join(folder, name));
}

function gradients(step: number): Record<string, Float32Array> {
  const entries = model.tensors.map(({ name, length }) => [
    name,
    Float32Array.from({ length }, (_, i) => (((i * 7 + step * 3) % 11) - 5) / 5),
  ]);
  return Object.fromEntries(entries);
}

function train(optimizer: RMSprop, from: number, to: number): void {
  for (let step = from; step < to; step++) optimizer.step(gradients(step));
}

/** The largest difference between the optimizer's parameters and those of a file. */
function distance(optimizer: RMSprop, expected: Buffer): number {
  let largest = 0;
  for (const [name, { data }] of deserialize(expected).tensors) {
    for (const [i, value] of optimizer.parameters.get(name).entries()) {
      largest = Math.max(largest, Math.abs(value - Number(data[i])));
    }
  }
  return largest;
}

const torchTest = needsModule(test, python, 'torch', 'python3-torch');

torchTest('a training that PyTorch began goes on here, from its own state', () => {
  torch('write');
  const initial = Object.fromEntries(
    [...deserialize(file('parameters.safetensors')).tensors].map(([name, { data }]) => [name, data]),
  );
  const optimizer = new RMSprop(model, { ...options, initial: initial as Record<string, Float32Array> });
  optimizer.importState('torch', file('state.safetensors'));
  assert.is(optimizer.version, 50);
  train(optimizer, 50, 100);
  assert.ok(distance(optimizer, file('after.safetensors')) < 1e-5);
  const control = new RMSprop(model, { ...options, initial: initial as Record<string, Float32Array> });
  train(control, 50, 100);
  assert.ok(distance(control, file('after.safetensors')) > 0.01, 'control: without the state it is another training');
});

torchTest('a training that began here goes on in PyTorch', () => {
  const ones = Object.fromEntries(model.tensors.map(({ name, length }) => [name, new Float32Array(length).fill(1)]));
  const optimizer = new RMSprop(model, { ...options, initial: ones });
  train(optimizer, 0, 50);
  const parameters = model.tensors.map(({ name, shape }) => [name, { data: optimizer.parameters.copy(name), shape }] as const);
  writeFileSync(join(folder, 'parameters.safetensors'), serialize(parameters));
  writeFileSync(join(folder, 'state.safetensors'), optimizer.exportState('torch'));
  torch('read');
  train(optimizer, 50, 100);
  assert.ok(distance(optimizer, file('after.safetensors')) < 1e-5);
});

test.run();
