// Encodings from end to end: a trainer, its replicas and workers over sockets, through restarts and a crash.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, lastValueFrom, skipWhile, toArray } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type EncodingName, encodingNames } from '../src/encodings/names.ts';
import { decodeSnapshot } from '../src/frames/snapshot.ts';
import { layout } from '../src/layout.ts';
import { RMSprop } from '../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../streams/operators/rmsprop.ts';
import { foldFrom, replay, verify } from '../streams/recordings/index.ts';
import { connect } from '../streams/sockets/index.ts';
import { trainer } from '../streams/trainer.ts';
import { join as joinRaw } from './sockets/raw.ts';
import { start } from './support/gradwire.ts';
import { chance, seed } from './support/random.ts';

const model = layout({ table: [64, 2], bias: [3] });
type Name = 'table' | 'bias';
const optimizer = { lr: 0.05, rho: 0.95 } as const;
const lossy = encodingNames.filter((name) => name !== 'f32');
const quick = { backoffMinMs: 1, backoffMaxMs: 20 };

const test = suite('encodings', { directory: '' });
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

function batches(count: number, from: number) {
  const random = chance(from);
  const values = (length: number) => Float32Array.from({ length }, () => (random() * 2 - 1) * 10 ** (2 * random()));
  return Array.from({ length: count }, (_, i) => {
    const rows = { rows: Int32Array.from({ length: 3 }, () => Math.floor(random() * 64)), values: values(6) };
    return i % 3 === 0 ? { table: values(128), bias: values(3) } : i % 3 === 1 ? { table: rows } : { bias: values(3) };
  });
}

for (const encoding of encodingNames)
  test(`${encoding}: replicas have the published bits at every version, and the parameters’ bits once no batch comes`, async () => {
    const t = await trainer({
      model,
      optimizer,
      listen: { port: 0 },
      publish: { encoding, share: 0.05, settleMs: 300, digestEvery: 4 },
    });
    const replica = connect<Name>(t.url);
    const reference = new RMSprop(model, optimizer);
    await replica.ready;
    const settled = firstValueFrom(
      t.updates$.pipe(
        skipWhile(({ version }) => version < 30),
        filter(({ from, version }) => from === version),
      ),
    );
    for (const batch of batches(30, seed)) {
      reference.step(batch);
      const { version } = await t.push(batch);
      await replica.reached(version);
      if (replica.version === t.version) assert.is(replica.digest(), t.digest());
    }
    if (encoding !== 'f32') {
      const moved = firstValueFrom(replica.updates$.pipe(filter(({ from, version }) => from === version)));
      await Promise.all([settled, moved]);
    } else settled.catch(() => undefined);
    assert.is(t.digest(), reference.digest());
    assert.is(replica.digest(), reference.digest());
    assert.equal([replica.counts.refused, replica.counts.gap, replica.counts.troubles], [0, 0, 0]);
    const { client, welcome } = await joinRaw(Number(new URL(t.url).port), { role: 'replica' });
    assert.is(welcome.encoding, encoding);
    client.end();
    await replica.close();
    await t.close();
  });

test('acks and records do not wait for a publication, and what waits goes out before the trainer shuts down', async ({
  directory,
}) => {
  const t = await trainer({ model, optimizer, directory, listen: { port: 0 }, publish: { every: 1000, settleMs: 600_000 } });
  const worker = connect<Name>(t.url, { role: 'worker', producer: 'w', producerEpoch: 1 });
  await worker.ready;
  const given = batches(6, 3);
  for (const [i, gradients] of given.entries())
    assert.equal(await worker.push({ gradients, base: 0 }), { version: i + 1, duplicate: false });
  assert.equal([t.version, worker.version, t.status().folded], [0, 0, 6]);
  const twin = connect<Name>(t.url, { role: 'worker', producer: 'w', producerEpoch: 1 });
  assert.equal(await twin.push({ gradients: given[2], base: 0, sequence: 3 }), { version: 3, duplicate: true });
  await twin.close();
  const port = Number(new URL(t.url).port);
  const recorder = await joinRaw(port, { role: 'recorder' });
  assert.is(recorder.welcome.version, 6);
  assert.is(decodeSnapshot(await recorder.client.nextBinary()).version, 6);
  await worker.push({ gradients: given[0] });
  const record = new TextDecoder('latin1').decode(await recorder.client.nextBinary());
  assert.match(record, /"version":"7"/);
  assert.is(t.version, 0);
  const told = firstValueFrom(worker.updates$);
  const digest = new Promise<string>((resolve) => t.updates$.subscribe(() => resolve(t.digest())));
  const closed = t.close();
  assert.is((await told).version, 7);
  assert.is(worker.digest(), await digest);
  recorder.client.end();
  await closed;
  await worker.close();
});

for (const encoding of lossy)
  test(`${encoding}: a stop and a start change nothing: the replica resumes and has the bits`, async ({ directory }) => {
    const options = { model, optimizer, directory, publish: { encoding, settleMs: 600_000 } } as const;
    const first = await trainer({ ...options, listen: { port: 0 } });
    const port = Number(new URL(first.url).port);
    const replica = connect<Name>(first.url, quick);
    await replica.ready;
    for (const batch of batches(12, 5)) await first.push(batch);
    await replica.reached(12);
    await first.close();
    const before = replica.digest();
    const second = await trainer({ ...options, listen: { port } });
    assert.is(second.digest(), before);
    await second.push(batches(1, 6)[0]);
    await replica.reached(13);
    assert.is(replica.digest(), second.digest());
    assert.equal([replica.counts.resumed, replica.counts.reset], [1, 0]);
    await replica.close();
    await second.close();
  });

test('a snapshot keeps what the encoding owes, and a trainer that goes on from it has the same published weights', async ({
  directory,
}) => {
  const publish = { encoding: 'int8', settleMs: 600_000 } as const;
  const t = await trainer({ model, optimizer, directory, publish, snapshots: { every: 5 } });
  for (const batch of batches(5, 7)) await t.push(batch);
  const copy = `${directory}-copy`;
  while (!(await readdir(directory)).some((name) => name.endsWith('5.safetensors'))) await new Promise(setImmediate);
  await cp(directory, copy, { recursive: true, filter: (path) => !path.endsWith('.pid') });
  const [name] = (await readdir(copy)).filter((each) => each.startsWith('snap-'));
  const { published, parameters } = decodeSnapshot(await readFile(join(copy, name)));
  assert.is(
    Buffer.compare(Buffer.from(published?.flat.buffer as ArrayBuffer), Buffer.from(t.weights.flat.buffer as ArrayBuffer)),
    0,
  );
  assert.is.not(Buffer.compare(Buffer.from(parameters.flat.slice().buffer), Buffer.from(t.weights.flat.slice().buffer)), 0);
  const again = await trainer({ model, directory: copy, publish });
  assert.is(again.digest(), t.digest());
  await Promise.all([again.close(), t.close()]);
  assert.ok((await verify(copy)).ok);
  assert.ok((await verify(directory)).ok);
  await rm(copy, { recursive: true });
});

test('after a crash replicas of a lossy encoding are reset with a reason, also those that name no digest; those of f32 with one resume', async ({
  directory,
}) => {
  for (const encoding of ['int8', 'f32'] satisfies EncodingName[]) {
    const folder = join(directory, encoding);
    const open = (port: string) =>
      start(
        'serve',
        '--directory',
        folder,
        '--name',
        'm',
        '--lr',
        '0.05',
        '--port',
        port,
        '--encoding',
        encoding,
        '--json',
        ...given,
      );
    const given = ['--model', new URL('./fixtures/encodings-model.json', import.meta.url).pathname];
    const first = open('0');
    const { url, run } = JSON.parse(await first.line());
    const { port } = new URL(url);
    const worker = connect<Name>(url, { role: 'worker', ...quick });
    await worker.ready;
    for (const gradients of batches(7, 9)) await worker.push({ gradients, base: 0 });
    await worker.reached(7);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = open(port);
    const { version, digest } = JSON.parse(await second.line());
    const bare = await joinRaw(Number(port), { role: 'replica', resume: { run, epoch: 1, version } }, '/models/m');
    assert.equal([bare.welcome.resumed, bare.welcome.reason], [false, 'diverged']);
    bare.client.end();
    await firstValueFrom(worker.status$.pipe(filter(({ state }) => state === 'live' && worker.counts.connections === 2)));
    assert.equal([worker.counts.resumed, worker.counts.reset], encoding === 'f32' ? [1, 0] : [0, 1]);
    assert.equal([worker.version, worker.digest()], [7, digest]);
    await worker.close();
    second.child.kill('SIGTERM');
    await second.ended;
  }
});

for (const encoding of encodingNames)
  test(`${encoding}: gradients that come so are recorded as they came and fold to the same bits again`, async ({ directory }) => {
    const t = await trainer({ model, optimizer, directory, listen: { port: 0 } });
    const worker = connect<Name>(t.url, { role: 'worker', encoding, share: 0.1 });
    await worker.ready;
    for (const [i, gradients] of batches(9, 11).entries())
      await worker.push({ gradients, ...(i === 8 ? { encoding: 'f16' } : {}) });
    const digest = t.digest();
    await t.close();
    await worker.close();
    const { state, optimizer: recorded } = await foldFrom<Name>(directory);
    const records = await lastValueFrom(replay<Name>(directory, { model }).pipe(toArray()));
    const last = await lastValueFrom(replay<Name>(directory, { model }).pipe(rmsprop(model, { ...recorded, state })));
    assert.is(last.optimizer.digest(), digest);
    assert.is(records.length, 9);
    assert.ok((await verify(directory)).ok);
    const [segment] = (await readdir(directory)).filter((name) => name.endsWith('.mcap'));
    const text = new TextDecoder('latin1').decode(await readFile(join(directory, segment)));
    const marks = { f32: '"F32"', f16: '"F16"', bf16: '"BF16"', int8: 'table#codes', topk: 'table#indices' };
    assert.ok(text.includes(marks[encoding]), marks[encoding]);
  });

test.run();
