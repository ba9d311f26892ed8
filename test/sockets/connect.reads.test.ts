// What is read of a replica is of one whole version, stamped with where it is from, and never weights that are known to be wrong.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../streams/sockets/index.ts';
import { refused } from '../support/refused.ts';
import { bias, codeOf, freePort, quick, script, scripted, until, welcome, withProxy } from './connected.ts';
import { Stand } from './stand.ts';

test('before the first weights there is nothing to read, and every way of reading says so', async () => {
  const replica = connect(`http://127.0.0.1:${await freePort()}`, quick);
  refused('E_NOT_READY', () => replica.read(() => 1));
  refused('E_NOT_READY', () => replica.stamp());
  refused('E_NOT_READY', () => replica.weights.get('dense/bias'), /wait for `ready`/);
  assert.is(replica.readable, false);
  assert.equal([...replica.weights], []);
  await replica.close();
});

test('read gives what a function makes of one whole version and its stamp', () =>
  withProxy({}, async (stand) => {
    const replica = connect(stand.url);
    for (let i = 0; i < 3; i++) stand.step();
    await replica.reached(3);
    const digests = replica.read((weights, { run, epoch, version }) => {
      stand.step();
      return [run, epoch, version, weights.flat.length, replica.digest()];
    });
    assert.equal(digests, ['run-1', 1, 3, stand.layout.length, stand.digests[3]]);
    refused('E_CONFIG', () => replica.read(async () => 1), /must not be async/);
    assert.throws(() =>
      replica.read(() => {
        throw new RangeError('of the user');
      }),
    );
    await replica.close();
    assert.is(
      replica.read((_, { version }) => version),
      3,
      'a closed replica keeps its weights',
    );
  }));

test('the age of a stamp grows until a frame or a heartbeat shows that the weights are the newest', () =>
  withProxy({ heartbeatMs: 20 }, async (stand) => {
    const replica = connect(stand.url);
    stand.step();
    await replica.reached(1);
    const { ageMs } = replica.stamp();
    const { applied } = replica.counts;
    assert.ok(ageMs >= 0);
    await until(() => replica.stamp().ageMs > ageMs);
    let before = replica.stamp().ageMs;
    // no frame comes any more: only a heartbeat can make it younger
    await until(() => {
      const now = replica.stamp().ageMs;
      const younger = now < before;
      before = now;
      return younger;
    });
    assert.is(replica.counts.applied, applied);
    await replica.close();
  }));

test('control: a silent trainer leaves the stamp to grow old', () =>
  withProxy({ heartbeatMs: 100_000 }, async (stand) => {
    const replica = connect(stand.url);
    await replica.ready;
    let before = replica.stamp().ageMs;
    const endMs = performance.now() + 200;
    while (performance.now() < endMs) {
      await new Promise((resolve) => setImmediate(resolve));
      const { ageMs } = replica.stamp();
      assert.ok(ageMs >= before);
      before = ageMs;
    }
    await replica.close();
  }));

test('version$ gives the version that is held, where there is one, and then each new one', () =>
  withProxy({}, async (stand) => {
    const replica = connect(stand.url);
    const early: (number | string)[] = [];
    replica.version$.subscribe({ next: (version) => early.push(version), complete: () => early.push('complete') });
    assert.equal(early, []);
    stand.step();
    await replica.reached(1);
    const late: number[] = [];
    const leaving = replica.version$.subscribe((version) => late.push(version));
    for (let i = 0; i < 3; i++) stand.step();
    await replica.reached(4);
    leaving.unsubscribe();
    stand.step();
    await replica.reached(5);
    assert.equal(late, [1, 2, 3, 4]);
    await replica.close();
    assert.equal(early.slice(-6), [1, 2, 3, 4, 5, 'complete']);
    const after: string[] = [];
    replica.version$.subscribe({ next: () => after.push('a version'), complete: () => after.push('complete') });
    assert.equal(after, ['complete']);
  }));

test('weights that the digest of an update shows to be wrong are not read until all of them have been replaced', async () => {
  const { stand, weights, updates } = script();
  let heal = (): void => undefined;
  const drift = digested(stand);
  const { url, hellos, stop } = await scripted((_, send) => {
    send(welcome);
    if (hellos.length === 1) for (const frame of [weights, ...drift]) send(frame);
    else heal = () => void [weights, ...updates].map((frame) => send(frame));
  });
  const replica = connect(url, quick);
  await until(() => hellos.length === 2);
  refused('E_DIGEST', () => replica.read(() => 1));
  refused('E_DIGEST', () => replica.stamp());
  refused('E_DIGEST', () => replica.weights);
  assert.is(replica.readable, false);
  assert.is(await codeOf(replica.reached(1, { timeoutMs: 1 })), 'E_TIMEOUT', 'a version that is wrong has not been reached');
  assert.is(hellos[1].resume, undefined, 'it asks for everything');
  const reached = replica.reached(6);
  heal();
  await reached;
  assert.equal([replica.stamp().version, replica.digest(), replica.counts.faults.digest], [6, stand.digests[6], 1]);
  await replica.close();
  await stop();
});

/** The first update of a trainer, with a digest that is not that of its weights. */
function digested(stand: Stand): Uint8Array[] {
  const other = new Stand({ run: stand.run });
  const frames: Uint8Array[] = [];
  other.published$.subscribe(({ frame }) => frames.push(frame));
  other.step();
  const text = Buffer.from(frames[0]).toString('latin1');
  const length = Number(Buffer.from(frames[0]).readBigUInt64LE(0));
  const header = JSON.parse(text.slice(8, 8 + length));
  header.__metadata__.digest = '0123456789abcdef';
  delete header.__metadata__.header;
  const json = JSON.stringify(header);
  const padded = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, ' '));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(padded.byteLength));
  return [Buffer.concat([head, padded, Buffer.from(frames[0]).subarray(8 + length)])];
}

test('each wait has a deadline and a named error: ready, reached, push', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const worker = connect(`http://127.0.0.1:${port}`, { role: 'worker', readyTimeoutMs: 5, pushTimeoutMs: 5 });
  assert.is(await codeOf(worker.ready), 'E_CONNECTION');
  assert.is(await codeOf(worker.reached(1, { timeoutMs: 5 })), 'E_TIMEOUT');
  assert.is(await codeOf(worker.push({ gradients: bias })), 'E_TIMEOUT');
  assert.is(worker.unanswered, 0);
  await worker.close();
  silent.close();
});

test('a push that was sent and given up frees its place, and its late answer harms nobody', () =>
  withProxy({ lazy: true, creditBatches: 1 }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', maxQueue: 1 });
    await worker.ready;
    assert.is(await codeOf(worker.push({ gradients: bias }, { timeoutMs: 5 })), 'E_TIMEOUT');
    await until(() => stand.arrived.length === 1);
    const next = worker.push({ gradients: bias }, { timeoutMs: Number.POSITIVE_INFINITY });
    stand.work();
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.equal(await next, { version: 2, duplicate: false });
    await worker.close();
  }));

test.run();
