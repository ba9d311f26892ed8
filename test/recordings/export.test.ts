// exportArrays: what NumPy and a safetensors reader get are the recording's own bits.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf } from '../../src/digest.ts';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { deserialize, serialize } from '../../src/frames/safetensors.ts';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import { readWeights } from '../../src/frames/weights.ts';
import { layout } from '../../src/layout.ts';
import { exportArrays, record, restore } from '../../streams/recordings/index.ts';
import { npyHead } from '../../streams/recordings/instruments/export/npy.ts';
import { NpzFile } from '../../streams/recordings/instruments/export/npz.ts';
import { needsModule } from '../support/needs.ts';
import { all, batches, directory, model, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const python = '/usr/bin/python3';
const dense = layout({ 'dense/kernel': [2, 3], größe: [], bias: [3] });
const count = 5;

/** A recording of dense batches, and the gradients in it. */
async function makeDense(): Promise<{ path: string; stacked: Record<string, Float32Array> }> {
  const path = join(directory(), 'a.mcap');
  const given = Array.from({ length: count }, (_, i) => ({
    'dense/kernel': Float32Array.from({ length: 6 }, (_, j) => Math.fround((i + 1) / (j + 3))),
    größe: Float32Array.of(-0),
    bias: Float32Array.of(i, -i, 1e-40),
  }));
  await all(from(given).pipe(record(path, { model: dense })));
  const names = ['dense/kernel', 'größe', 'bias'] as const;
  const stacked = Object.fromEntries(names.map((name) => [name, Float32Array.from(given.flatMap((each) => [...each[name]]))]));
  return { path, stacked };
}

/** The arrays of a .npz file, by a reader that trusts nothing: names, heads and bytes. */
function readNpz(path: string): Map<string, { head: string; data: Buffer }> {
  const bytes = readFileSync(path);
  const found = new Map<string, { head: string; data: Buffer }>();
  let at = 0;
  while (bytes.readUInt32LE(at) === 0x04034b50) {
    assert.equal([bytes.readUInt16LE(at + 6), bytes.readUInt16LE(at + 8)], [0x0800, 0]);
    const [nameBytes, extraBytes] = [bytes.readUInt16LE(at + 26), bytes.readUInt16LE(at + 28)];
    const name = bytes.toString('utf8', at + 30, at + 30 + nameBytes);
    const size = extraBytes > 0 ? Number(bytes.readBigUInt64LE(at + 30 + nameBytes + 4)) : bytes.readUInt32LE(at + 18);
    const start = at + 30 + nameBytes + extraBytes;
    const content = bytes.subarray(start, start + size);
    assert.is(crc32(content), bytes.readUInt32LE(at + 14), name);
    const headBytes = 10 + content.readUInt16LE(8);
    assert.is(headBytes % 64, 0);
    assert.is(content.toString('latin1', 0, 8), '\x93NUMPY\x01\x00');
    found.set(name, { head: content.toString('latin1', 10, headBytes).trim(), data: content.subarray(headBytes) });
    at = start + size;
  }
  assert.is(bytes.readUInt32LE(at), 0x02014b50, 'the central directory follows the last entry');
  return found;
}

/** What NumPy reads, by name: dtype, shape and bytes. */
function loadNpz(path: string): Record<string, [dtype: string, shape: number[], hex: string]> {
  const program = `
import json, sys, numpy
with numpy.load(sys.argv[1], allow_pickle=False) as file:
    print(json.dumps({name: [file[name].dtype.str, file[name].shape, file[name].tobytes().hex()] for name in file.files}))`;
  const { stdout, stderr, status } = spawnSync(python, ['-c', program, path], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
  return JSON.parse(stdout);
}

const hex = (array: ArrayBufferView) => Buffer.from(bytesOf(array)).toString('hex');

needsModule(
  test,
  python,
  'numpy',
  'python3-numpy',
)('NumPy loads parameters, state and gradients, equal as bits', async () => {
  const path = join(directory(), 'a.mcap');
  await all(from(batches(6)).pipe(record(path, { model, optimizer })));
  const out = join(directory(), 'state.npz');
  await exportArrays(path, { out, what: 'state', version: 4 });
  const { parameters, state } = await restore(path, { version: 4 });
  const state4 = loadNpz(out);
  assert.equal(Object.keys(state4), ['w', 'table', 'w#accumulator', 'table#accumulator', 'table#owed']);
  assert.equal(state4.w, ['<f4', [3], hex(parameters.get('w'))]);
  assert.equal(state4['table#accumulator'], ['<f4', [5, 2], hex(state.accumulator.subarray(3))]);
  assert.equal(state4['table#owed'], ['<f8', [5], hex(state.owed.get('table') as Float64Array)]);

  const { path: recorded, stacked } = await makeDense();
  const gradients = join(directory(), 'gradients.npz');
  await exportArrays(recorded, { out: gradients, what: 'gradients' });
  const loaded = loadNpz(gradients);
  assert.equal(loaded.versions, ['<i8', [count], hex(BigInt64Array.of(1n, 2n, 3n, 4n, 5n))]);
  assert.equal(loaded['dense/kernel'], ['<f4', [count, 2, 3], hex(stacked['dense/kernel'])]);
  assert.equal(loaded.größe, ['<f4', [count], hex(stacked.größe)]);
});

needsModule(
  test,
  python,
  'numpy',
  'python3-numpy',
)('NumPy loads a file whose sizes and offsets take 64 bits', async () => {
  const out = join(directory(), 'large.npz');
  const arrays = [
    { name: 'a', dtype: 'U8', shape: [200], byteLength: 200 },
    { name: 'b/c', dtype: 'F64', shape: [2, 0], byteLength: 0 },
    { name: 'scalar', dtype: 'I32', shape: [], byteLength: 4 },
  ] as const;
  const file = await NpzFile.create(out, arrays, { from: 150 });
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
  await file.append(2, Uint8Array.of(1, 2, 3, 4));
  await file.append(0, bytes.subarray(0, 50));
  await file.append(0, bytes.subarray(50));
  await file.finish();
  assert.equal(loadNpz(out), {
    a: ['|u1', [200], hex(bytes)],
    'b/c': ['<f8', [2, 0], ''],
    scalar: ['<i4', [], '01020304'],
  });
});

test('a .npz is a ZIP of stored .npy files whose CRCs hold, the same for the same arrays', async () => {
  const { path, stacked } = await makeDense();
  const outs = [join(directory(), 'a.npz'), join(directory(), 'b.npz')];
  for (const out of outs) await exportArrays(path, { out, what: 'gradients', from: 2, until: 4 });
  assert.ok(readFileSync(outs[0]).equals(readFileSync(outs[1])));
  const arrays = readNpz(outs[0]);
  assert.equal([...arrays.keys()], ['versions.npy', 'dense/kernel.npy', 'größe.npy', 'bias.npy']);
  const kernel = arrays.get('dense/kernel.npy');
  assert.is(kernel?.head, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 3), }");
  assert.is(kernel?.data.toString('hex'), hex(stacked['dense/kernel'].subarray(6, 24)));
});

test('a header too long for version 1 of .npy is one of version 2', () => {
  const head = Buffer.from(npyHead({ name: 'w', dtype: 'F32', shape: new Array(30_000).fill(1) }));
  assert.equal([head[6], (12 + head.readUInt32LE(8)) % 64, head.at(-1)], [2, 0, 10]);
});

test('.safetensors of the parameters is a weights frame, of the state and of gradients plain tensors', async () => {
  const path = join(directory(), 'a.mcap');
  await all(from(batches(6)).pipe(record(path, { model, optimizer })));
  const out = join(directory(), 'out.safetensors');
  const { version, arrays } = await exportArrays(path, { out });
  assert.equal([version, arrays.length], [6, 2]);
  const { header, weights } = readWeights(deserialize(readFileSync(out)));
  const snapshot = await restore(path);
  assert.equal([header.version, hex(weights.flat)], [6, hex(snapshot.parameters.flat)]);

  const from6 = join(directory(), 'snapshot.safetensors');
  writeFileSync(from6, encodeSnapshot(snapshot));
  await exportArrays(from6, { out, what: 'state' });
  const { tensors, metadata } = deserialize(readFileSync(out));
  assert.equal([...tensors.keys()], ['w', 'table', 'w#accumulator', 'table#accumulator', 'table#owed']);
  assert.equal([metadata.gradwire, metadata.version], [undefined, '6']);
  assert.is(hex(tensors.get('w#accumulator')?.data as Float32Array), hex(snapshot.state.accumulator.subarray(0, 3)));

  const { path: recorded, stacked } = await makeDense();
  await exportArrays(recorded, { out, what: 'gradients' });
  const read = deserialize(readFileSync(out));
  assert.equal([...read.tensors.keys()], ['versions', 'dense/kernel', 'größe', 'bias']);
  assert.equal(read.tensors.get('bias')?.shape, [count, 3]);
  assert.is(hex(read.tensors.get('bias')?.data as Float32Array), hex(stacked.bias));
});

test('gradients of a gradients file, and tensors of any safetensors file, are exported as they are', async () => {
  const path = join(directory(), 'g.safetensors');
  const table = { rows: Int32Array.of(1, 3), values: Float32Array.of(1, 2, 3, 4) };
  writeFileSync(
    path,
    encodeGradients(model, { producer: 'p', producerEpoch: 0, sequence: 1, base: 0 }, { gradients: { table } }),
  );
  const out = join(directory(), 'g.npz');
  await exportArrays(path, { out, what: 'gradients' });
  assert.is(readNpz(out).get('table#rows.npy')?.data.toString('hex'), hex(table.rows));
  writeFileSync(path, serialize({ half: { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 1) } }));
  await exportArrays(path, { out });
  assert.match(readNpz(out).get('half.npy')?.head ?? '', /'<f2'/);
});

test('a batch with rows, or without some tensor, is refused with its version, and leaves no file', async () => {
  const path = join(directory(), 'a.mcap');
  const w = Float32Array.of(1, 2, 3);
  const table = new Float32Array(10);
  const rows = { rows: Int32Array.of(1), values: Float32Array.of(1, 2) };
  await all(from([{ w, table }, { w, table }, { w, table: rows }, { w }]).pipe(record(path, { model, optimizer })));
  const folder = directory();
  const out = join(folder, 'a.npz');
  await refusal('E_RECORDING', exportArrays(path, { out, what: 'gradients' }), /^version 3 holds rows of "table"/);
  await refusal('E_RECORDING', exportArrays(path, { out, what: 'gradients', from: 4 }), /^version 4 leaves out "table"/);
  assert.equal(readdirSync(folder), []);
  await exportArrays(path, { out, what: 'gradients', until: 2 });
  assert.equal(readdirSync(folder), ['a.npz']);
});

test('options that do not fit together, and versions that are not there, are refused', async () => {
  const { path } = await makeDense();
  const out = join(directory(), 'a.npz');
  await refusal('E_CONFIG', exportArrays(path, { out: 'a.csv' }), /must end in \.npz or \.safetensors/);
  await refusal('E_CONFIG', exportArrays(path, { out, from: 1 }), /from and until are for gradients/);
  await refusal('E_CONFIG', exportArrays(path, { out, what: 'gradients', version: 1 }), /version is for parameters/);
  await refusal('E_CONFIG', exportArrays(path, { out, what: 'weights' as never }), /what must be one of/);
  await refusal('E_CONFIG', exportArrays(path, { out, versions: 1 } as never), /did you mean "version"/);
  await refusal('E_RECORDING', exportArrays(path, { out, version: 6 }), /versions 1 to 5/);
  await refusal('E_RECORDING', exportArrays(path, { out, what: 'gradients', until: 6 }), /versions 1 to 5/);
  await refusal('E_FILE', exportArrays(path, { out: join(out, 'b.npz') }));
  const brain = join(directory(), 'b.safetensors');
  writeFileSync(brain, serialize({ w: { dtype: 'BF16', shape: [1], data: Uint16Array.of(1) } }));
  await refusal('E_DTYPE', exportArrays(brain, { out }), /NumPy does not have/);
  await refusal('E_CONFIG', exportArrays(brain, { out, what: 'state' }), /has no state to export/);
});

test.run();
