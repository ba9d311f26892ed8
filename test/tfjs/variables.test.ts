// Layouts, weights and gradients of TF.js variables; assignTo and trainFrom.
import { firstValueFrom, lastValueFrom, of, Subject, startWith, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout, RMSprop, Tensors } from '../../src/index.ts';
import { connect } from '../../streams/sockets/index.ts';
import { assignTo, fromModel, gradientsOf, layoutOf, trainFrom } from '../../streams/tfjs/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';
import { backends, dispose, distance, examples, network, tf, weightsOf } from '../support/tensorflow.ts';

/** A network compiled for mean squared errors. */
function compiled(): ReturnType<typeof network> {
  const model = network();
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}

for (const backend of backends) {
  test(`a model's layout and parameters fit an optimizer, and gradients fit both (${backend})`, async () => {
    await tf.setBackend(backend);
    const model = compiled();
    const { xs, ys } = examples(8);
    const { numTensors } = tf.memory();
    const names = layoutOf(model).tensors.map(({ name }) => name);
    assert.equal(
      names,
      model.trainableWeights.map(({ name }) => name),
    );
    assert.equal(layoutOf(model).toJSON()[names[0]], [4, 8]);
    const optimizer = new RMSprop(layoutOf(model), { lr: 0.01, initial: fromModel(tf, model) });
    sameBits(Float32Array.from(optimizer.parameters.flat), weightsOf(model));
    const loss = () => tf.losses.meanSquaredError(ys, model.predict(xs) as typeof ys).asScalar();
    const batch = gradientsOf(tf, loss, model);
    const value = tf.tidy(() => loss().dataSync()[0]);
    assert.is(batch.loss, value);
    optimizer.step(batch);
    await lastValueFrom(of({ weights: optimizer.parameters }).pipe(assignTo(tf, model)));
    sameBits(weightsOf(model), Float32Array.from(optimizer.parameters.flat));
    assert.ok(gradientsOf(tf, loss, model).loss < value);
    assert.is(tf.memory().numTensors, numTensors);
    dispose([model, xs, ys]);
  });

  test(`trainFrom gives the gradients and the loss of model.fit, with the number of examples (${backend})`, async () => {
    await tf.setBackend(backend);
    const model = compiled();
    const { xs, ys } = examples(8);
    const { numTensors } = tf.memory();
    const batches = await lastValueFrom(trainFrom(tf, model, of({ xs, ys }, [xs, ys] as const)).pipe(toArray()));
    const expected = gradientsOf(tf, () => tf.losses.meanSquaredError(ys, model.predict(xs) as typeof ys).asScalar(), model);
    assert.equal(
      batches.map(({ examples: count }) => count),
      [8, 8],
    );
    for (const [name, gradient] of Object.entries(batches[1].gradients))
      assert.ok(distance(gradient as Float32Array, expected.gradients[name] as Float32Array) < 1e-6);
    assert.ok(Math.abs((batches[0].loss as number) - expected.loss) < 1e-6);
    assert.is(tf.memory().numTensors, numTensors);
    dispose([model, xs, ys]);
  });
}

test('assignTo writes all variables of a version or none, by name, and by order where the names differ', async () => {
  const a = tf.variable(tf.zeros([2]), true, 'assign/a');
  const b = tf.variable(tf.zeros([1]), true, 'assign/b');
  const weights = (shapes: Record<string, number[]>, ...values: number[]) =>
    new Tensors(layout(shapes), Float32Array.from(values));
  const write = (given: Tensors) => lastValueFrom(of({ weights: given }).pipe(assignTo(tf, [a, b])));
  await write(weights({ 'assign/b': [1], 'assign/a': [2] }, 1, 2, 3));
  assert.equal([[...a.dataSync()], [...b.dataSync()]], [[2, 3], [1]]);
  await write(weights({ x: [2], y: [1] }, 4, 5, 6));
  assert.equal([[...a.dataSync()], [...b.dataSync()]], [[4, 5], [6]]);
  await write(weights({ 'assign/b': [1] }, 9));
  assert.equal([[...a.dataSync()], [...b.dataSync()]], [[4, 5], [9]]);
  for (const wrong of [
    weights({ x: [2], y: [2] }, 1, 1, 1, 1),
    weights({ x: [2] }, 1, 1),
    weights({ 'assign/a': [2], 'assign/b': [2] }, 1, 1, 1, 1),
  ])
    await write(wrong).then(
      () => assert.unreachable(),
      ({ code }) => assert.is(code, 'E_LAYOUT'),
    );
  assert.equal([[...a.dataSync()], [...b.dataSync()]], [[4, 5], [9]]);
  await write(new Tensors(layout<string>({})));
  const values = of({ weights: weights({ x: [2], y: [1] }, 1, 2, 3), mark: 1 });
  assert.is((await firstValueFrom(values.pipe(assignTo(tf, [a, b])))).mark, 1, 'a tap passes its values on');
  dispose([a, b]);
});

test('what is no model and no variable is refused', () => {
  refused('E_LAYOUT', () => layoutOf(undefined as never));
  refused('E_LAYOUT', () => layoutOf([3] as never));
  const [count, w] = [tf.variable(tf.zeros([1], 'int32'), true), tf.variable(tf.zeros([1]), true)];
  refused('E_DTYPE', () => layoutOf([count]));
  refused('E_LAYOUT', () => layoutOf([w, w]));
  refused('E_CONFIG', () => trainFrom(tf, network(), of()), /no loss/);
  refused('E_CONFIG', () => trainFrom(tf, compiled(), of(), { inFlight: 0 }));
  refused('E_CONFIG', () => trainFrom(tf, compiled(), of(), { credit: 3 } as object));
  dispose([count, w]);
});

test('a worker learns with trainFrom: it takes the next examples when its push is answered, on the newest weights', async () => {
  const model = compiled();
  const t = await trainer({
    model: layoutOf(model),
    optimizer: { lr: 0.01, initial: fromModel(tf, model) },
    listen: { port: 0 },
  });
  const worker = connect(t.url, { role: 'worker', producer: 'w1' });
  const { xs, ys } = examples(8);
  let asked = 0;
  let most = 0;
  function* all() {
    for (; asked < 12; asked++) {
      most = Math.max(most, asked - t.version);
      yield { xs, ys };
    }
  }
  // the model of a worker need not have the names of the trainer's
  const own = compiled();
  const { numTensors } = tf.memory();
  const batches = await lastValueFrom(trainFrom(tf, own, all(), { worker }).pipe(toArray()));
  assert.equal(
    batches.map(({ base }) => base),
    Array.from({ length: 12 }, (_, i) => i),
  );
  assert.is(most, 0, 'the next examples are taken after the answer');
  assert.is(t.version, 12);
  assert.equal([t.status().examples, t.status().producers], [96, 1]);
  assert.ok((batches[11].loss as number) < (batches[0].loss as number));
  assert.is(tf.memory().numTensors, numTensors);
  asked = 0;
  const more = await lastValueFrom(trainFrom(tf, own, all(), { worker, inFlight: 4 }).pipe(toArray()));
  assert.is(more.length, 12, 'nothing is lost at the end');
  assert.is(t.version, 24);
  const flood$ = new Subject<{ xs: typeof xs; ys: typeof ys }>();
  const flooded = lastValueFrom(trainFrom(tf, own, flood$, { worker, maxWaiting: 3 }));
  for (let i = 0; i < 5; i++) flood$.next({ xs, ys });
  await flooded.then(
    () => assert.unreachable(),
    ({ code }) => assert.is(code, 'E_BUSY'),
  );
  for (const end of [worker, t]) await end.close();
  dispose([model, own, xs, ys]);
});

test("a replica's weights come into a model as they arrive, and at once where it has some", async () => {
  const model = network();
  const t = await trainer({ model: layoutOf(model), optimizer: { lr: 0.01 }, listen: { port: 0 } });
  const replica = connect(t.url);
  await replica.ready;
  const seen: number[] = [];
  replica.updates$.pipe(startWith(replica), assignTo(tf, model)).subscribe(({ version }) => seen.push(version));
  assert.ok(weightsOf(model).every((each) => each === 0));
  const gradients = Object.fromEntries(t.layout.tensors.map(({ name, length }) => [name, new Float32Array(length).fill(1)]));
  await t.push(gradients);
  await replica.reached(1);
  sameBits(weightsOf(model), Float32Array.from(t.weights.flat));
  assert.equal(seen, [0, 1]);
  for (const end of [replica, t]) await end.close();
  dispose(model);
});

test.run();
