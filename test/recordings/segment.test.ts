// Segments are well-formed MCAP: other tools read them, with a summary after a clean close and without one after a crash.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type IReadable, McapIndexedReader, McapStreamReader, type McapTypes } from '@mcap/core';
import { from, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deserialize } from '../../src/frames/safetensors.ts';
import { readWeights } from '../../src/frames/weights.ts';
import { layout } from '../../src/layout.ts';
import { createFile, type WritableFile, writeFully } from '../../streams/recordings/disk.ts';
import { openRecording, record, replay } from '../../streams/recordings/index.ts';
import { sameBits } from '../support/bits.ts';
import { all, batches, digestsOf, directory, foldOf, model, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const given = batches(12);
const clock = () => 1_700_000_000_000;

async function make(path: string, count: number = given.length): Promise<void> {
  await all(from(given.slice(0, count)).pipe(record(path, { model, optimizer, name: 'm', clock })));
}

function readStream(bytes: Uint8Array): McapTypes.TypedMcapRecord[] {
  const reader = new McapStreamReader({ includeChunks: true });
  const records: McapTypes.TypedMcapRecord[] = [];
  for (let at = 0; at < bytes.byteLength; at += 1000) {
    reader.append(bytes.subarray(at, at + 1000));
    for (let each = reader.nextRecord(); each !== undefined; each = reader.nextRecord()) records.push(each);
  }
  return records;
}

const inMemory = (bytes: Uint8Array): IReadable => ({
  size: async () => BigInt(bytes.byteLength),
  read: async (offset, length) => bytes.slice(Number(offset), Number(offset + length)),
});

const ofType = <T extends McapTypes.TypedMcapRecord['type']>(records: McapTypes.TypedMcapRecord[], type: T) =>
  records.filter((each): each is McapTypes.TypedMcapRecord & { type: T } => each.type === type);

test('a stream reader finds header, metadata, initial weights, schema, channel and every record', async () => {
  const path = join(directory(), 'a.mcap');
  await make(path);
  const records = readStream(readFileSync(path));
  const [header] = ofType(records, 'Header');
  assert.is(header.profile, 'gradwire');
  assert.match(header.library, /^gradwire \d+\.\d+\.\d+$/);
  const [about, ending] = ofType(records, 'Metadata');
  assert.is(about.name, 'gradwire');
  assert.is(about.metadata.get('format'), '1');
  assert.match(about.metadata.get('run') ?? '', /^[0-9a-f]{32}$/);
  assert.equal(JSON.parse(about.metadata.get('layout') ?? ''), { w: [3], table: [5, 2] });
  assert.equal(JSON.parse(about.metadata.get('optimizer') ?? ''), { lr: 0.01, rho: 0.8, decay: 0.1, epsilon: 1e-6 });
  assert.equal([ending.name, ending.metadata.get('lastVersion')], ['gradwire.end', '12']);
  const [attachment] = ofType(records, 'Attachment');
  assert.equal([attachment.name, attachment.mediaType], ['initial.safetensors', 'application/x-safetensors']);
  sameBits(readWeights(deserialize(attachment.data)).weights.copy('w'), optimizer.initial.w);
  const [schema] = ofType(records, 'Schema');
  assert.equal([schema.name, schema.encoding], ['gradwire.gradients', 'jsonschema']);
  const [channel] = ofType(records, 'Channel');
  assert.equal([channel.topic, channel.messageEncoding], ['/models/m/gradients', 'safetensors']);
  const messages = ofType(records, 'Message');
  assert.equal(
    messages.map(({ sequence }) => sequence),
    given.map((_, i) => i + 1),
  );
  const { required } = JSON.parse(new TextDecoder().decode(schema.data));
  for (const { data } of messages) {
    const { metadata } = deserialize(data);
    assert.equal(
      required.filter((key: string) => metadata[key] === undefined),
      [],
    );
  }
  assert.is(ofType(records, 'Footer').length, 1);
});

test('an indexed reader trusts the summary and gives the records in the order of versions', async () => {
  const path = join(directory(), 'a.mcap');
  await make(path);
  const bytes = readFileSync(path);
  const reader = await McapIndexedReader.Initialize({ readable: inMemory(bytes) });
  assert.is(reader.statistics?.messageCount, 12n);
  assert.is(reader.statistics?.chunkCount, reader.chunkIndexes.length);
  assert.equal([reader.statistics?.attachmentCount, reader.statistics?.metadataCount], [1, 2]);
  const sequences: number[] = [];
  for await (const { sequence, logTime } of reader.readMessages()) {
    assert.ok(logTime >= 1_700_000_000_000_000_000n);
    sequences.push(sequence);
  }
  assert.equal(
    sequences,
    given.map((_, i) => i + 1),
  );
  const names: string[] = [];
  for await (const { name } of reader.readMetadata()) names.push(name);
  assert.equal(names, ['gradwire', 'gradwire.end']);
  for await (const { name } of reader.readAttachments()) names.push(name);
  assert.is(names.at(-1), 'initial.safetensors');
});

test('the chunk indexes and summary offsets point at what they say', async () => {
  const path = join(directory(), 'a.mcap');
  await make(path);
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const records = readStream(bytes);
  for (const index of ofType(records, 'ChunkIndex')) {
    const at = Number(index.chunkStartOffset);
    assert.is(bytes[at], 6);
    assert.is(view.getBigUint64(at + 1, true) + 9n, index.chunkLength);
    for (const offset of index.messageIndexOffsets.values()) assert.is(bytes[Number(offset)], 7);
  }
  for (const { groupOpcode, groupStart } of ofType(records, 'SummaryOffset')) {
    assert.is(bytes[Number(groupStart)], groupOpcode);
  }
});

test('a recording without a batch is a recording', async () => {
  const path = join(directory(), 'a.mcap');
  await make(path, 0);
  const reader = await McapIndexedReader.Initialize({ readable: inMemory(readFileSync(path)) });
  assert.is(reader.statistics?.messageCount, 0n);
  const { batches: count, lastVersion } = await openRecording(path);
  assert.equal([count, lastVersion], [0, 0]);
});

test('after a crash there is no summary, and a stream reader reads every record', async () => {
  const path = join(directory(), 'a.mcap');
  await make(path);
  const bytes = readFileSync(path);
  // before the record that closes the segment
  const end = bytes.lastIndexOf('gradwire.end', bytes.indexOf('gradwire.end')) - 13;
  const records = readStream(bytes.subarray(0, end));
  assert.is(ofType(records, 'Message').length, 12);
  writeFileSync(path, bytes.subarray(0, end));
  const [segment] = (await openRecording(path)).segments;
  assert.equal([segment.closedCleanly, segment.lastVersion], [false, 12]);
});

/** A file that writes at most `most` bytes a call, and fails in the call after `calls`. */
function poorFile(most: number, calls: number = Number.POSITIVE_INFINITY) {
  let left = calls;
  return async (path: string): Promise<WritableFile> => {
    const file = await open(path, 'wx');
    const writev: WritableFile['writev'] = async (buffers, position) => {
      if (left-- <= 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      const whole = Buffer.concat(buffers.map((each) => Buffer.from(each.buffer, each.byteOffset, each.byteLength)));
      const { bytesWritten } = await file.write(whole.subarray(0, most), 0, undefined, position);
      return { bytesWritten, buffers };
    };
    const sync = () => file.sync();
    const stat = file.stat.bind(file) as WritableFile['stat'];
    return { writev, datasync: sync, sync, stat, truncate: file.truncate.bind(file), close: () => file.close() };
  };
}

test('records of all sizes in one group are read back as they were written', async () => {
  const mixed = layout({ large: [5000], small: [3] });
  const sizes = ['small', 'large', 'small', 'small', 'large', 'large', 'small'] as const;
  const batches = sizes.map((name, i) => ({ gradients: { [name]: new Float32Array(name === 'large' ? 5000 : 3).fill(i + 1) } }));
  const path = join(directory(), 'a.mcap');
  await all(from(batches).pipe(record(path, { model: mixed, optimizer: { lr: 0.1 } })));
  const chunks = ofType(readStream(readFileSync(path)), 'Chunk');
  assert.equal(
    [chunks.length, chunks[1].records.byteLength > 60_000],
    [2, true],
    'the first passes alone, the others wait for it',
  );
  const read = await all(replay(path));
  assert.equal(
    read.map(({ gradients }) =>
      Object.fromEntries(Object.entries(gradients).map(([name, values]) => [name, [...(values as Float32Array)]])),
    ),
    batches.map(({ gradients }) => Object.fromEntries(Object.entries(gradients).map(([name, values]) => [name, [...values]]))),
  );
});

test('a disk that takes a few bytes at a time gets all of them', async () => {
  const path = join(directory(), 'a.mcap');
  await all(from(given).pipe(record(path, { model, optimizer, create: poorFile(7) })));
  assert.is((await foldOf(path)).digest, digestsOf(given)[12]);
});

test('parts larger than one call takes are written whole', async () => {
  const path = join(directory(), 'a.bin');
  const file = await createFile(path);
  const parts = Array.from({ length: 3000 }, (_, i) => new Uint8Array(i % 5).fill(i));
  const large = new Uint8Array((64 << 20) + 3).fill(9);
  const empty = new Uint8Array(0);
  await writeFully(file, [...Array.from({ length: 1024 }, () => empty), ...parts, empty, large], 0);
  await file.close();
  assert.ok(Buffer.concat([...parts, large]).equals(readFileSync(path)));
});

test('a failed write is E_DISK, nothing of its group passes, and what passed before is in the file', async () => {
  // in each call to the disk: the head, the first group, the second, the end
  for (const [calls, expected] of [
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 12],
  ]) {
    const path = join(directory(), 'a.mcap');
    let passed = 0;
    const passed$ = from(given).pipe(
      record(path, { model, optimizer, create: poorFile(1 << 20, calls) }),
      tap(() => passed++),
    );
    const error = await refusal('E_DISK', all(passed$), /ENOSPC/);
    assert.ok(error.retryable);
    assert.is(passed, expected);
    if (calls === 0) await refusal('E_FILE', foldOf(path), /ENOENT/);
    else assert.is((await foldOf(path)).digest, digestsOf(given)[expected]);
  }
});

test('a file that is there is never written to', async () => {
  const path = join(directory(), 'a.mcap');
  appendFileSync(path, 'precious');
  const error = await refusal('E_FILE', make(path), /is there already/);
  assert.is((error.cause as NodeJS.ErrnoException).code, 'EEXIST');
  assert.is(readFileSync(path, 'utf8'), 'precious');
});

test.run();
