// SIGKILL, hundreds of times: what was acknowledged is in the recording, once, and the weights are those of a trainer that never died.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, lastValueFrom } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { replay } from '../../streams/recordings/index.ts';
import { connect } from '../../streams/sockets/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { sameBits } from '../support/bits.ts';
import { figure, quantile } from '../support/figures.ts';
import { chance, seed } from '../support/random.ts';
import { sameState } from '../support/states.ts';
import { type Aim, aimOf, aims, kill, type Sights } from './aims.ts';
import { type Audit, audit } from './audit.ts';
import { type Accepting, type LifeOptions, Lives, steadyPort } from './lives.ts';
import { type Acked, type Name, nextAck, Pushing, shapes } from './pushing.ts';

// watchdog: 400 s

const kills = Number(process.env.GRADWIRE_KILLS ?? (process.env.GRADWIRE_LONG === '1' ? 1000 : 200));
const optimizer = { preset: 'keras3', lr: 0.01, momentum: 0.9, centered: true, sparse: 'lazy' } as const;

const test = suite('kills', { directory: '' });
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'gradwire-kills-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

async function optionsFor(directory: string): Promise<LifeOptions> {
  return {
    directory,
    model: shapes,
    optimizer,
    // small and frequent, so that kills fall into snapshots and rotations
    segmentBytes: 250_000,
    snapshots: { every: 150, keep: 2 },
    listen: { port: await steadyPort(), closeMs: 100 },
  };
}

/** What became of the kills. */
interface Toll {
  readonly byAim: Map<Aim, { kills: number; hits: number }>;
  readonly accepted: Accepting[];
}

/** Begins lives and ends them, `count` times; `between` is awaited while no trainer lives. */
async function killEach(
  lives: Lives,
  { count, between, ...sights }: Sights & { readonly count: number; readonly between: (i: number) => Promise<void> },
): Promise<Toll> {
  const toll: Toll = { byAim: new Map(aims.map((aim) => [aim, { kills: 0, hits: 0 }])), accepted: [] };
  for (let i = 1; i <= count; i++) {
    const life = await lives.begin();
    life.accepting.then(
      (accepting) => toll.accepted.push(accepting),
      () => undefined,
    );
    // the first must live to make the run
    const aim = i === 1 ? 'any moment' : aimOf(sights.random);
    const counts = toll.byAim.get(aim) as { kills: number; hits: number };
    counts.kills += 1;
    if (await kill(aim, life, sights)) counts.hits += 1;
    await between(i);
  }
  return toll;
}

function acksOf(workers: readonly Pushing[]): Acked[] {
  return workers.flatMap(({ acks }) => acks);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

test(`${kills} kills at any moment and at delicate ones: nothing acknowledged is lost, nothing is applied twice, and all bits are the same`, async ({
  directory,
}) => {
  const options = await optionsFor(directory);
  const url = `http://127.0.0.1:${options.listen.port}`;
  const lives = new Lives(options);
  const workers = [1, 2, 3].map((i) => new Pushing(url, { producer: `worker-${i}`, seed: seed + i }));
  const replica = connect<Name>(url, { backoffMinMs: 2, backoffMaxMs: 16 });
  const faults: string[] = [];
  replica.updates$.subscribe(({ version, from, kind }) => {
    if (version < from || (kind === 'update' && version !== from + 1)) faults.push(`${kind} from ${from} to ${version}`);
  });
  const audits: Audit[] = [];
  const between = async (i: number): Promise<void> => {
    if (i % 50 === 0) audits.push(await audit(directory, acksOf(workers)));
  };
  const sights = { directory, random: chance(), nextAck: () => nextAck(workers) };
  const toll = await killEach(lives, { ...sights, count: kills, between });

  const survivor = await lives.begin({ last: true });
  const { epoch } = await survivor.accepting;
  await Promise.all(workers.map((each) => each.stop()));
  const acks = acksOf(workers);
  await replica.reached(acks.reduce((newest, { version }) => Math.max(newest, version), 0));
  const digest = replica.digest();
  const replicaWeights = replica.weights.flat.slice();
  await Promise.all([...workers.map(({ worker }) => worker), replica].map((each) => each.close()));
  survivor.child.kill('SIGTERM');
  assert.is(await survivor.ended, 0);

  const alone = new RMSprop(layout(shapes), optimizer);
  const last = await audit(directory, acks, ({ checked }) => alone.step(checked));
  audits.push(last);
  report(toll, audits, workers, epoch);
  for (const { lost, twice, gaps } of audits) assert.equal({ lost, twice, gaps }, { lost: 0, twice: 0, gaps: 0 }, `seed ${seed}`);
  assert.ok(last.acknowledged > kills * 10, `only ${last.acknowledged} batches were acknowledged`);
  assert.is(last.acknowledged, last.recorded, 'each batch was acknowledged in the end');
  assert.equal(
    workers.map(({ refused, changed }) => [[...refused], changed]),
    workers.map(() => [[], 0]),
  );
  assert.equal(faults, [], `the replica's versions (seed ${seed})`);

  const [newest = ''] = readdirSync(directory)
    .filter((name) => name.startsWith('snap-'))
    .sort()
    .reverse();
  const { state } = decodeSnapshot(readFileSync(join(directory, newest)));
  sameState(state, alone.state(), `the last trainer's state (seed ${seed})`);
  sameBits(replicaWeights, alone.parameters.flat, `the replica's weights (seed ${seed})`);
  assert.is(digest, alone.digest());
  await compareWithTwin(directory, alone);
  figure(
    `kills: weights and accumulators after ${last.recorded} batches equal as bits: the last of ${epoch} trainers, a fold that never died, a second trainer, a replica`,
  );
});

/** A second live trainer, which is pushed the same batches in the same order, ends in the same state. */
async function compareWithTwin(directory: string, alone: RMSprop<Name>): Promise<void> {
  const model = layout(shapes);
  const folder = join(directory, 'twin');
  const twin = await trainer({ model, optimizer, directory: folder, durability: 'os' });
  const push$ = replay<Name>(directory, { model }).pipe(
    concatMap(({ gradients, producer, producerEpoch, sequence, base, examples }) =>
      twin.push({ gradients, producer, producerEpoch, sequence, base, examples }),
    ),
  );
  const { version, duplicate } = await lastValueFrom(push$);
  assert.equal({ version, duplicate }, { version: alone.version, duplicate: false });
  await twin.close();
  const { state } = decodeSnapshot(readFileSync(twin.snapshot as string));
  sameState(state, alone.state(), `the twin's state (seed ${seed})`);
}

function report({ byAim, accepted }: Toll, audits: readonly Audit[], workers: readonly Pushing[], epochs: number): void {
  const last = audits[audits.length - 1];
  const aimed = [...byAim].map(([aim, { kills, hits }]) => `${aim} ${kills} (${hits} hit)`);
  const acks = acksOf(workers);
  figure(`kills: ${kills} SIGKILLs (seed ${seed}), ${epochs} epochs: ${aimed.join(', ')}`);
  figure(
    `kills: ${acks.length} batches acknowledged, ${last.recorded} recorded, lost ${last.lost}, applied twice ${last.twice}, gaps ${last.gaps}, in ${audits.length} audits`,
  );
  figure(
    `kills: ${sum(workers.map(({ resends }) => resends))} resends, of which ${acks.filter(({ duplicate }) => duplicate).length} were answered as duplicates`,
  );
  const times = (values: readonly number[]): string =>
    [0.5, 0.99].map((part) => `${quantile(values, part).toFixed(0)} ms`).join(' / ');
  figure(
    `kills: from the start of the process to accepting p50 / p99 ${times(accepted.map(({ startMs }) => startMs))}, of which recovery ${times(accepted.map(({ recoveryMs }) => recoveryMs))} (${accepted.length} starts)`,
  );
}

/** A short run against a trainer that lacks a protection: what the audit finds after the kill that shows it, or after 100. */
async function controlled(
  directory: string,
  without: Partial<LifeOptions>,
  shows: (found: Audit) => boolean,
): Promise<Audit & { readonly kills: number }> {
  // where batches are lost, a snapshot of them would make the trainer refuse to start
  const options = { ...(await optionsFor(directory)), snapshots: { every: 1e9, intervalMs: 1e9 }, ...without };
  const url = `http://127.0.0.1:${options.listen.port}`;
  const lives = new Lives(options);
  const workers = [1, 2, 3].map((i) => new Pushing(url, { producer: `worker-${i}`, seed: seed + i }));
  const sights = { directory, random: chance(), nextAck: () => nextAck(workers) };
  let found: Audit;
  let count = 0;
  do {
    await kill('the instant of an ack', await lives.begin(), sights);
    count += 1;
    found = await audit(directory, acksOf(workers));
  } while (!shows(found) && count < 100);
  await lives.end();
  await Promise.all(workers.map((each) => each.close()));
  return { ...found, kills: count };
}

test('control: with durability "none" the same audit finds batches that are lost', async ({ directory }) => {
  // a kill comes a millisecond after the ack, which is as long as a busy machine's write
  const writeMs = 20;
  const found = await controlled(join(directory, 'none'), { durability: 'none', writeMs }, ({ lost }) => lost > 0);
  figure(
    `kills, control: durability "none": lost ${found.lost} of ${found.acknowledged} acknowledged after ${found.kills} kills`,
  );
  assert.ok(found.lost > 0, `seed ${seed}`);
  let looks = 0;
  const kept = await controlled(join(directory, 'fsync'), { writeMs }, () => ++looks === 3);
  assert.is(kept.lost, 0, `seed ${seed}`);
  assert.ok(kept.acknowledged > 0);
});

test('control: where the dedupe windows are not rebuilt the same audit finds batches that are applied twice', async ({
  directory,
}) => {
  const found = await controlled(directory, { forgetful: true }, ({ twice }) => twice > 0);
  figure(`kills, control: windows that are not rebuilt: applied twice ${found.twice} after ${found.kills} kills`);
  assert.ok(found.twice > 0, `seed ${seed}`);
  assert.is(found.lost, 0);
});

test.run();
