// Lines about trainers, replicas and workers that must not compile, each after one like it that must.
import { layout } from 'gradwire';
import { connect } from 'gradwire/sockets';
import { trainer } from 'gradwire/trainer';

const model = layout({ 'dense/kernel': [784, 10], 'dense/bias': [10] });
type Name = 'dense/kernel' | 'dense/bias';
const bias = new Float32Array(10);

const t = await trainer({ model, optimizer: { lr: 0.01, sparse: 'lazy' }, directory: 'run', listen: { port: 0 } });
// @ts-expect-error the optimizer is given by its options
await trainer({ model, optimizer: 'rmsprop' });
// @ts-expect-error nobody calls it so
await trainer({ model, optimizer: { learning: 0.01 } });
// @ts-expect-error hyper-parameters belong to the optimizer
await trainer({ model, lr: 0.01 });
// @ts-expect-error a port is a number
await trainer({ model, listen: { port: '8080' } });
// @ts-expect-error durability is fsync, os or none
await trainer({ model, durability: 'disk' });

await t.push({ gradients: { 'dense/bias': bias }, base: t.version });
// @ts-expect-error a misspelled tensor
await t.push({ gradients: { 'dense/bais': bias } });
// @ts-expect-error the version counts batches; it is not set
t.version = 3;

const replica = connect<Name>(t.url, { mode: 'latest' });
replica.weights.get('dense/bias');
// @ts-expect-error there is no such tensor
replica.weights.get('dense/bais');
// @ts-expect-error a replica does not push
await replica.push({ gradients: { 'dense/bias': bias } });
// @ts-expect-error modes are every and latest
connect(t.url, { mode: 'newest' });
// @ts-expect-error a replica has no producer's name
connect(t.url, { producer: 'w1' });
// @ts-expect-error an address is a text
connect(8080);
// @ts-expect-error a version is a number
await replica.reached('3');

const stamp = replica.stamp();
Math.max(stamp.epoch, stamp.version, stamp.ageMs, stamp.run.length);
// @ts-expect-error a stamp has no weights
stamp.weights.get('dense/bias');
// @ts-expect-error the age is in milliseconds
Math.abs(stamp.age);

Math.abs(replica.read((weights, { version: read }) => weights.get('dense/bias')[0] + read));
// @ts-expect-error what is read is what the function gives
replica.read((weights) => weights.get('dense/bias')[0]).toUpperCase();
// @ts-expect-error there is no such tensor
replica.read((weights) => weights.get('dense/bais'));
// @ts-expect-error a stamp says version, not step
replica.read((_, { step }) => step);
// @ts-expect-error reading takes a function
replica.read('dense/bias');

const part = connect<Name>(t.url, { tensors: ['dense/bias'] });
part.weights.get('dense/bias');
connect<'dense/bias'>(t.url, { tensors: ['dense/bias'] }).read((weights) => weights.get('dense/bias'));
// @ts-expect-error a misspelled tensor
connect<Name>(t.url, { tensors: ['dense/bais'] });
// @ts-expect-error names stand in a list
connect(t.url, { tensors: 'dense/bias' });
// @ts-expect-error a tensor that is not followed is not there
connect(t.url, { tensors: ['dense/bias'] as const }).weights.get('dense/kernel');
// @ts-expect-error a worker needs all tensors
connect(t.url, { role: 'worker', tensors: ['dense/bias'] });

const worker = connect<Name>(t.url, { role: 'worker', producer: 'w1' });
const { version, duplicate } = await worker.push({
  gradients: { 'dense/bias': bias },
  base: worker.version,
  examples: 32,
  loss: 0.41,
});
// @ts-expect-error roles are replica and worker
connect(t.url, { role: 'wrker' });
// @ts-expect-error a misspelled tensor
await worker.push({ gradients: { 'dense/bais': bias } });
// @ts-expect-error gradients are a Float32Array, not numbers
await worker.push({ gradients: { 'dense/bias': [0.1] } });
// @ts-expect-error rows without values
await worker.push({ gradients: { 'dense/kernel': { rows: Int32Array.of(3) } } });
// @ts-expect-error a batch stands under gradients
await worker.push({ 'dense/bias': bias });
await worker.push({ gradients: { 'dense/bias': bias }, sequence: version });
// @ts-expect-error the producer of a batch is the worker
await worker.push({ gradients: { 'dense/bias': bias }, producer: 'other' });
// @ts-expect-error duplicate says yes or no
Math.abs(duplicate);
