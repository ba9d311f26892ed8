// Layers models to safetensors and back: the same bits, optimizer's weights and training configuration included.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize, encodeWeights, layout, serialize, Tensors } from '../../src/index.ts';
import { type LayersFiles, modelOfSafetensors, safetensorsOfModel, tfRMSprop } from '../../streams/tfjs/index.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';
import { backends, dispose, examples, network, tf, weightsOf } from '../support/tensorflow.ts';

test.before(async () => {
  await tf.setBackend(backends[0]);
});

/** The files that a model is saved as, in memory. */
async function save(model: ReturnType<typeof network>, includeOptimizer: boolean): Promise<LayersFiles> {
  let files: LayersFiles | undefined;
  const handler = tf.io.withSaveHandler(async ({ weightData, weightSpecs, ...rest }) => {
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    const shards = new Map([['weights.bin', new Uint8Array(weightData as ArrayBuffer)]]);
    files = { model: JSON.stringify({ ...rest, weightsManifest }), shards };
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, { includeOptimizer });
  return files as LayersFiles;
}

/** The model that files hold. */
async function load({ model, shards }: LayersFiles): Promise<ReturnType<typeof network>> {
  const { weightsManifest, ...rest } = JSON.parse(model);
  const parts = weightsManifest.flatMap(({ paths }: { paths: string[] }) =>
    paths.map((path) => [...(shards.get(path) as Uint8Array)]),
  );
  const weightSpecs = weightsManifest.flatMap(({ weights }: { weights: object[] }) => weights);
  const artifacts = { ...rest, weightSpecs, weightData: Uint8Array.from(parts.flat()).buffer };
  return (await tf.loadLayersModel(tf.io.fromMemory(artifacts))) as ReturnType<typeof network>;
}

test('a trained model goes to safetensors and back with its bits, its optimizer and its iterations', async () => {
  const model = network();
  model.compile({ optimizer: tfRMSprop(tf, { lr: 0.01 }), loss: 'meanSquaredError' });
  const { xs, ys } = examples(32);
  await model.fit(xs, ys, { epochs: 1, batchSize: 16, verbose: 0 });
  const buffer = safetensorsOfModel(await save(model, true));
  const { tensors } = deserialize(buffer);
  const { name } = model.weights[0];
  sameBits(tensors.get(name)?.data as Float32Array, model.weights[0].read().dataSync() as Float32Array);
  assert.equal([tensors.get('iter')?.dtype, tensors.get(`${name}/rms`)?.shape], ['I32', [4, 8]]);
  const back = await load(modelOfSafetensors(buffer));
  sameBits(weightsOf(back), weightsOf(model));
  assert.is(back.optimizer.iterations, 2);
  assert.equal(safetensorsOfModel(modelOfSafetensors(buffer)), buffer);
  dispose([model, back, xs, ys]);
});

test('weights of a trainer become a layers model with the topology of another', async () => {
  const model = network();
  const files = await save(model, false);
  const shapes = layout(model.weights.map((weight) => [weight.name, weight.shape as number[]] as const));
  const weights = new Tensors(
    shapes,
    Float32Array.from({ length: shapes.length }, (_, i) => i / 8),
  );
  const frame = encodeWeights({ model: 'default', run: 'r', epoch: 1, version: 3 }, weights);
  refused('E_FORMAT', () => modelOfSafetensors(frame));
  const loaded = await load(modelOfSafetensors(frame, files.model));
  sameBits(weightsOf(loaded), weights.flat);
  const other = serialize({ w: Float32Array.of(1) });
  refused('E_WEIGHTS', () => modelOfSafetensors(other, files.model), /missing/);
  dispose([model, loaded]);
});

test('more than 4 MiB of weights are cut into files of that size', () => {
  const buffer = serialize({ w: new Float32Array(2_500_000).fill(0.5) }, { tfjs: '{"format":"layers-model"}' });
  const { shards } = modelOfSafetensors(buffer);
  assert.equal([...shards.keys()], ['group1-shard1of3.bin', 'group1-shard2of3.bin', 'group1-shard3of3.bin']);
  assert.equal(
    [...shards.values()].map(({ byteLength }) => byteLength),
    [4 << 20, 4 << 20, 10_000_000 - (8 << 20)],
  );
});

test('quantized weights come out as TF.js itself reads them', async () => {
  const weights = [
    { name: 'a', shape: [4], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.1, min: -1 } },
    { name: 'c', shape: [2], dtype: 'int32', quantization: { dtype: 'uint8', scale: 2.5, min: -3 } },
    { name: 'b', shape: [2], dtype: 'float32', quantization: { dtype: 'uint16', scale: 1e-3, min: 2 } },
    { name: 'd', shape: [5], dtype: 'float32', quantization: { dtype: 'float16' } },
  ] as const;
  const halves = new Uint16Array([700, 65_535, 0x3c00, 0xc001, 0x0001, 0x7bff, 0x8000]);
  const bytes = new Uint8Array([0, 1, 200, 255, 7, 8, ...new Uint8Array(halves.buffer)]);
  const model = JSON.stringify({ weightsManifest: [{ paths: ['w'], weights }] });
  const { tensors } = deserialize(safetensorsOfModel({ model, shards: new Map([['w', bytes]]) }));
  const theirs = tf.io.decodeWeights(bytes.buffer, weights as never);
  for (const { name, dtype } of weights) {
    const [ours, expected] = [tensors.get(name)?.data, theirs[name].dataSync()];
    if (dtype === 'float32') sameBits(ours as Float32Array, expected as Float32Array, name);
    else assert.equal(ours, expected);
  }
  dispose(theirs);
});

test('what cannot be converted is refused by name', () => {
  const of =
    (weights: object[], bytes = 4, more = {}) =>
    () =>
      safetensorsOfModel({
        model: JSON.stringify({ weightsManifest: [{ paths: ['w'], weights }], ...more }),
        shards: new Map([['w', new Uint8Array(bytes)]]),
      });
  const right = { name: 'right', shape: [1], dtype: 'float32' };
  assert.is(deserialize(of([right])()).tensors.size, 1, 'control');
  refused('E_DTYPE', of([{ ...right, name: 'text', dtype: 'string' }]), /"text" is "string"/);
  refused('E_DTYPE', of([{ ...right, quantization: { dtype: 'uint4' } }]), /"right"/);
  refused('E_DTYPE', of([{ ...right, dtype: 'int32', quantization: { dtype: 'float16' } }], 2), /"right"/);
  refused('E_FORMAT', of([{ ...right, quantization: { dtype: 'uint8' } }], 1), /"right"/);
  refused('E_FORMAT', of([right], 3), /end within "right"/);
  refused('E_FORMAT', of([right], 5));
  refused('E_FORMAT', of([{ ...right, shape: [-1] }]));
  refused('E_FORMAT', of([right], 4, { format: 'graph-model' }), /graph-model/);
  refused('E_FORMAT', () => safetensorsOfModel({ model: '[', shards: new Map() }));
  refused('E_FILE', () =>
    safetensorsOfModel({ model: JSON.stringify({ weightsManifest: [{ paths: ['w'], weights: [right] }] }), shards: new Map() }),
  );
  refused('E_DTYPE', () => modelOfSafetensors(serialize({ w: new Float64Array(1) }, { tfjs: '{}' })), /F64/);
});

test.run();
