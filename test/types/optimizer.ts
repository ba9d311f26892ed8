// Lines about the optimizer that must not compile, each after one like it that must.
import { layout, RMSprop } from 'gradwire';

const model = layout({ 'dense/kernel': [784, 10], 'dense/bias': [10], embedding: [1000, 16] });
const values = new Float32Array(7840);
const rows = Int32Array.of(3, 9);

const optimizer = new RMSprop(model, { lr: 0.001, rho: 0.9, epsilon: 1e-8, decay: 1e-4, initial: { 'dense/kernel': values } });
new RMSprop(model, { preset: 'torch', lr: 0.01, alpha: 0.99, eps: 1e-8, weight_decay: 1e-4, momentum: 0.9 });
// @ts-expect-error there is no such preset
new RMSprop(model, { preset: 'keras4' });
// @ts-expect-error nobody calls it so
new RMSprop(model, { learning: 0.001 });
// @ts-expect-error a schedule says its type
new RMSprop(model, { lr: { initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5 } });
// @ts-expect-error a rate is a number
new RMSprop(model, { lr: '0.001' });
// @ts-expect-error there is no such tensor
new RMSprop(model, { initial: { 'dense/kernl': values } });
// @ts-expect-error parameters are float32
new RMSprop(model, { initial: { 'dense/kernel': new Float64Array(7840) } });
// @ts-expect-error sparse is 'exact' or 'lazy'
new RMSprop(model, { sparse: 'Lazy' });
// @ts-expect-error a model is a layout, not its shapes
new RMSprop({ 'dense/kernel': [784, 10] });

optimizer.step({ 'dense/kernel': values, 'dense/bias': new Float32Array(10) });
// @ts-expect-error a misspelled tensor
optimizer.step({ 'dense/kernl': values });
// @ts-expect-error gradients are a Float32Array, not numbers
optimizer.step({ 'dense/bias': [0.1, 0.2] });
// @ts-expect-error gradients are float32
optimizer.step({ 'dense/bias': new Float64Array(10) });
// @ts-expect-error a batch is by name
optimizer.step(values);
// what stands in optimizer.gradients
optimizer.step();

optimizer.step({ embedding: { rows, values: new Float32Array(2 * 16) } });
// @ts-expect-error rows without values
optimizer.step({ embedding: { rows } });
// @ts-expect-error values without rows
optimizer.step({ embedding: { values: new Float32Array(2 * 16) } });
// @ts-expect-error row numbers are an Int32Array
optimizer.step({ embedding: { rows: [3, 9], values: new Float32Array(2 * 16) } });

optimizer.step({ gradients: { 'dense/kernel': values }, base: 3, examples: 32, loss: 0.4 });
// @ts-expect-error a misspelled tensor inside a batch
optimizer.step({ gradients: { 'dense/kernl': values }, base: 3 });
// @ts-expect-error a misspelled field of a batch
optimizer.step({ gradients: { 'dense/kernel': values }, exmples: 32 });
// @ts-expect-error a version is a number
optimizer.step({ gradients: { 'dense/kernel': values }, base: '3' });

optimizer.parameters.get('dense/kernel').fill(0);
// @ts-expect-error there is no such tensor
optimizer.parameters.get('dense/kernl');
// @ts-expect-error there is no such tensor to copy
optimizer.parameters.copy('dense/kernl');
// @ts-expect-error the parameters are replaced by restore(), not by assignment
optimizer.parameters = new RMSprop(model).parameters;
// @ts-expect-error the version counts batches; it is not set
optimizer.version = 3;

const { version, learningRate } = optimizer.step({ 'dense/kernel': values });
// @ts-expect-error the fields of a step are read only
optimizer.step({ 'dense/kernel': values }).version = version + learningRate;

optimizer.setWeights([12, values, new Float32Array(10), new Float32Array(16000)]);
// @ts-expect-error a list of arrays, not one array
optimizer.setWeights(values);
// @ts-expect-error a state is what state() gives
optimizer.restore({ version: 3 });
// @ts-expect-error a configuration is an object
RMSprop.fromConfig('{"lr": 0.1}', model);
