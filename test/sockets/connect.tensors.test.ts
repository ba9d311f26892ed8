// Following some tensors only: the same versions, checks and digests, fewer bytes, and one derived frame for all who follow the same.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { connect } from '../../streams/sockets/index.ts';
import { sameBits } from '../support/bits.ts';
import { refused } from '../support/refused.ts';
import { codeOf, quick, scripted, until, welcome, withProxy } from './connected.ts';
import { join, readFrame } from './raw.ts';
import type { Stand } from './stand.ts';

const bias = 'dense/bias';

const digestOfBias = (stand: Stand): string => digestOf(bytesOf(stand.published.weights.get(bias)));

test('a replica of some tensors has those, with the trainer’s bits at every version, also after cuts', () =>
  withProxy({}, async (stand, proxy) => {
    stand.step();
    const replica = connect(proxy.url, { ...quick, tensors: ['scale', bias] });
    const other = connect(stand.url, { tensors: [bias, 'scale'] });
    await Promise.all([replica.ready, other.ready]);
    assert.equal(replica.layout.toJSON(), { 'dense/bias': [3], scale: [] });
    const versions: number[] = [];
    replica.version$.subscribe((version) => versions.push(version));
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 10; i++) stand.step();
      if (round % 10 === 9) proxy.cut('reset');
      await replica.reached(stand.version());
      sameBits(replica.weights.get(bias), stand.published.weights.get(bias));
      sameBits(replica.weights.get('scale'), stand.published.weights.get('scale'));
    }
    assert.equal(
      versions,
      Array.from({ length: 301 }, (_, i) => i + 1),
    );
    await other.reached(301);
    assert.is(other.digest(), replica.digest());
    assert.equal([replica.counts.resumed, replica.counts.reset, replica.counts.troubles, other.counts.troubles], [3, 0, 0, 0]);
    refused('E_UNKNOWN', () => replica.weights.get('dense/kernel' as 'scale'), /the model has 2 tensors/);
    await Promise.all([replica.close(), other.close()]);
  }));

test('frames hold those tensors alone, with check and digest of what is sent; a version that touches none is empty', () =>
  withProxy({ heartbeatMs: 30 }, async (stand) => {
    const { client, welcome: said } = await join(stand.server.port, { role: 'replica', tensors: [bias] });
    assert.equal(said.layout, { 'dense/bias': [3] });
    const first = readFrame(await client.nextBinary());
    assert.equal([...first.tensors.keys()], [bias]);
    assert.is(first.metadata.digest, digestOfBias(stand));
    stand.step();
    const touched = readFrame(await client.nextBinary());
    assert.equal([...touched.tensors.keys()], [bias]);
    assert.is(touched.metadata.check, digestOf(bytesOf(stand.published.weights.get(bias))));
    stand.step({ 'dense/kernel': { rows: Int32Array.of(1), values: new Float32Array(3).fill(1) } });
    const empty = await client.nextBinary();
    assert.equal([...readFrame(empty).tensors.keys()], []);
    assert.equal([readFrame(empty).metadata.from, readFrame(empty).metadata.version], ['1', '2']);
    assert.is((await client.nextText()).digest, digestOfBias(stand), 'a heartbeat too');
    for (let i = 3; i <= 256; i++) stand.step();
    let last = readFrame(await client.nextBinary());
    while (last.metadata.version !== '256') last = readFrame(await client.nextBinary());
    assert.is(last.metadata.digest, digestOfBias(stand));
    client.end();
  }));

test('the position of a replica of some tensors is judged by the digest of these', () =>
  withProxy({}, async (stand) => {
    stand.step();
    const first = await join(stand.server.port, { role: 'replica', tensors: [bias] });
    const resume = { run: 'run-1', epoch: 1, version: 1, digest: digestOfBias(stand) };
    const again = await join(stand.server.port, { role: 'replica', tensors: [bias], resume });
    assert.equal([again.welcome.resumed, again.welcome.reason], [true, null]);
    const wrong = await join(stand.server.port, { role: 'replica', tensors: ['scale'], resume });
    assert.equal([wrong.welcome.resumed, wrong.welcome.reason], [false, 'diverged']);
    for (const { client } of [first, again, wrong]) client.end();
  }));

test('a tensor that the model does not have is refused for good, and one choice too many for now', () =>
  withProxy({ subsets: 1 }, async (stand) => {
    const unknown = connect(stand.url, { tensors: ['dense/bais'] });
    assert.is(await codeOf(unknown.closed), 'E_UNKNOWN');
    const one = connect(stand.url, { tensors: [bias] });
    await one.ready;
    const many = connect(stand.url, { ...quick, tensors: ['scale'] });
    const reasons: (string | undefined)[] = [];
    many.status$.subscribe(({ reason }) => reasons.push(reason));
    await until(() => reasons.length > 2);
    assert.match(reasons[1] ?? '', /E_BUSY: 1 other choices/);
    await one.close();
    await many.ready;
    await Promise.all([unknown.close(), many.close()]);
  }));

test('workers and recorders need all tensors', () =>
  withProxy({}, async (stand) => {
    refused('E_CONFIG', () => connect(stand.url, { role: 'worker', tensors: [bias] } as never), /a worker needs all tensors/);
    for (const role of ['worker', 'recorder']) {
      const message = await join(stand.server.port, { role, tensors: [bias] }).catch((error: Error) => error.message);
      assert.match(String(message), new RegExp(`4502.*E_FORBIDDEN: a ${role} needs all tensors`));
    }
  }));

test('names that do not do, or do not fit into a hello, are refused before anything is sent', () => {
  const refuse = (tensors: unknown, text: RegExp): unknown =>
    refused('E_CONFIG', () => connect('http://127.0.0.1:1', { tensors: tensors as string[] }), text);
  for (const wrong of [[], 'w', [''], [1], ['w', 'w']]) refuse(wrong, /tensors must be a list of distinct names/);
  refuse(
    Array.from({ length: 200 }, (_, i) => `layers/${i}/dense/kernel`),
    /200 tensors take \d+ bytes, a hello has room for 3072; follow all/,
  );
});

test('a trainer that does not know of subsets is not taken for one that does', async () => {
  const { url, stop } = await scripted((_, send) => send({ ...welcome, layout: { w: [1], v: [1] } }));
  const replica = connect(url, { tensors: ['w'] });
  assert.is(await codeOf(replica.closed), 'E_PROTOCOL');
  await stop();
});

test.run();
