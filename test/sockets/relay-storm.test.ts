// Random cuts at every link of a tree of relays, seeded; relays that die and come back; and nothing of it shows in the weights.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type Pushed, type Relay, type RemoteReplica, type ServeOptions } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { chainOf, closeAll, quick } from './relays.ts';
import { Stand } from './stand.ts';

const seed = Number(process.env.GRADWIRE_SEED ?? 20_260_302);

/** Mulberry32: the same numbers for the same seed. */
function randomOf(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What is wrong with a replica's history, as it happens. */
function faultsOf(replica: RemoteReplica, stand: Stand): string[] {
  const faults: string[] = [];
  let last = 0;
  replica.updates$.subscribe({
    next: ({ kind, version, from }) => {
      if (replica.digest() !== stand.digests[version]) faults.push(`version ${version} has other bits`);
      if (from !== last) faults.push(`${version} says it follows on ${from}, it followed on ${last}`);
      if (kind === 'update' && version !== last + 1) faults.push(`update ${version} after ${last}`);
      if (version < last) faults.push(`a step back from ${last} to ${version}`);
      last = version;
    },
    error: (error) => faults.push(String(error)),
  });
  return faults;
}

interface Storm {
  readonly resets: number;
  readonly resumes: number;
  readonly restarts: number;
}

async function storm(options: ServeOptions, salt: number): Promise<Storm> {
  const random = randomOf(seed + salt);
  const stand = await Stand.start({ closeMs: 50, ...options });
  const top = await ChaosProxy.start(stand.server.port);
  let [near] = await chainOf(1, top.url, { random, listen: options });
  const middle = await ChaosProxy.start(near.port);
  const [far] = await chainOf(1, middle.url, { random, listen: options });
  const ways = await Promise.all([near.port, far.port, far.port, stand.server.port].map((port) => ChaosProxy.start(port)));
  const workers = [0, 1].map((i) => connect(ways[i].url, { ...quick, random, role: 'worker', producer: `w${i}` }));
  const replicas = [...workers, ...ways.slice(2).map(({ url }) => connect(url, { ...quick, random }))];
  const faults = replicas.map((replica) => faultsOf(replica, stand));
  const proxies = [top, middle, ...ways];
  let restarts = 0;
  async function restart(): Promise<void> {
    restarts += 1;
    const { port } = near;
    await near.close();
    [near] = await chainOf(1, top.url, { random, listen: { ...options, port } });
  }
  const answers: Promise<Pushed>[] = [];
  for (let i = 0; i < 400; i++) {
    const values = Float32Array.from({ length: 3 }, () => random() - 0.5);
    const answer = workers[i % 2].push({ gradients: { 'dense/bias': values } });
    answers.push(answer);
    if (random() < 0.3) await answer;
    const proxy = proxies[Math.floor(random() * proxies.length)];
    const chance = random();
    if (chance < 0.1) proxy.cut(random() < 0.5 ? 'end' : 'reset');
    else if (chance < 0.2) proxy.cutAfter(Math.floor(random() * 5000), 'reset');
    if (i === 150 || i === 300) await restart();
  }
  const versions = (await Promise.all(answers)).map(({ version }) => version).sort((a, b) => a - b);
  assert.equal(
    versions,
    Array.from({ length: 400 }, (_, i) => i + 1),
    `each batch is folded exactly once, seed ${seed}`,
  );
  await Promise.all(replicas.map((replica) => replica.reached(400)));
  assert.equal(
    faults,
    replicas.map(() => []),
    `seed ${seed}`,
  );
  for (const each of [...replicas, near, far] as (RemoteReplica | Relay)[]) assert.is(each.digest(), stand.digest());
  const sum = (name: 'reset' | 'resumed' | 'troubles'): number => replicas.reduce((all, { counts }) => all + counts[name], 0);
  assert.is(sum('troubles'), 0, `seed ${seed}`);
  await closeAll([...replicas, far, near, stand, ...proxies]);
  return { resets: sum('reset'), resumes: sum('resumed'), restarts };
}

test('through random cuts above, between and below relays, and the death of one, every version is the trainer’s', async () => {
  const { resumes, restarts } = await storm({}, 0);
  assert.ok(resumes > 10, `${resumes} resumes, seed ${seed}`);
  assert.is(restarts, 2);
});

test('with backlogs of eight frames some start over, skip or resume, and still every version is the trainer’s', async () => {
  const { resets, resumes } = await storm({ backlogFrames: 8, resetMs: 5 }, 1);
  assert.ok(resets > 0 && resumes > 0, `${resets} resets and ${resumes} resumes, seed ${seed}`);
});

test.run();
