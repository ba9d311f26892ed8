// Lines about layouts, safetensors, replicas and errors that must not compile, each after one like it that must.
import { deserialize, GradwireError, layout, Replica, serialize } from 'gradwire';

const model = layout({ 'dense/kernel': [784, 10], 'dense/bias': [10] });
// @ts-expect-error a shape is an array
layout({ 'dense/bias': 10 });
// @ts-expect-error dimensions are numbers
layout({ 'dense/bias': ['10'] });
// @ts-expect-error a layout does not change
model.length = 3;
// @ts-expect-error nor do its shapes
model.tensors[0].shape.push(1);

const buffer = serialize({ w: { dtype: 'F32', shape: [2], data: new Float32Array(2) } }, { made: 'today' });
// @ts-expect-error there is no such dtype
serialize({ w: { dtype: 'FLOAT32', shape: [2], data: new Float32Array(2) } });
// @ts-expect-error data are typed arrays
serialize({ w: { dtype: 'F32', shape: [2], data: [1, 2] } });
// @ts-expect-error metadata are texts
serialize({ w: new Float32Array(2) }, { version: 3 });

const { tensors, metadata } = deserialize(buffer);
// @ts-expect-error a buffer, not text
deserialize('model.safetensors');
// @ts-expect-error a name may be missing
tensors.get('w').data.length;
// @ts-expect-error metadata are read only
metadata.made = 'now';
// @ts-expect-error tensors are read only
tensors.set('w', undefined);

const replica = new Replica<'dense/kernel'>();
replica.weights.get('dense/kernel');
// @ts-expect-error there is no such tensor
replica.weights.get('dense/kernl');
// @ts-expect-error a frame is bytes
replica.accept({ 'dense/kernel': new Float32Array(7840) });
// @ts-expect-error the version is the trainer's
replica.version = 3;
const verdict = replica.accept(buffer);
// @ts-expect-error the verdicts are applied, stale and gap
if (verdict === 'appplied') throw new GradwireError('E_FRAME', 'never');

const error = new GradwireError('E_SHAPE', 'the bias is [10], got [11]');
// @ts-expect-error there is no such code
new GradwireError('E_SHAPES', error.text);
// @ts-expect-error there is no such code to compare with
if (error.code === 'E_SHAPES') throw error;
