// `gradwire convert` on files: a layers model to safetensors and back, weights into a topology, and calls that are wrong.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize, serialize } from '../../src/index.ts';
import { run } from '../support/gradwire.ts';

const place = mkdtempSync(join(tmpdir(), 'gradwire-convert-'));
const at = (...names: string[]) => join(place, ...names);

test.before(() => {
  mkdirSync(at('digits'));
  const weights = [
    { name: 'dense/kernel', shape: [2, 2], dtype: 'float32' },
    { name: 'dense/bias', shape: [2], dtype: 'float32' },
  ];
  const manifest = [{ paths: ['a.bin', 'b.bin'], weights }];
  writeFileSync(
    at('digits', 'model.json'),
    JSON.stringify({ format: 'layers-model', modelTopology: { m: 1 }, weightsManifest: manifest }),
  );
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  writeFileSync(at('digits', 'a.bin'), bytes.subarray(0, 10));
  writeFileSync(at('digits', 'b.bin'), bytes.subarray(10));
});

test.after(() => rmSync(place, { recursive: true }));

test('a layers model in a directory becomes a safetensors file, and that a layers model of the same bytes', async () => {
  const file = at('digits.safetensors');
  const there = await run('convert', at('digits'), file);
  assert.equal([there.code, there.stderr], [0, '']);
  assert.match(there.stdout, /^format +safetensors$/m);
  assert.equal(deserialize(readFileSync(file)).tensors.get('dense/bias')?.data, Float32Array.of(5, 6));
  const back = await run('convert', file, at('again'), '--json');
  const { format, tensors, files } = JSON.parse(back.stdout);
  assert.equal(
    [format, tensors, files.length, readdirSync(at('again')).sort()],
    ['layers-model', 2, 2, ['group1-shard1of1.bin', 'model.json']],
  );
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(at('again', 'model.json'), 'utf8'));
  assert.equal([modelTopology, weightsManifest[0].weights[0].name], [{ m: 1 }, 'dense/kernel']);
  assert.equal(
    [...new Float32Array(new Uint8Array(readFileSync(at('again', 'group1-shard1of1.bin'))).buffer)],
    [1, 2, 3, 4, 5, 6],
  );
});

test('weights without a topology take that of another model', async () => {
  const tensors = { 'dense/kernel': { shape: [2, 2], data: new Float32Array(4).fill(7) }, 'dense/bias': Float32Array.of(8, 9) };
  writeFileSync(at('weights.safetensors'), serialize(tensors));
  const without = await run('convert', at('weights.safetensors'), at('live'));
  assert.is(without.code, 1);
  assert.match(without.stderr, /E_FORMAT/);
  assert.is((await run('convert', at('weights.safetensors'), at('live', 'model.json'), '--topology', at('digits'))).code, 0);
  assert.equal(
    [...new Float32Array(new Uint8Array(readFileSync(at('live', 'group1-shard1of1.bin'))).buffer)],
    [7, 7, 7, 7, 8, 9],
  );
});

test('two files of one kind are a wrong call, and a model that names files elsewhere is refused', async () => {
  assert.is((await run('convert', at('digits'), at('other'))).code, 2);
  assert.is((await run('convert', at('weights.safetensors'), at('x.safetensors'))).code, 2);
  assert.is((await run('convert', at('gone.safetensors'), at('x'))).code, 1);
  mkdirSync(at('evil'));
  const manifest = [{ paths: ['../weights.safetensors'], weights: [] }];
  writeFileSync(at('evil', 'model.json'), JSON.stringify({ weightsManifest: manifest }));
  const evil = await run('convert', at('evil'), at('evil.safetensors'));
  assert.equal([evil.code, /outside of its directory/.test(evil.stderr)], [1, true]);
});

test.run();
