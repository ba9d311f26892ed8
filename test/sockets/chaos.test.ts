// Random cuts, seeded: replicas and workers behind a proxy that breaks their connections, and nothing of it shows in the weights.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type Pushed, type RemoteReplica, type RemoteWorker } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { Stand, type StandOptions } from './stand.ts';

const seed = Number(process.env.GRADWIRE_SEED ?? 20_260_301);

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
function watch(replica: RemoteReplica, stand: Stand): { readonly versions: number[]; readonly faults: string[] } {
  const versions: number[] = [];
  const faults: string[] = [];
  replica.updates$.subscribe({
    next: ({ kind, version, from }) => {
      const last = versions.at(-1) ?? 0;
      if (replica.digest() !== stand.digests[version]) faults.push(`version ${version} has other bits`);
      if (from !== last) faults.push(`${version} says it follows on ${from}, it followed on ${last}`);
      if (kind === 'update' && version !== last + 1) faults.push(`update ${version} after ${last}`);
      if (version < last) faults.push(`a step back from ${last} to ${version}`);
      versions.push(version);
    },
    error: (error) => faults.push(String(error)),
  });
  return { versions, faults };
}

/** Pushes batches, some at a time, and gives every answer. */
async function pushAll(worker: RemoteWorker, count: number, random: () => number): Promise<Pushed[]> {
  const answers: Promise<Pushed>[] = [];
  for (let i = 0; i < count; i++) {
    const values = Float32Array.from({ length: 3 }, () => random() - 0.5);
    answers.push(
      worker.push({
        gradients: random() < 0.5 ? { 'dense/bias': values } : { 'dense/kernel': { rows: Int32Array.of(2), values } },
      }),
    );
    if (random() < 0.3) await answers[i];
  }
  return Promise.all(answers);
}

/** Breaks connections at random, every few versions; gives the count of cuts so far. */
function breakThings(stand: Stand, proxies: readonly ChaosProxy[], random: () => number): () => number {
  let cuts = 0;
  let next = 10;
  stand.published$.subscribe(({ version }) => {
    if (version < next) return;
    next = version + Math.floor(random() * 25);
    const proxy = proxies[Math.floor(random() * proxies.length)];
    const how = random() < 0.5 ? 'end' : 'reset';
    proxy.latencyMs = random() < 0.2 ? 2 : 0;
    if (random() < 0.5) proxy.cut(how);
    else proxy.cutAfter(Math.floor(random() * 5000), how);
    cuts += 1;
  });
  return () => cuts;
}

async function storm(options: StandOptions, salt: number): Promise<{ resets: number; resumes: number; cuts: number }> {
  const random = randomOf(seed + salt);
  const stand = await Stand.start({ closeMs: 100, ...options });
  const proxies = await Promise.all(Array.from({ length: 5 }, () => ChaosProxy.start(stand.server.port)));
  const quick = { backoffMinMs: 1, backoffMaxMs: 4, random } as const;
  const workers = [0, 1].map((i) => connect(proxies[i].url, { ...quick, role: 'worker', producer: `w${i}` }));
  const replicas = [...workers, ...[2, 3, 4].map((i) => connect(proxies[i].url, quick))];
  const histories = replicas.map((replica) => watch(replica, stand));
  const cuts = breakThings(stand, proxies, random);
  const answers = await Promise.all(workers.map((worker) => pushAll(worker, 400, random)));
  assert.is(stand.version(), 800, 'each batch is folded exactly once');
  assert.equal(
    answers
      .flat()
      .map(({ version }) => version)
      .sort((a, b) => a - b),
    Array.from({ length: 800 }, (_, i) => i + 1),
  );
  await Promise.all(replicas.map((replica) => replica.reached(800)));
  for (const [i, { faults, versions }] of histories.entries()) {
    assert.equal(faults, [], `seed ${seed}, replica ${i}`);
    assert.is(versions.at(-1), 800);
    assert.is(replicas[i].digest(), stand.digest());
  }
  const resets = replicas.reduce((sum, { counts }) => sum + counts.reset, 0);
  const resumes = replicas.reduce((sum, { counts }) => sum + counts.resumed, 0);
  assert.is(
    replicas.reduce((sum, { counts }) => sum + counts.troubles, 0),
    0,
  );
  await Promise.all(replicas.map((replica) => replica.close()));
  await stand.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  return { resets, resumes, cuts: cuts() };
}

test('through random cuts each version is the trainer’s, each batch is folded once, and nothing starts over', async () => {
  const { resets, resumes, cuts } = await storm({}, 0);
  assert.is(resets, 0, `seed ${seed}`);
  assert.ok(resumes > 20, `${resumes} resumes after ${cuts} cuts, seed ${seed}`);
});

test('with a backlog of eight frames some start over, and still every version is the trainer’s', async () => {
  const { resets, resumes, cuts } = await storm({ backlogFrames: 8, resetMs: 5 }, 1);
  assert.ok(resets > 0 && resumes > 0, `${resets} resets and ${resumes} resumes after ${cuts} cuts, seed ${seed}`);
});

test.run();
