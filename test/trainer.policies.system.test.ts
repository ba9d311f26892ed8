// A trainer's policies on real sockets: workers that are too fast, too wild or too late, rounds, and a worker that dies in one.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, lastValueFrom, Subject, take, toArray } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradwireError } from '../src/errors.ts';
import { encodeGradients } from '../src/frames/gradients.ts';
import { checkGradients } from '../src/gradients/check.ts';
import { meanOf } from '../src/gradients/mean.ts';
import { layout } from '../src/layout.ts';
import { RMSprop } from '../src/rmsprop/rmsprop.ts';
import type { Tapped } from '../streams/operators/index.ts';
import { openRecording, recordTapped, replay, verify } from '../streams/recordings/index.ts';
import { connect, tap } from '../streams/sockets/index.ts';
import { type TrainerOptions, trainer } from '../streams/trainer.ts';
import { run, start } from './support/gradwire.ts';

const model = layout({ bias: [64] });
const optimizer = { lr: 0.05 } as const;
const bias = (value: number) => ({ bias: new Float32Array(64).fill(value) });

const test = suite('policies of a trainer', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

const open = (options: Partial<TrainerOptions<'bias'>>) => trainer({ model, optimizer, listen: { port: 0 }, ...options });
const worker = async (url: string, producer: string) => {
  const made = connect<'bias'>(url, { role: 'worker', producer });
  await made.ready;
  return made;
};
const refusal = (pushing: Promise<unknown>): Promise<GradwireError> =>
  pushing.then(
    () => assert.unreachable('nothing was refused'),
    (error) => error,
  );

/** The JSON of `GET /models/default`. */
async function statusOf(url: string): Promise<Record<string, never>> {
  return (await (await fetch(`${url}/models/default`)).json()) as Record<string, never>;
}

test('a worker that is too fast waits and sends again by itself, and every batch is folded once', async () => {
  const t = await open({ rate: { perSecond: 50, burst: 2 } });
  const w = await worker(t.url, 'fast');
  const pushed = await Promise.all(Array.from({ length: 8 }, (_, i) => w.push({ gradients: bias(i) })));
  assert.equal(
    pushed.map(({ version }) => version).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.ok(pushed.every(({ duplicate }) => !duplicate));
  const { refused } = t.status();
  assert.equal(Object.keys(refused), ['E_RATE']);
  assert.equal((await statusOf(t.url)).refused, refused);
  await w.close();
  await t.close();
});

test('by HTTP a producer that is too fast gets 429 and Retry-After, one in quarantine 429 without it: it is not to send that again', async () => {
  const t = await open({ rate: { perSecond: 0.01, burst: 3 }, quarantine: { refusals: 1, forMs: 90_000 } });
  const post = async (producer: string, sequence: number, value: number) => {
    const identity = { producer, producerEpoch: 0, sequence, base: 0 };
    const body = encodeGradients(model, identity, { gradients: bias(value) }, { maxAbs: 1e30 });
    const answer = await fetch(`${t.url}/models/default/gradients`, { method: 'POST', body });
    const { code, retryable } = (await answer.json()) as { code?: string; retryable?: boolean };
    return [answer.status, code, retryable, answer.headers.get('retry-after') !== null];
  };
  for (let i = 0; i < 3; i++) assert.equal((await post('a', i, 1))[0], 200);
  assert.equal(await post('a', 3, 1), [429, 'E_RATE', true, true]);
  assert.equal(await post('b', 1, 1e20), [422, 'E_RANGE', false, false]);
  assert.equal(await post('b', 1, 1), [429, 'E_QUARANTINED', false, false]);
  await t.close();
});

test('a worker in quarantine is told so at once, with the time that is left; the status names it, and others go on', async () => {
  const t = await open({ maxNorm: 100, quarantine: { refusals: 2, forMs: 60_000 } });
  const [wild, calm] = [await worker(t.url, 'wild'), await worker(t.url, 'calm')];
  for (let i = 0; i < 2; i++)
    assert.match((await refusal(wild.push({ gradients: bias(50) }))).message, /E_NORM: .* 400 \(limit 100\)/);
  const { code, retryable, retryAfterMs } = await refusal(wild.push({ gradients: bias(1) }));
  assert.equal([code, retryable], ['E_QUARANTINED', false]);
  assert.ok(retryAfterMs > 0 && retryAfterMs <= 60_000);
  assert.is((await calm.push({ gradients: bias(1) })).version, 1);
  const status = t.status();
  assert.equal(status.refused, { E_NORM: 2, E_QUARANTINED: 1 });
  assert.equal(
    status.quarantined.map(({ producer }) => producer),
    ['wild'],
  );
  for (const each of [wild, calm, t]) await each.close();
});

test('three workers in rounds are told the same version, and the weights are those of a fold of the means', async ({
  directory,
}) => {
  const t = await open({ synchronous: { workers: 3 }, directory });
  const workers = await Promise.all(['c', 'a', 'b'].map((producer) => worker(t.url, producer)));
  const fold = new RMSprop(model, optimizer);
  const folded = firstValueFrom(t.updates$.pipe(take(5), toArray()));
  for (let round = 1; round <= 5; round++) {
    const acks = await Promise.all(workers.map((each, i) => each.push({ gradients: bias(round + i / 3), examples: 2 })));
    assert.equal(
      acks.map(({ version }) => version),
      [round, round, round],
    );
    // by name: a, b, c
    const parts = [1, 2, 0].map((i) => checkGradients(model, bias(round + i / 3)));
    fold.step(meanOf(parts));
    assert.is(t.digest(), fold.digest());
    await Promise.all(workers.map((each) => each.reached(round)));
    for (const each of workers) assert.is(each.digest(), fold.digest());
  }
  assert.equal(
    (await folded).map(({ batches: [batch] }) =>
      batch.parts?.map(({ producer, sequence }) => `${producer}${sequence}`).join(' '),
    ),
    [1, 2, 3, 4, 5].map((i) => `a${i} b${i} c${i}`),
  );
  const { synchronous, examples, producers } = t.status();
  assert.equal([synchronous?.rounds, synchronous?.short, synchronous?.last, examples, producers], [5, 0, ['a', 'b', 'c'], 30, 3]);
  for (const each of [...workers, t]) await each.close();
  const { ok, digest } = await verify(directory);
  assert.equal([ok, digest], [true, fold.digest()]);
  assert.equal(
    [...(await openRecording(directory)).producers],
    [
      ['a', 5],
      ['b', 5],
      ['c', 5],
    ],
  );
});

test('a worker that is killed holds a round up to its deadline and no longer, and the status says that rounds are short', async () => {
  const t = await open({ synchronous: { workers: 3, deadlineMs: 100 } });
  const program = fileURLToPath(new URL('faults/worker.mjs', import.meta.url));
  const doomed = fork(program, [t.url, 'doomed'], { execArgv: [] });
  const workers = await Promise.all(['a', 'b'].map((producer) => worker(t.url, producer)));
  let pushing = true;
  const lanes = workers.map(async (each) => {
    while (pushing) await each.push({ gradients: bias(0.1) });
  });
  const three = t.updates$.pipe(filter(({ batches: [batch] }) => batch.parts?.length === 3));
  await firstValueFrom(three);
  doomed.kill('SIGKILL');
  await once(doomed, 'exit');
  const without = t.updates$.pipe(
    filter(({ batches: [batch] }) => batch.parts?.map(({ producer }) => producer).join() === 'a,b'),
  );
  await lastValueFrom(without.pipe(take(3)));
  const { synchronous } = t.status();
  assert.ok((synchronous?.short ?? 0) >= 3 && synchronous?.deadlineMs === 100);
  pushing = false;
  await Promise.all(lanes);
  for (const each of [...workers, t]) await each.close();
});

test('a rollback in rounds is a version of its own: what waits for a round goes into the next, and all of it survives a restart', async ({
  directory,
}) => {
  const t = await open({ synchronous: { workers: 2 }, directory });
  for (let i = 1; i <= 3; i++)
    await Promise.all(['a', 'b'].map((producer) => t.push({ gradients: bias(i), producer, sequence: i, base: i - 1 })));
  const waiting = t.push({ gradients: bias(9), producer: 'a', producerEpoch: 7, sequence: 4, base: 3 });
  assert.equal(await t.rollback(1), { version: 4, to: 1 });
  const fold = new RMSprop(model, optimizer);
  fold.step(bias(1));
  assert.is(t.digest(), fold.digest());
  const last = await t.push({ gradients: bias(9), producer: 'b', sequence: 4, base: 4 });
  assert.equal(
    [await waiting, last].map(({ version, duplicate }) => [version, duplicate]),
    [
      [5, false],
      [5, false],
    ],
  );
  fold.step(bias(9));
  assert.is(t.digest(), fold.digest());
  await t.close();
  const { ok, digest } = await verify(directory);
  assert.equal([ok, digest], [true, fold.digest()]);
  const again = await open({ synchronous: { workers: 2 }, directory });
  const resent = await again.push({ gradients: bias(9), producer: 'a', producerEpoch: 7, sequence: 4, base: 3 });
  assert.equal([resent.version, resent.duplicate], [5, true]);
  await again.close();
});

test('control: without a deadline the round waits for a worker that does not come', async () => {
  const t = await open({ synchronous: { workers: 2 } });
  const first = t.push({ gradients: bias(1), producer: 'a' });
  const second = t.push({ gradients: bias(2), producer: 'a' });
  assert.equal((await statusOf(t.url)).synchronous, { ...t.status().synchronous, waiting: ['a'], rounds: 0 });
  const other = await worker(t.url, 'b');
  await other.push({ gradients: bias(3) });
  assert.is((await first).version, 1);
  await other.close();
  await t.close();
  assert.is((await refusal(second)).code, 'E_CLOSED');
});

test('a recorder of a trainer in rounds, or of one that scales, writes what folds to the same bits', async ({ directory }) => {
  for (const [i, policies] of ([{ synchronous: { workers: 2 } }, { staleness: 'scale' }] as const).entries()) {
    const t = await open(policies);
    const path = join(directory, `${i}.mcap`);
    const tapped = new Subject<Tapped>();
    const began = firstValueFrom(tapped);
    const recorded = lastValueFrom(tapped.pipe(take(5), recordTapped(path)));
    const tapping = tap(t.url).subscribe(tapped);
    await began;
    const producers = i === 0 ? ['a', 'b'] : ['a'];
    for (let k = 0; k < 4; k++)
      await Promise.all(producers.map((producer) => t.push({ gradients: bias(k + 1), producer, sequence: k, base: 0 })));
    await recorded;
    tapping.unsubscribe();
    const { ok, digest, lastVersion } = await verify(path);
    assert.equal([ok, lastVersion, digest], [true, 4, t.digest()]);
    const batches = await lastValueFrom(replay(path).pipe(toArray()));
    if (i === 0) assert.ok(batches.every(({ parts }) => parts?.length === 2));
    else
      assert.equal(
        batches.map(({ factor }) => factor),
        [undefined, undefined, 1 / 2, 1 / 3],
      );
    await t.close();
  }
});

test('a limit of |g| is one, at the trainer or in its optimizer, and stands in the recording', async ({ directory }) => {
  const t = await open({ maxAbs: 10, directory });
  assert.is((await refusal(t.push(bias(11)))).code, 'E_RANGE');
  assert.is(t.status().optimizer.maxAbs, 10);
  await t.close();
  const code = async (options: Partial<TrainerOptions<'bias'>>) => (await refusal(open(options))).code;
  assert.is(await code({ directory, maxAbs: 12 }), 'E_CONFIG_DRIFT');
  assert.is(await code({ maxAbs: 12, optimizer: { maxAbs: 10 } }), 'E_CONFIG');
  const again = await open({ directory, maxAbs: 10, optimizer: { maxAbs: 10 } });
  await again.close();
});

test('what rounds need of the accept queue is seen to, and less of it is refused', async () => {
  const refused = await refusal(open({ synchronous: { workers: 8 }, listen: { port: 0, acceptBytes: 1 << 20 } }));
  assert.match(refused.message, /E_CONFIG: listen.acceptBytes must be at least \d+ for rounds of 8 workers/);
  assert.is((await refusal(open({ staleness: 'scale', optimizer: { gradientAccumulationSteps: 2 } }))).code, 'E_CONFIG');
});

test('the command takes the policies by their names, and refuses one that is nothing without another', async ({ directory }) => {
  const file = join(directory, 'model.json');
  await writeFile(file, JSON.stringify(model.toJSON()));
  const common = ['serve', '--model', file, '--directory', join(directory, 'run'), '--port', '0'];
  const policies = [
    '--max-abs',
    '100',
    '--max-norm',
    '50',
    '--rate',
    '1000',
    '--rate-burst',
    '9',
    '--quarantine',
    '3',
    '--quarantine-ms',
    '500',
  ];
  const served = start(...common, ...policies, '--synchronous', '2', '--deadline-ms', '10000', '--max-staleness', '3');
  const url = await served.line();
  const { synchronous, quarantined, refused, optimizer: config } = await statusOf(url);
  assert.equal(synchronous, { workers: 2, deadlineMs: 10_000, rounds: 0, short: 0, waiting: [], last: null });
  assert.equal([quarantined, refused, (config as { maxAbs: number }).maxAbs], [[], {}, 100]);
  const workers = await Promise.all(['a', 'b'].map((producer) => worker(url, producer)));
  assert.match((await refusal(workers[0].push({ gradients: bias(20) }))).message, /E_NORM/);
  const acks = await Promise.all(workers.map((each) => each.push({ gradients: bias(1) })));
  assert.equal(
    acks.map(({ version }) => version),
    [1, 1],
  );
  for (const each of workers) await each.close();
  served.child.kill('SIGINT');
  assert.is((await served.ended).code, 0);
  for (const [wrong, text] of [
    [['--deadline-ms', '5'], /--deadline-ms needs --synchronous/],
    [['--rate-burst', '5'], /--rate-burst needs --rate/],
    [['--quarantine-ms', '5'], /--quarantine-ms needs --quarantine/],
    [['--staleness', 'damp'], /Allowed choices are refuse, scale/],
    [['--synchronous', '2', '--staleness', 'scale'], /staleness "scale" is for single batches/],
  ] as const) {
    const { code, stderr } = await run(...common, ...wrong);
    assert.is(code, 2);
    assert.match(stderr, text);
  }
});

test.run();
