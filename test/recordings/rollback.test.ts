// A rollback in a recording: what each instrument makes of it, and what an older reader says.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { firstValueFrom, lastValueFrom, tap as look, Subject, takeWhile, toArray } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { GradwireError } from '../../src/errors.ts';
import { readGradients } from '../../src/frames/gradients.ts';
import { readRecord, stampGradients, unstamped } from '../../src/frames/record.ts';
import { encodeRollbackInSlices } from '../../src/frames/rollback.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { Rollback } from '../../src/rmsprop/state/rollback.ts';
import { finish } from '../../src/work.ts';
import { rmsprop } from '../../streams/operators/rmsprop.ts';
import {
  diff,
  exportArrays,
  foldFrom,
  fork,
  norms,
  recordTapped,
  replay,
  restore,
  sweep,
  verify,
} from '../../streams/recordings/index.ts';
import { tap } from '../../streams/sockets/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { refused } from '../support/refused.ts';
import { sameState } from '../support/states.ts';

const model = layout({ kernel: [4, 2], bias: [2] });
const optimizer = { lr: 0.05, rho: 0.9 } as const;
const batchOf = (i: number) => ({
  kernel: Float32Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j)),
  bias: Float32Array.of(Math.cos(i), -i),
});

const test = suite('rollback', { directory: '', digest: '' });

/** Ten batches, a rollback to version 4 as version 11, three more batches. */
test.before.each(async (context) => {
  context.directory = await mkdtemp(join(tmpdir(), 'gradwire-'));
  const t = await trainer({ model, optimizer, directory: join(context.directory, 'run') });
  for (let i = 1; i <= 10; i++) await t.push(batchOf(i));
  await t.rollback(4);
  for (let i = 11; i <= 13; i++) await t.push(batchOf(i));
  context.digest = t.digest();
  await t.close();
});
test.after.each(async ({ directory }) => {
  await rm(directory, { recursive: true, force: true });
});

async function refusal(promise: Promise<unknown>): Promise<GradwireError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(error, GradwireError);
  return error as GradwireError;
}

test('replay folds a rollback as it folds a batch, from the start and from any version, whatever segments are read', async ({
  directory,
  digest,
}) => {
  const run = join(directory, 'run');
  for (const version of [0, 3, 4, 9, 10, 11, 12]) {
    const { state } = await restore(run, { version });
    const steps$ = replay(run, { from: version, model }).pipe(rmsprop(model, { ...optimizer, state }));
    const last = await lastValueFrom(steps$);
    assert.equal([last.version, last.optimizer.digest()], [14, digest], `from ${version}`);
  }
  const reference = new RMSprop(model, optimizer);
  for (const i of [1, 2, 3, 4, 11, 12, 13]) reference.step(batchOf(i));
  assert.is(digest, reference.digest());
});

test('restore, foldFrom and a restarted trainer agree on every version around a rollback', async ({ directory, digest }) => {
  const run = join(directory, 'run');
  const [four, eleven, ten] = await Promise.all([4, 11, 10].map((version) => restore(run, { version })));
  const { version: _one, ...before } = four.state;
  const { version, skipped, undone, ...after } = eleven.state;
  sameState(after, before, 'the state that was brought back');
  assert.equal([version, skipped, undone], [11, 7, 7]);
  assert.not.equal(Buffer.compare(Buffer.from(ten.parameters.flat.buffer), Buffer.from(four.parameters.flat.buffer)), 0);
  assert.is((await foldFrom(run, { notAfter: 14 })).version, 14);
  const t = await trainer({ directory: run });
  assert.equal([t.version, t.digest()], [14, digest]);
  await t.close();
});

test('verify proves that a rollback brings back the state that it names; a control brings back another', async ({
  directory,
}) => {
  const run = join(directory, 'run');
  const { ok, proved, batches } = await verify(run);
  assert.ok(ok);
  assert.is(batches, 14);
  assert.ok(proved.includes('1 rollback brings back the state of the version named, to the bit'), proved.join('\n'));
  // a record that says version 5 and has the state of version 4, all its checks made right
  const [name] = (await readdir(run)).filter((each) => each.endsWith('.mcap'));
  const path = join(run, name);
  const [first] = (await lastValueFrom(replay(run, { from: 10, until: 11 }).pipe(toArray()))).map(({ frame }) => frame);
  const forged = stampGradients(...forgery(first));
  await writeFile(path, replaced(await readFile(path), first, forged));
  const found = await verify(run);
  assert.not.ok(found.ok);
  assert.match(
    found.findings[0].text,
    /the rollback brings back another state than that of version 5: its parameters have other values/,
  );
});

/** The record with another `base`, of the same length, as its arguments for a stamp. */
function forgery(record: Uint8Array): Parameters<typeof stampGradients> {
  const { stamp } = readRecord(record, model);
  const frame = unstamped(record);
  const text = Buffer.from(frame);
  const at = text.indexOf('"base":"4"');
  text.write('"base":"5"', at);
  return [text, { ...stamp, payload: digestOf(text) }];
}

/** A segment with one record in place of another of the same length, and its CRCs. */
function replaced(segment: Buffer, record: Uint8Array, other: Uint8Array): Buffer {
  assert.is(other.byteLength, record.byteLength);
  const at = segment.indexOf(Buffer.from(record.subarray(0, 400)));
  const [start, end] = chunkAround(segment, at);
  const before = crc32(segment.subarray(start, end));
  segment.set(other, at);
  const after = crc32(segment.subarray(start, end));
  for (let offset = 0; offset + 4 <= segment.byteLength; offset++)
    if (segment.readUInt32LE(offset) === before) segment.writeUInt32LE(after, offset);
  return segment;
}

/** Where the content of the chunk lies that holds a place. */
function chunkAround(segment: Buffer, place: number): [number, number] {
  const chunkHead = 9 + 8 + 8 + 8 + 4 + 4 + 8;
  for (let at = 8; at < segment.byteLength - 9; ) {
    const end = at + 9 + Number(segment.readBigUInt64LE(at + 1));
    if (segment[at] === 6 && place > at && place < end) return [at + chunkHead, end];
    at = end;
  }
  throw new Error('no chunk holds the record');
}

test('diff takes a rollback for what it is: equal in two copies, a difference where one has none', async ({ directory }) => {
  const run = join(directory, 'run');
  assert.ok((await diff(run, run)).equal);
  const other = join(directory, 'other');
  const t = await trainer({ model, optimizer, directory: other });
  for (let i = 1; i <= 14; i++) await t.push(batchOf(i));
  await t.close();
  const { equal, first } = await diff(run, other);
  assert.equal([equal, first?.what, first?.version], [false, 'gradients', 11]);
});

test('other hyper-parameters cannot fold a rollback: fork and sweep say so, and fold what they can', async ({ directory }) => {
  const run = join(directory, 'run');
  const wrong = await refusal(fork(run, { optimizer: { lr: 0.1 } }));
  assert.match(
    wrong.message,
    /E_CONFIG_DRIFT: .*version 11 is a rollback to version 4, whose state these hyper-parameters did not make/,
  );
  assert.is((await fork(run, { optimizer: { lr: 0.1 }, until: 10 })).versions, 10);
  const left = await refusal(fork(run, { withoutVersions: [3] }));
  assert.match(
    left.message,
    /E_CONFIG: version 11 is a rollback to the recorded state of version 4, .* leave version 11 out too/,
  );
  const { left: count } = await fork(run, { withoutVersions: [3, 11] });
  assert.is(count, 2);
  assert.is((await refusal(sweep(run, { grid: { lr: [0.1] }, workers: 1 }))).code, 'E_CONFIG_DRIFT');
  const swept = await sweep(run, { grid: { lr: [0.05, 0.1] }, workers: 1, until: 10 });
  assert.is(swept.versions, 10);
});

test('norms shows a rollback as a producer of its own; an export of gradients refuses it and takes what is around it', async ({
  directory,
}) => {
  const run = join(directory, 'run');
  const { producers } = await norms(run);
  assert.equal(
    producers.map(({ producer }) => producer),
    ['trainer', 'gradwire.rollback'],
  );
  const out = join(directory, 'out.npz');
  const wrong = await refusal(exportArrays(run, { out, what: 'gradients' }));
  assert.match(wrong.message, /E_RECORDING: version 11 is a rollback to version 4; .* choose others with from and until/);
  await exportArrays(run, { out, what: 'gradients', until: 10 });
});

test('a recorder that is connected during a rollback records it, and its recording folds to the same bits', async ({
  directory,
}) => {
  const run = join(directory, 'run');
  const t = await trainer({ directory: run, listen: { port: 0 } });
  const copy = join(directory, 'copy');
  const started$ = new Subject<void>();
  const started = firstValueFrom(started$);
  const recorded$ = tap(t.url).pipe(
    look(({ kind }) => kind === 'start' && started$.next()),
    recordTapped(copy),
    takeWhile((value) => value.kind === 'start' || value.version < 17, true),
  );
  const done = lastValueFrom(recorded$);
  await started;
  await t.push(batchOf(20));
  await t.rollback(2);
  await t.push(batchOf(21));
  await done;
  const digest = t.digest();
  await t.close();
  const { version, state } = await foldFrom(copy);
  const last = await lastValueFrom(replay(copy, { from: version, model }).pipe(rmsprop(model, { ...optimizer, state })));
  assert.equal([version, last.version, last.optimizer.digest()], [14, 17, digest]);
  assert.ok((await verify(copy)).ok);
});

test('a record of a rollback is of format 2: a release that knows batches alone asks for a newer one', () => {
  const fold = new RMSprop(model, optimizer);
  fold.step(batchOf(1));
  const target = { state: fold.state(), optimizer: fold.getConfig() };
  const frame = finish(encodeRollbackInSlices({ producerEpoch: 1, sequence: 1 }, target));
  const { metadata, tensors } = deserialize(frame);
  refused(
    'E_FORMAT',
    () => readGradients(metadata, tensors, model),
    /frame format "2", this release reads "1"; use a newer release/,
  );
  const stamp = { run: 'r', epoch: 1, version: 9, durableUpTo: 8, payload: digestOf(frame) };
  const record = stampGradients(frame, stamp);
  const { gradients, header } = readRecord(record, model);
  assert.instance(gradients, Rollback);
  assert.equal([header.producer, header.base, (gradients as Rollback).to], ['gradwire.rollback', 1, 1]);
  assert.is(digestOf(unstamped(record)), stamp.payload);
  fold.step(batchOf(2));
  fold.step(gradients);
  assert.equal([fold.version, fold.skipped], [3, 0]);
  sameState(fold.state(), { ...target.state, version: 3, skipped: 2, undone: 2 }, 'the state');
  refused('E_CONFIG_DRIFT', () => new RMSprop(model, { lr: 1 }).step(gradients), /is a rollback to version 1, whose state/);
  for (const key of ['base', 'optimizer', 'producer'])
    refused('E_FRAME', () => readRecord(stampGradients(renamed(frame, key), stamp), model));
});

/** The frame with one key of its metadata under another name of the same length. */
function renamed(frame: Uint8Array, key: string): Uint8Array {
  const bytes = Buffer.from(frame);
  bytes.write(`"${'x'.repeat(key.length)}"`, bytes.indexOf(`"${key}"`));
  return bytes;
}

test.run();
