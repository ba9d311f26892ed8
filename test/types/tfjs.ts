// Lines about gradwire/tfjs that must not compile, each after one like it that must; with the types of the real TensorFlow.js.
import type * as TensorFlow from '@tensorflow/tfjs';
import type { Batch } from 'gradwire';
import { connect } from 'gradwire/sockets';
import { assignTo, fromModel, gradientsOf, layoutOf, tfRMSprop, trainFrom } from 'gradwire/tfjs';
import { trainer } from 'gradwire/trainer';
import { of } from 'rxjs';

declare const tf: typeof TensorFlow;
declare const model: TensorFlow.Sequential;
declare const xs: TensorFlow.Tensor;
const loss = (): TensorFlow.Scalar => tf.scalar(0);
const variables = [tf.variable(xs)];

const optimizer = tfRMSprop(tf, { lr: 0.001, decay: 1e-4 });
model.compile({ optimizer, loss: 'meanSquaredError' });
const own: TensorFlow.Optimizer = optimizer;
// @ts-expect-error a plain object is no optimizer
model.compile({ optimizer: { minimize: own.minimize }, loss: 'meanSquaredError' });
// @ts-expect-error there is no such option
tfRMSprop(tf, { learning: 0.001 });
// @ts-expect-error parameters are the model's own
tfRMSprop(tf, { initial: {} });
// @ts-expect-error tf is an argument
tfRMSprop({ lr: 0.001 });

const gradients: TensorFlow.Tensor[] = optimizer.getGradients(loss, variables);
// @ts-expect-error a loss is a function
optimizer.getGradients(loss(), variables);
const weights: Promise<{ name: string; tensor: TensorFlow.Tensor }[]> = optimizer.getWeights();
optimizer.setWeights([3, Float32Array.of(1), xs]);
// @ts-expect-error a text is no weight
optimizer.setWeights([{ name: 'a' }]);
// @ts-expect-error it is read only
optimizer.version = gradients.length;

const batch: Batch = gradientsOf(tf, loss, variables);
// @ts-expect-error a loss is a function of nothing
gradientsOf(tf, (a: number) => tf.scalar(a), variables);
layoutOf(model).get(Object.keys(fromModel(tf, model))[0]);
// @ts-expect-error neither a model nor variables
layoutOf({ w: [1] });

const worker = connect('http://localhost', { role: 'worker' });
worker.updates$.pipe(assignTo(tf, model));
// @ts-expect-error numbers have no weights
of(1).pipe(assignTo(tf, model));
trainFrom(tf, model, of({ xs, ys: xs }), { worker }).subscribe(({ loss: mean }) => mean?.toFixed());
// @ts-expect-error examples have targets
trainFrom(tf, model, of({ xs }));

void trainer({ model: layoutOf(model), source: optimizer });
// @ts-expect-error a model is no source
void trainer({ model: layoutOf(model), source: model });
void [batch, weights, worker];
