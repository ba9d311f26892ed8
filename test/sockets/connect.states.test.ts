// How a replica stands, and what it finds wrong: each kind of fault is counted, told, and healed without anybody's help.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeWeights } from '../../src/frames/weights.ts';
import { type ConnectionStatus, connect, type FaultKind, type RemoteReplica } from '../../streams/sockets/index.ts';
import { quick, script, scripted, until, welcome, withProxy } from './connected.ts';
import { Stand } from './stand.ts';

/** The states of a replica, as they come. */
function statesOf(replica: RemoteReplica): ConnectionStatus[] {
  const states: ConnectionStatus[] = [];
  replica.status$.subscribe((status) => states.push(status));
  return states;
}

const names = (states: readonly ConnectionStatus[]): string[] => states.map(({ state }) => state);

test('a replica connects, is live, loses its connection, and is closed', () =>
  withProxy({}, async (stand, proxy) => {
    const replica = connect(proxy.url, quick);
    const states = statesOf(replica);
    await replica.ready;
    proxy.cut('reset');
    await until(() => replica.counts.resumed === 1);
    stand.step();
    await replica.reached(1);
    await replica.close();
    assert.equal(names(states), ['connecting', 'live', 'connecting', 'live', 'closed']);
    assert.equal(states[0], { state: 'connecting' });
    assert.match(states[2].reason ?? '', /\S/);
  }));

test('one that resumes far from the trainer’s version is behind until it has caught up', async () => {
  const { weights, updates } = script();
  let rest = (): void => undefined;
  const { url, hellos, stop } = await scripted((hello, send, close) => {
    send({ ...welcome, version: hellos.length === 1 ? 0 : 6, resumed: hello.resume !== undefined });
    if (hellos.length === 1) {
      send(weights);
      close(4007);
    } else rest = () => void updates.map((frame) => send(frame));
  });
  const replica = connect(url, { ...quick, behindBy: 3 });
  const states = statesOf(replica);
  await until(() => names(states).includes('behind'));
  assert.match(states.at(-1)?.reason ?? '', /the trainer is at version 6, these weights are of 0/);
  assert.is(replica.stamp().version, 0, 'they are old, and right');
  rest();
  await replica.reached(6);
  assert.equal(names(states).slice(-2), ['behind', 'live']);
  await replica.close();
  await stop();
});

test('control: with a wider bound the same replica is live', async () => {
  const { weights } = script();
  const { url, stop } = await scripted((hello, send, close) => {
    send({ ...welcome, version: 6, resumed: hello.resume !== undefined });
    if (hello.resume !== undefined) return;
    send(weights);
    close(4007);
  });
  const replica = connect(url, { ...quick, behindBy: 6 });
  const states = statesOf(replica);
  await until(() => replica.counts.resumed === 1);
  assert.equal(names(states).at(-1), 'live');
  await replica.close();
  await stop();
});

test('a heartbeat that tells of versions which do not come makes it behind, and then come back to ask for them', async () => {
  const { stand, weights, updates } = script();
  const { url, hellos, stop } = await scripted((hello, send) => {
    send({ ...welcome, version: 0, resumed: hello.resume !== undefined });
    if (hello.resume !== undefined) for (const frame of updates) send(frame);
    else {
      send(weights);
      for (let i = 0; i < 4; i++) send({ type: 'heartbeat', epoch: 1, version: 6, digest: stand.digests[6] });
    }
  });
  const replica = connect(url, quick);
  const states = statesOf(replica);
  await replica.reached(6);
  assert.equal(hellos[1].resume, { run: 'run-1', epoch: 1, version: 0, digest: stand.digests[0] });
  assert.equal(names(states), ['connecting', 'live', 'behind', 'resyncing', 'live']);
  assert.equal([replica.counts.faults.gap, replica.counts.troubles], [1, 1]);
  await replica.close();
  await stop();
});

/** Frames of the same version with other weights, and of an older epoch. */
function strangers(): { fork: Uint8Array; older: Uint8Array } {
  const other = new Stand();
  other.step({ 'dense/bias': Float32Array.of(9, 9, 9) });
  const position = { model: 'default', run: 'run-1', version: 1 };
  return {
    fork: encodeWeights({ ...position, epoch: 1 }, other.published.weights),
    older: encodeWeights({ ...position, epoch: 0, version: 9 }, other.published.weights),
  };
}

const flipped = (frame: Uint8Array): Uint8Array => frame.map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte));

const faults: readonly (readonly [FaultKind, string, (updates: readonly Uint8Array[]) => object | Uint8Array])[] = [
  ['check', 'a flipped bit', (updates) => flipped(updates[1])],
  ['digest', 'weights without their digest', () => flipped(strangers().fork)],
  ['gap', 'a missing update', (updates) => updates[2]],
  ['fork', 'other weights of the version that it holds', () => strangers().fork],
  ['fork', 'a heartbeat with another digest', () => ({ type: 'heartbeat', epoch: 1, version: 1, digest: '0123456789abcdef' })],
  ['epoch', 'a frame of an older epoch', () => strangers().older],
  ['frame', 'bytes that are no frame', () => Uint8Array.of(1, 2, 3)],
  ['frame', 'a message that is broken', () => ({ type: 'heartbeat', epoch: -1 })],
];

for (const [kind, what, spoil] of faults) {
  test(`${what}: counted as ${kind}, told, healed, and never read as right`, async () => {
    const { stand, weights, updates } = script();
    const { url, hellos, stop } = await scripted((hello, send) => {
      const resumed = hello.resume !== undefined;
      send({ ...welcome, version: 1, resumed });
      if (!resumed) for (const frame of [weights, updates[0]]) send(frame);
      if (hellos.length === 1) send(spoil(updates));
      else for (const frame of updates.slice(1)) send(frame);
    });
    const replica = connect(url, quick);
    const states = statesOf(replica);
    const wrong: string[] = [];
    replica.status$.subscribe(() => {
      if (!replica.readable) return;
      replica.read((_, { version }) => {
        if (replica.digest() !== stand.digests[version]) wrong.push(`version ${version}`);
      });
    });
    await replica.reached(6);
    assert.equal(wrong, []);
    assert.equal(replica.digest(), stand.digests[6]);
    const { faults: counted, troubles, connections } = replica.counts;
    assert.equal({ ...counted, [kind]: counted[kind] - 1 }, { check: 0, digest: 0, gap: 0, fork: 0, epoch: 0, frame: 0 });
    assert.equal([troubles, connections], [1, 2]);
    assert.equal(names(states), ['connecting', 'live', 'resyncing', 'live']);
    assert.match(states[2].reason ?? '', /^E_/);
    await replica.close();
    await stop();
  });
}

test('a trainer that says the weights are other ones than its own is believed: nothing is read until its own are there', async () => {
  const { stand, weights, updates } = script();
  let heal = (): void => undefined;
  const { url, hellos, stop } = await scripted((_, send, close) => {
    const first = hellos.length === 1;
    send({ ...welcome, reason: first ? null : 'diverged' });
    if (first) {
      send(weights);
      close(4007);
    } else heal = () => void [weights, ...updates].map((frame) => send(frame));
  });
  const replica = connect(url, quick);
  const states = statesOf(replica);
  await until(() => replica.counts.reset === 1);
  assert.equal([replica.readable, replica.counts.faults.fork], [false, 1]);
  assert.equal(states.at(-1), { state: 'resyncing', reason: 'the trainer sends all weights: diverged' });
  heal();
  await replica.reached(6);
  assert.equal([replica.readable, replica.digest()], [true, stand.digests[6]]);
  await replica.close();
  await stop();
});

test('mode goes from the client to the server: the latest skips versions, every one does not', async () => {
  for (const mode of ['every', 'latest'] as const) {
    const { url, hellos, stop } = await scripted((_, send) => send(welcome));
    const replica = connect(url, { ...quick, mode });
    await until(() => hellos.length === 1);
    assert.is(hellos[0].mode, mode);
    await replica.close();
    await stop();
  }
});

test.run();
