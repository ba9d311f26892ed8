// Lines about the operators that must not compile, each after one like it that must.
import { type Batch, type GradientRecord, layout } from 'gradwire';
import { publish, rmsprop, snapshot } from 'gradwire/streams';
import { map, of } from 'rxjs';

const model = layout({ 'dense/kernel': [784, 10], 'dense/bias': [10] });
type Name = 'dense/kernel' | 'dense/bias';
const bias = new Float32Array(10);
const batches$ = of<Batch<Name>>({ gradients: { 'dense/bias': bias }, base: 3 });
const records$ = of<GradientRecord<Name>>({ 'dense/bias': bias });

records$.pipe(rmsprop(model, { lr: 0.01 }), publish());
batches$.pipe(rmsprop(model, { lr: 0.01 })).subscribe(({ version, parameters }) => parameters.get('dense/bias').fill(version));
// @ts-expect-error Keras' word is lr
records$.pipe(rmsprop(model, { learning: 0.01 }));
// @ts-expect-error batches of another model
of<GradientRecord<'w'>>({ w: bias }).pipe(rmsprop(model));
// @ts-expect-error batches are not bytes here; admit() reads frames
of(new Uint8Array(8)).pipe(rmsprop(model));
// @ts-expect-error there is no such tensor
batches$.pipe(rmsprop(model)).subscribe(({ parameters }) => parameters.get('dense/kernl'));

const versions$ = records$.pipe(
  rmsprop(model),
  map(({ version }) => version),
);
// @ts-expect-error what is published are steps
versions$.pipe(publish());
// @ts-expect-error a name is a text
publish({ name: 3 });

records$.pipe(rmsprop(model), snapshot({ write: async () => {}, every: 100 }), publish());
// @ts-expect-error a snapshot is written somewhere
snapshot({ every: 100 });
// @ts-expect-error a write is awaited
snapshot({ write: () => 3 });
