// Gradients through relays: the worker's own bytes go up, its answers come back to it alone, and each batch is folded once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { type Fields, join, type RawClient } from './raw.ts';
import { batchOf, chainOf, closeAll, labelsOf, quick, relayIs, relayReaches } from './relays.ts';
import { Stand } from './stand.ts';

/** The next answer, and the versions of the updates that came before it. */
async function answerTo(client: RawClient): Promise<{ answer: Fields; before: string[] }> {
  const before: string[] = [];
  for (;;) {
    const message = await client.next();
    if (message.kind === 'close') throw new Error(`closed with ${message.code} ${message.reason}`);
    if (message.kind === 'binary') before.push(labelsOf(message.bytes).version);
    else if (message.value.type !== 'heartbeat') return { answer: message.value, before };
  }
}

async function post(url: string, frame: Uint8Array): Promise<{ status: number; body: Fields }> {
  const response = await fetch(`${url}/models/default/gradients`, { method: 'POST', body: new Uint8Array(frame) });
  return { status: response.status, body: (await response.json()) as Fields };
}

test('a batch goes up through two relays as the worker wrote it, and its update comes down before its ack', async () => {
  const stand = await Stand.start({ closeMs: 100, lazy: true });
  const relays = await chainOf(2, stand.url);
  const { client, welcome } = await join(relays[1].port, { role: 'worker', producer: 'w' });
  assert.is(welcome.producerEpoch, 1, 'the trainer gives the epoch');
  assert.is(welcome.sequence, null);
  const [one, two] = [batchOf('w', 1), batchOf('w', 2)];
  client.binary(one);
  client.binary(two);
  while (stand.arrived.length < 2) await turn();
  assert.equal(
    stand.arrived.map(({ frame }) => Buffer.from(frame)),
    [Buffer.from(one), Buffer.from(two)],
  );
  stand.work();
  const first = await answerTo(client);
  assert.equal(first.answer, { type: 'ack', sequence: 1, version: 1, duplicate: false });
  assert.ok(first.before.includes('1'), `version 1 was among ${first.before}`);
  const second = await answerTo(client);
  assert.equal([...first.before, ...second.before], ['0', '1', '2']);
  client.binary(one);
  while (stand.arrived.length < 1) await turn();
  stand.work();
  assert.equal((await answerTo(client)).answer, { type: 'ack', sequence: 1, version: 1, duplicate: true });
  const again = await join(relays[1].port, { role: 'worker', producer: 'w', producerEpoch: 1 });
  assert.is(again.welcome.sequence, 2, 'and knows the numbers that it has taken');
  const next = await join(relays[0].port, { role: 'worker', producer: 'w' });
  assert.is(next.welcome.producerEpoch, 2, 'at another relay too the next of that name is one higher');
  for (const each of [client, again.client, next.client]) each.end();
  await closeAll([...relays.reverse(), stand]);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('refusals come back to the worker that they are for, and a fenced producer is sent away as by the trainer', async () => {
  const stand = await Stand.start({ closeMs: 100 });
  const relays = await chainOf(2, stand.url);
  const a = await join(relays[1].port, { role: 'worker', producer: 'a' });
  const b = await join(relays[1].port, { role: 'worker', producer: 'b' });
  a.client.binary(batchOf('a', 5, 1, 77));
  b.client.binary(batchOf('b', 5));
  a.client.binary(Buffer.from('no frame'));
  const nacks = [(await answerTo(a.client)).answer, (await answerTo(a.client)).answer];
  assert.equal(
    nacks.map(({ type, sequence, code }) => [type, sequence, code]),
    [
      ['nack', 5, 'E_FUTURE'],
      ['nack', null, 'E_ST_HEADER_LENGTH'],
    ],
  );
  assert.equal((await answerTo(b.client)).answer, { type: 'ack', sequence: 5, version: 1, duplicate: false });
  const newer = await join(stand.server.port, { role: 'worker', producer: 'b' });
  newer.client.binary(batchOf('b', 1, 2));
  await answerTo(newer.client);
  b.client.binary(batchOf('b', 6));
  assert.is((await answerTo(b.client)).answer.code, 'E_PRODUCER_FENCED');
  const { code, reason } = await b.client.closed();
  assert.is(code, 4502);
  assert.match(reason, /^E_PRODUCER_FENCED/);
  for (const { client } of [a, newer]) client.end();
  await closeAll([...relays.reverse(), stand]);
});

test('a worker through two relays has each batch folded once, though relays die and it comes back by another way', async () => {
  const stand = await Stand.start({ closeMs: 50 });
  const proxy = await ChaosProxy.start(stand.server.port);
  let [near] = await chainOf(1, proxy.url);
  const far = await chainOf(1, near.url).then(([each]) => each);
  const way = await ChaosProxy.start(far.port);
  const worker = connect(way.url, { ...quick, role: 'worker', producer: 'w' });
  await worker.ready;
  const { port } = near;
  let last = Promise.resolve({ version: 0, duplicate: false });
  const answers: (typeof last)[] = [];
  for (let i = 0; i < 200; i++) {
    last = worker.push({ gradients: { 'dense/bias': Float32Array.of(i, 1, 2) } });
    answers.push(last);
    if (i % 40 === 10) proxy.cut('reset');
    if (i % 40 === 20) way.cut('end');
    if (i % 40 === 30) proxy.cutAfter(700, 'reset');
    if (i === 105) {
      await near.close();
      [near] = await chainOf(1, proxy.url, { listen: { port } });
    }
    if (i % 5 === 0) await last;
  }
  const versions = (await Promise.all(answers)).map(({ version }) => version);
  assert.equal(
    versions,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  assert.is(stand.version(), 200);
  await worker.reached(200);
  assert.is(worker.digest(), stand.digest());
  assert.ok(worker.counts.connections > 3, `${worker.counts.connections} connections`);
  await closeAll([worker, far, near, way, proxy, stand]);
});

test('the same bytes by relay, trainer and HTTP are one batch', async () => {
  const stand = await Stand.start({ closeMs: 50 });
  const relays = await chainOf(2, stand.url);
  const frame = batchOf('curl', 1, 0);
  const { status, body } = await post(relays[1].url, frame);
  assert.is(status, 200);
  assert.equal(body, { type: 'ack', sequence: 1, version: 1, duplicate: false });
  assert.is(relays[1].version, 1, 'the relay has the version that it acknowledges');
  for (const { url } of [...relays, stand]) {
    const again = await post(url, frame);
    assert.equal(again.body, { type: 'ack', sequence: 1, version: 1, duplicate: true });
  }
  const { client } = await join(relays[0].port, { role: 'worker', producer: 'curl', producerEpoch: 0 });
  client.binary(frame);
  assert.is((await answerTo(client)).answer.duplicate, true);
  client.binary(batchOf('curl', 2, 0));
  assert.is((await answerTo(client)).answer.duplicate, false, 'another batch is another');
  assert.is(stand.version(), 2);
  client.end();
  await closeAll([...relays.reverse(), stand]);
});

test('HTTP refusals through a relay have the trainer’s code and status; without an upstream they ask for the same again', async () => {
  const stand = await Stand.start({ closeMs: 50 });
  const relays = await chainOf(2, stand.url);
  for (const frame of [batchOf('x', 1, 1, 50), Buffer.from('nothing'), new Uint8Array(0)]) {
    const own = await post(stand.url, frame);
    const through = await post(relays[1].url, frame);
    assert.equal(through, own);
    assert.ok(own.status >= 400);
  }
  const far = relays[1];
  await stand.close();
  await relayIs(relays[0], (each) => each.status.state === 'connecting');
  for (const each of [relays[0], far]) {
    const { status, body } = await post(each.url, batchOf('x', 1));
    assert.is(status, 503);
    assert.is(body.code, 'E_NOT_READY');
    assert.is(body.retryable, true);
  }
  await closeAll(relays.reverse());
});

test('a worker’s credit holds at a relay, and a trainer that answers late is not sent more than its own', async () => {
  const stand = await Stand.start({ closeMs: 50, lazy: true, creditBatches: 2 });
  const [near] = await chainOf(1, stand.url, { listen: { creditBatches: 5 } });
  const { client } = await join(near.port, { role: 'worker', producer: 'w' });
  for (let i = 1; i <= 5; i++) client.binary(batchOf('w', i));
  while (stand.arrived.length < 2) await turn();
  const other = await join(near.port, { role: 'worker', producer: 'other' });
  other.client.binary(batchOf('other', 1));
  while (stand.arrived.length < 3) await turn();
  assert.is(stand.arrived.length, 3, 'two of one worker and one of the other: nobody takes another’s credit');
  for (let done = 0; done < 6; done++) {
    while (stand.arrived.length === 0) await turn();
    stand.fold(stand.arrived.shift() as never);
  }
  for (let i = 1; i <= 5; i++) assert.is((await answerTo(client)).answer.sequence, i);
  for (let i = 6; i <= 11; i++) client.binary(batchOf('w', i));
  const { code } = await client.closed();
  assert.is(code, 4006);
  other.client.end();
  stand.work();
  await closeAll([near, stand]);
});

test('a worker’s connection ends with its way up, and what it had not heard of is not called refused', async () => {
  const stand = await Stand.start({ closeMs: 50, lazy: true });
  const proxy = await ChaosProxy.start(stand.server.port);
  const [near] = await chainOf(1, proxy.url);
  const { client } = await join(near.port, { role: 'worker', producer: 'w' });
  await client.nextBinary();
  client.binary(batchOf('w', 1));
  while (stand.arrived.length < 1) await turn();
  proxy.refusing = true;
  proxy.cut('reset');
  const message = await client.next();
  assert.is(message.kind, 'close', 'no answer comes before the close');
  assert.is(message.kind === 'close' && message.code, 4005);
  const returning = await join(near.port, { role: 'worker', producer: 'w', producerEpoch: 1 }).catch(({ message: text }) => text);
  assert.match(String(returning), /4005.*E_CONNECTION/);
  proxy.refusing = false;
  stand.work();
  await relayReaches(near, 1);
  const back = await join(near.port, { role: 'worker', producer: 'w', producerEpoch: 1 });
  assert.is(back.welcome.sequence, 1);
  back.client.end();
  await closeAll([near, proxy, stand]);
});

test('a worker that asks for no frames gets answers and heartbeats alone', async () => {
  const stand = await Stand.start({ closeMs: 50, heartbeatMs: 20 });
  const { client, welcome } = await join(stand.server.port, { role: 'worker', producer: 'w', mode: 'none' });
  const usual = await join(stand.server.port, { role: 'worker', producer: 'v' });
  assert.is(welcome.resumed, false);
  client.binary(batchOf('w', 1));
  assert.equal(await answerTo(client), { answer: { type: 'ack', sequence: 1, version: 1, duplicate: false }, before: [] });
  for (let i = 0; i < 50; i++) stand.step();
  assert.is((await client.nextText()).type, 'heartbeat');
  assert.is((await usual.client.nextBinary()).byteLength > 0, true, 'the other gets them');
  assert.equal(
    stand.server.replicas.map(({ lag }) => lag),
    [0, 0],
  );
  for (const each of [client, usual.client]) each.end();
  await closeAll([stand]);
});

test.run();
