// A worker pushes batches that are folded exactly once, whatever happens to its connection.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../streams/operators/flow.ts';
import { connect, type WorkerOptions } from '../../streams/sockets/index.ts';
import { bias, codeOf, quick, until, withProxy } from './connected.ts';
import { readFrame } from './raw.ts';

test('a push resolves with the version that it made, which the worker then holds', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', producer: 'w1' });
    const ack = await worker.push({ gradients: bias, base: worker.version, examples: 32, loss: 0.41, time: 5 });
    assert.equal(ack, { version: 1, duplicate: false });
    assert.is(worker.version, 1);
    for (let i = 2; i <= 20; i++) {
      assert.is((await worker.push({ gradients: bias })).version, i);
      assert.equal([worker.version, worker.digest()], [i, stand.digests[i]]);
    }
    assert.equal(stand.producer('w1'), { producerEpoch: 1, sequence: 20 });
    assert.is(worker.unanswered, 0);
    await worker.close();
  }));

test('what is pushed before the weights are there is copied, and sent in order', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    assert.match(worker.producer, /^worker-/);
    const gradients = {
      'dense/bias': Float32Array.of(1, 2, 3),
      'dense/kernel': { rows: Int32Array.of(1), values: Float32Array.of(1, 1, 1) },
    };
    const acks = [worker.push({ gradients }), worker.push({ gradients })];
    gradients['dense/bias'].fill(Number.NaN);
    gradients['dense/kernel'].rows.fill(99);
    assert.equal(
      (await Promise.all(acks)).map(({ version }) => version),
      [1, 2],
    );
    await worker.close();
  }));

test('the frame of a push holds what was said, and its numbers go on where the trainer knows them to be', () =>
  withProxy({ lazy: true }, async (stand) => {
    const options: WorkerOptions = { role: 'worker', producer: 'w1', producerEpoch: 7 };
    const first = connect(stand.url, options);
    await first.ready;
    const pushed = first.push({ gradients: bias, examples: 32, loss: 0.5, time: 12 });
    await until(() => stand.arrived.length === 1);
    assert.equal(readFrame(stand.arrived[0].frame).metadata, {
      gradwire: '1',
      kind: 'gradients',
      producer: 'w1',
      producerEpoch: '7',
      sequence: '1',
      base: '0',
      examples: '32',
      loss: '0.5',
      time: '12',
    });
    stand.work();
    await pushed;
    await first.close();
    const second = connect(stand.url, options);
    const again = second.push({ gradients: bias });
    await until(() => stand.arrived.length === 1);
    assert.is(readFrame(stand.arrived[0].frame).metadata.sequence, '2');
    stand.work();
    await again;
    await second.close();
  }));

test('a batch that does not fit is refused before it is sent, and takes no number', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', producer: 'w1' });
    await worker.ready;
    const refused = async (gradients: object): Promise<string> => codeOf(worker.push({ gradients }));
    assert.is(await refused({ 'dense/bias': Float32Array.of(1, Number.NaN, 3) }), 'E_NONFINITE');
    assert.is(await refused({ 'dense/bias': Float32Array.of(1) }), 'E_SHAPE');
    assert.is(await refused({ nope: Float32Array.of(1) }), 'E_UNKNOWN');
    assert.is(await refused({}), 'E_BATCH_EMPTY');
    assert.is(await refused({ 'dense/bias': [1, 2, 3] }), 'E_DTYPE');
    assert.is(await refused(null as unknown as object), 'E_BATCH');
    assert.is(stand.version(), 0);
    await worker.push({ gradients: bias });
    assert.is(stand.producer('w1')?.sequence, 1);
    await worker.close();
  }));

test('a batch that the trainer refuses rejects with its code, and the next one goes on', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    assert.is(await codeOf(worker.push({ gradients: bias, base: 9 })), 'E_FUTURE');
    assert.is(await codeOf(worker.push({ gradients: { 'dense/bias': Float32Array.of(1e20, 1, 1) } })), 'E_RANGE');
    assert.is((await worker.push({ gradients: bias })).version, 1);
    assert.is(worker.counts.connections, 1);
    await worker.close();
  }));

test('a batch that may come again later does so by itself, with the same bytes', () =>
  withProxy({ lazy: true }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    const busy: Answer = {
      type: 'nack',
      sequence: 1,
      code: 'E_BUSY',
      retryable: true,
      retryAfterMs: 5,
      version: 0,
      text: 'later',
    };
    const pushed = worker.push({ gradients: bias });
    const frames: string[] = [];
    for (let i = 0; i < 3; i++) {
      await until(() => stand.arrived.length === 1);
      const [{ frame, answer }] = stand.arrived.splice(0);
      frames.push(Buffer.from(frame).toString('hex'));
      answer(busy);
    }
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.equal(await pushed, { version: 1, duplicate: false });
    assert.is(new Set(frames).size, 1);
    await worker.close();
  }));

test('no more than the credit is in flight', () =>
  withProxy({ lazy: true, creditBatches: 3 }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    await worker.ready;
    const pushed = Array.from({ length: 10 }, () => worker.push({ gradients: bias }));
    let most = 0;
    while (worker.unanswered > 0) {
      await until(() => stand.arrived.length > 0);
      await fetch(`${stand.url}/healthz`);
      most = Math.max(most, stand.arrived.length);
      stand.work();
      await new Promise((resolve) => setImmediate(resolve));
      await fetch(`${stand.url}/healthz`);
    }
    assert.equal(
      (await Promise.all(pushed)).map(({ version }) => version),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    assert.is(most, 3);
    assert.is(worker.counts.connections, 1);
    await worker.close();
  }));

test('what is unanswered when the connection breaks is sent again, the same bytes in the same order', () =>
  withProxy({ lazy: true }, async (stand, proxy) => {
    const worker = connect(proxy.url, { ...quick, role: 'worker', producer: 'w1' });
    await worker.ready;
    const pushed = [1, 2, 3].map((i) => worker.push({ gradients: { 'dense/bias': Float32Array.of(i, i, i) } }));
    await until(() => stand.arrived.length === 3);
    const before = stand.arrived.map(({ frame }) => Buffer.from(frame).toString('hex'));
    proxy.cut('reset');
    await until(() => stand.arrived.length === 6);
    assert.equal(
      stand.arrived.slice(3).map(({ frame }) => Buffer.from(frame).toString('hex')),
      before,
    );
    stand.work();
    assert.equal(
      await Promise.all(pushed),
      [1, 2, 3].map((version) => ({ version, duplicate: true })),
    );
    assert.is(stand.version(), 3);
    const next = worker.push({ gradients: bias });
    await until(() => stand.arrived.length === 1);
    stand.work();
    assert.equal(await next, { version: 4, duplicate: false });
    assert.is(stand.producer('w1')?.producerEpoch, 1, 'the epoch stays across connections');
    await worker.close();
  }));

test('the queue has a limit, and close tells those who wait that nobody knows', () =>
  withProxy({ lazy: true }, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', maxQueue: 4 });
    const pushed = Array.from({ length: 5 }, () => codeOf(worker.push({ gradients: bias })));
    assert.is(await pushed[4], 'E_BUSY');
    await worker.ready;
    assert.is(await codeOf(worker.push({ gradients: bias })), 'E_BUSY');
    assert.is(worker.unanswered, 4);
    await worker.close();
    assert.equal(await Promise.all(pushed.slice(0, 4)), Array(4).fill('E_CLOSED'));
    assert.is(await codeOf(worker.push({ gradients: bias })), 'E_CLOSED');
    const narrow = connect(stand.url, { role: 'worker', maxQueueBytes: 1 });
    await narrow.ready;
    const one = codeOf(narrow.push({ gradients: bias }));
    assert.is(await codeOf(narrow.push({ gradients: bias })), 'E_BUSY');
    await narrow.close();
    assert.is(await one, 'E_CLOSED');
  }));

test('what a worker batch does not have is refused', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker' });
    assert.is(await codeOf(worker.push({ gradients: bias, producer: 3 } as never)), 'E_CONFIG');
    assert.is(await codeOf(worker.push(null as never)), 'E_CONFIG');
    assert.is(worker.unanswered, 0);
    await worker.close();
  }));

test('pushes before the first weights are limited by their bytes too, and leave their room when they are sent', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const worker = connect(`http://127.0.0.1:${port}`, { role: 'worker', maxQueueBytes: 36 });
  const rows = { rows: Int32Array.of(1), values: new Float32Array(3) };
  const pushed = [
    codeOf(worker.push({ gradients: bias })),
    codeOf(worker.push({ gradients: { 'dense/kernel': rows } as never })),
  ];
  assert.is(worker.unanswered, 2);
  // 12 bytes, then 16, are less than 36; with 12 more they are not
  pushed.push(codeOf(worker.push({ gradients: bias })));
  assert.is(await codeOf(worker.push({ gradients: bias })), 'E_BUSY');
  assert.is(worker.unanswered, 3);
  await worker.close();
  assert.equal(await Promise.all(pushed), Array(3).fill('E_CLOSED'));
  silent.close();
});

test('what was pushed early takes no room once it is answered', () =>
  withProxy({}, async (stand) => {
    const worker = connect(stand.url, { role: 'worker', maxQueueBytes: 12 });
    await worker.push({ gradients: bias });
    await worker.push({ gradients: bias });
    assert.is(worker.version, 2);
    await worker.close();
  }));

test('a worker whose name another process took over is told, and ends', () =>
  withProxy({}, async (stand) => {
    const old = connect(stand.url, { role: 'worker', producer: 'w1' });
    await old.push({ gradients: bias });
    const next = connect(stand.url, { role: 'worker', producer: 'w1' });
    await next.push({ gradients: bias });
    assert.is(await codeOf(old.push({ gradients: bias })), 'E_PRODUCER_FENCED');
    assert.is(await codeOf(old.closed), 'E_PRODUCER_FENCED');
    assert.equal(await next.push({ gradients: bias }), { version: 3, duplicate: false });
    await next.close();
  }));

test.run();
