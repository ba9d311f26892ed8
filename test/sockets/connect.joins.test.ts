// A replica joins early and late, reports every version, and is closed at any moment.
import { config, firstValueFrom } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../streams/sockets/index.ts';
import { codeOf, freePort, quick, until, watch, withProxy } from './connected.ts';
import { readFrame } from './raw.ts';
import { Stand } from './stand.ts';

test('a replica that joins late has every version from there on, bit for bit', () =>
  withProxy({}, async (stand) => {
    for (let i = 0; i < 5; i++) stand.step();
    const replica = connect(stand.url);
    assert.equal([replica.version, replica.run, replica.epoch, replica.model], [0, undefined, 0, '']);
    const seen = watch(replica, stand);
    await replica.ready;
    assert.equal([replica.version, replica.run, replica.epoch, replica.model], [5, 'run-1', 1, 'default']);
    for (let i = 0; i < 300; i++) stand.step();
    assert.is(replica.version, 5);
    await replica.reached(305);
    assert.equal(
      seen,
      Array.from({ length: 301 }, (_, i) => 5 + i),
    );
    assert.equal([replica.trainerVersion, replica.digest()], [305, stand.digest()]);
    assert.equal(replica.layout.toJSON(), stand.layout.toJSON());
    assert.equal(replica.weights.copy('dense/bias'), stand.published.weights.copy('dense/bias'));
    await replica.close();
  }));

test('updates$ says what was applied: weights first, then each update with its learning rate', () =>
  withProxy({}, async (stand) => {
    stand.step();
    const replica = connect(stand.url);
    const first = await firstValueFrom(replica.updates$);
    assert.equal([first.kind, first.from, first.version, first.learningRate], ['weights', 0, 1, undefined]);
    assert.is(readFrame(first.frame).metadata.kind, 'weights');
    const coming = firstValueFrom(replica.updates$);
    stand.step();
    const second = await coming;
    assert.equal([second.kind, second.from, second.version, second.learningRate], ['update', 1, 2, Math.fround(0.01)]);
    assert.is(readFrame(second.frame).metadata.version, '2');
    await replica.close();
  }));

test('a replica that is earlier than its trainer waits for it', async () => {
  const port = await freePort();
  const replica = connect(`http://127.0.0.1:${port}`, { ...quick, readyTimeoutMs: 30 });
  assert.is(await codeOf(replica.ready), 'E_CONNECTION');
  const live = firstValueFrom(replica.updates$);
  const stand = await Stand.start({ port });
  assert.is((await live).version, 0);
  assert.is(await codeOf(replica.ready), 'E_CONNECTION', 'it was late');
  await replica.close();
  await stand.close();
});

test('control: in time, ready resolves', async () => {
  const port = await freePort();
  const replica = connect(`http://127.0.0.1:${port}`, { ...quick, readyTimeoutMs: 10_000 });
  const stand = await Stand.start({ port });
  await replica.ready;
  await replica.close();
  await stand.close();
});

test('a closed replica keeps its weights and tells everybody who waits', () =>
  withProxy({}, async (stand) => {
    const replica = connect(stand.url);
    stand.step();
    await replica.reached(1);
    const waiting = codeOf(replica.reached(99));
    const states: string[] = [];
    replica.status$.subscribe({ next: ({ state }) => states.push(state), complete: () => states.push('complete') });
    replica.updates$.subscribe({ complete: () => states.push('no more updates') });
    await Promise.all([replica.close(), replica.close()]);
    await replica.closed;
    assert.is(await waiting, 'E_CLOSED');
    assert.equal(states, ['live', 'closed', 'complete', 'no more updates']);
    assert.equal([replica.version, replica.digest()], [1, stand.digests[1]]);
    await replica.reached(1);
    assert.is(await codeOf(replica.reached(2)), 'E_CLOSED');
    stand.step();
    assert.is(replica.version, 1);
  }));

test('a replica can be closed at any moment before it is ready', async () => {
  const port = await freePort();
  const nowhere = connect(`http://127.0.0.1:${port}`, quick);
  const atOnce = connect(`http://127.0.0.1:${port}`);
  await atOnce.close();
  await until(() => nowhere.counts.connections === 0);
  await nowhere.close();
  assert.equal([await codeOf(nowhere.ready), await codeOf(atOnce.ready)], ['E_CLOSED', 'E_CLOSED']);
  const stand = await Stand.start();
  const during = connect(stand.url);
  await new Promise((resolve) => setImmediate(resolve));
  await during.close();
  await stand.close();
});

test('a subscriber that throws does not break the replica', () =>
  withProxy({}, async (stand) => {
    const thrown: unknown[] = [];
    config.onUnhandledError = (error) => thrown.push(error);
    try {
      const replica = connect(stand.url);
      replica.updates$.subscribe(() => {
        throw new Error('a mistake of the user');
      });
      const seen = watch(replica, stand);
      for (let i = 0; i < 5; i++) stand.step();
      await replica.reached(5);
      await until(() => thrown.length > 0);
      assert.is(seen.at(-1), 5);
      assert.is(replica.counts.connections, 1);
      await replica.close();
    } finally {
      config.onUnhandledError = null;
    }
  }));

test.run();
