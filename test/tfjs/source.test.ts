// A trainer that follows model.fit: its weights are the model's, bit for bit, at each version, with journal, replicas and recording.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, startWith, takeWhile, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError, RMSprop } from '../../src/index.ts';
import { replay } from '../../streams/recordings/index.ts';
import { connect } from '../../streams/sockets/index.ts';
import { assignTo, fromModel, layoutOf, tfRMSprop } from '../../streams/tfjs/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { sameBits } from '../support/bits.ts';
import { backends, dispose, examples, network, tf, weightsOf } from '../support/tensorflow.ts';

const options = { lr: 0.01, decay: 1e-3 };

test.before(async () => {
  await tf.setBackend(backends[backends.length - 1]);
});

/** A compiled network with our optimizer. */
function live(more: object = {}) {
  const model = network();
  const optimizer = tfRMSprop(tf, { ...options, ...more });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return { model, optimizer };
}

/** Fits `steps` batches. */
async function fit(model: ReturnType<typeof network>, steps: number, callbacks: object = {}): Promise<void> {
  const { xs, ys } = examples(steps * 4);
  try {
    await model.fit(xs, ys, { epochs: 1, batchSize: 4, shuffle: false, verbose: 0, callbacks });
  } finally {
    dispose([xs, ys]);
  }
}

async function rejected(promise: Promise<unknown>): Promise<GradwireError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(error, GradwireError);
  return error as GradwireError;
}

test('updates$ are the updates of the training: a replica that applies them has the weights of the model', async () => {
  const { model, optimizer } = live();
  const first = fromModel(tf, model);
  const seen: number[] = [];
  const versions = lastValueFrom(
    optimizer.updates$.pipe(
      takeWhile(({ version }) => version < 6, true),
      toArray(),
    ),
  );
  const subscription = optimizer.updates$.subscribe(({ version, weights }) => {
    seen.push(version);
    assert.is(weights.layout.length, weightsOf(model).length);
    sameBits(Float32Array.from(weights.flat), weightsOf(model));
  });
  await fit(model, 6);
  subscription.unsubscribe();
  assert.equal(seen, [1, 2, 3, 4, 5, 6]);
  const alone = new RMSprop(layoutOf(model), { ...options, initial: first });
  for (const { batches } of await versions) for (const batch of batches) alone.step(batch);
  sameBits(Float32Array.from(alone.parameters.flat), weightsOf(model));
  dispose(model);
});

test('a trainer that follows has the bits of the model at each version, and so do its replicas', async () => {
  const { model, optimizer } = live();
  const t = await trainer({ model: layoutOf(model), source: optimizer, listen: { port: 0 } });
  const replica = connect(t.url);
  const worker = connect(t.url, { role: 'worker', producer: 'w' });
  await Promise.all([replica.ready, worker.ready]);
  const shown = network();
  const first = layoutOf(shown).tensors.map(({ name }) => name);
  replica.updates$.pipe(startWith(replica), assignTo(tf, shown)).subscribe();
  const digests: [number, boolean][] = [];
  t.updates$.subscribe(({ version }) => digests.push([version, t.digest() === optimizer.digest()]));
  await fit(model, 8);
  assert.equal(
    digests,
    Array.from({ length: 8 }, (_, i) => [i + 1, true]),
  );
  await replica.reached(8);
  assert.is(replica.digest(), optimizer.digest());
  sameBits(weightsOf(shown), weightsOf(model));
  assert.not.equal(
    first,
    layoutOf(model).tensors.map(({ name }) => name),
    'control: the names differ',
  );
  const gradients = Object.fromEntries(t.layout.tensors.map(({ name, length }) => [name, new Float32Array(length)]));
  assert.is((await rejected(worker.push({ gradients }))).code, 'E_FORBIDDEN');
  assert.is((await rejected(t.push(gradients))).code, 'E_FORBIDDEN');
  assert.is(t.version, 8);
  for (const end of [worker, replica, t]) await end.close();
  await fit(model, 2);
  assert.is(optimizer.version, 10, 'training goes on without the trainer');
  dispose([model, shown]);
});

test('a durable trainer that follows records the training: another process goes on from it with the same bits', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gradwire-tfjs-'));
  try {
    const { model, optimizer } = live({ preset: 'keras3', momentum: 0.5, decay: undefined });
    const t = await trainer({ model: layoutOf(model), source: optimizer, directory });
    await fit(model, 300, { onBatchEnd: () => optimizer.drained() });
    assert.is(t.version, 300);
    assert.is(t.digest(), optimizer.digest());
    await t.close();
    const recorded = t.recording as string;
    const model2 = layoutOf(model);
    const alone = new RMSprop(model2, { ...(optimizer.getConfig() as object) });
    assert.is(alone.version, 0);
    assert.is((await lastValueFrom(replay(recorded).pipe(toArray()))).length, 300);
    // the same model in "another process": its variables have moved on meanwhile
    await fit(model, 3);
    const again = await trainer({ model: layoutOf(model), source: optimizer, directory });
    assert.equal([again.version, optimizer.version], [300, 300]);
    assert.is(again.digest(), optimizer.digest());
    sameBits(Float32Array.from(again.weights.flat), weightsOf(model));
    await fit(model, 5);
    await optimizer.drained();
    assert.equal([again.version, again.digest()], [305, optimizer.digest()]);
    await again.close();
    dispose(model);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('steps that the journal has not taken wait up to maxWaitingBytes, then a step throws E_BUSY and changes nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gradwire-tfjs-'));
  try {
    const { model, optimizer } = live();
    const t = await trainer({ model: layoutOf(model), source: optimizer, directory, maxWaitingBytes: 1000 });
    const gradients = Object.fromEntries(model.trainableWeights.map((weight) => [weight.name, tf.onesLike(weight.read())]));
    let busy: GradwireError | undefined;
    let made = 0;
    for (; busy === undefined && made < 100; made++) {
      try {
        optimizer.applyGradients(gradients);
      } catch (error) {
        busy = error as GradwireError;
      }
    }
    assert.equal([busy?.code, busy?.retryable], ['E_BUSY', true]);
    assert.is(optimizer.version, made - 1);
    const before = weightsOf(model);
    await optimizer.drained();
    sameBits(weightsOf(model), before);
    optimizer.applyGradients(gradients);
    await optimizer.drained();
    assert.equal([t.version, t.digest()], [made, optimizer.digest()]);
    await t.close();
    dispose([model, gradients]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a trainer and its source must agree: other options, another model and steps made before are refused', async () => {
  const { model, optimizer } = live();
  const refusals = async (more: object) => (await rejected(trainer({ model: layoutOf(model), source: optimizer, ...more }))).code;
  assert.is(await refusals({ optimizer: { lr: 0.5 } }), 'E_CONFIG');
  assert.is((await rejected(trainer({ source: optimizer }))).code, 'E_LAYOUT');
  const dynamic = tfRMSprop(tf, { lossScale: 'dynamic' });
  assert.is((await rejected(trainer({ model: layoutOf(model), source: dynamic }))).code, 'E_CONFIG');
  const t = await trainer({ model: layoutOf(model), source: optimizer, optimizer: { lr: 0.01, initial: fromModel(tf, model) } });
  assert.is(await refusals({}), 'E_CONFIG', 'one trainer follows already');
  const w = model.trainableWeights[0].read() as ReturnType<typeof tf.variable>;
  tf.tidy(() => w.assign(tf.zerosLike(w)));
  assert.is((await rejected(fit(model, 1))).code, 'E_WEIGHTS');
  assert.is((await rejected(optimizer.setWeights([]))).code, 'E_WEIGHTS');
  await t.close();
  await fit(model, 1);
  assert.is(await refusals({}), 'E_CONFIG', 'steps that no recording has');
  dispose(model);
});

test.run();
