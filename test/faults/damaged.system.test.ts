// What is damaged and what is not there: proofs, torn tails, a snapshot gone bad, a disk that says it has written and has not.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../streams/operators/flow.ts';
import { createFile, type WritableFile } from '../../streams/recordings/disk.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { admitted, all, directory, foldOf, model, type Name, optimizer, refusal, removeDirectories } from '../recordings/runs.ts';
import { type Specimen, specimen } from '../recordings/specimen.ts';
import { needs } from '../support/needs.ts';
import { bundle, removeBundles } from './bundle.ts';
import { given, recoverFrom, settings } from './script.ts';
import { plan, trace } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-damaged-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
  removeDirectories();
});

/** A run whose trainer was killed, with one bit of a chunk turned; the bit is in the values of its gradients. */
function damagedAt({ bytes, chunks, ending }: Specimen, chunk: number): string {
  const path = directory();
  const damaged = Buffer.from(bytes.subarray(0, ending));
  const next = chunks[chunk + 1] ?? ending;
  // the values are the end of a record, which its index of 37 bytes follows
  damaged[next - 40] ^= 1;
  writeFileSync(join(path, 'seg-00000001-0000000000000001.mcap'), damaged);
  return path;
}

test('a damaged record before a sound one had been acknowledged and is refused; the last one may be torn, and the run goes on', async () => {
  const whole = await specimen(5);
  await refusal(
    'E_RECORDING_CORRUPT',
    openJournal(damagedAt(whole, 2), { model, optimizer }),
    /proves that it had been acknowledged/,
  );
  const journal = await openJournal<Name>(damagedAt(whole, 4), { model, optimizer });
  assert.is(journal.recovered.torn.length, 1);
  assert.is((await all(journal.records$)).length, 4);
  await journal.close();
});

test('whatever has been removed, a run goes on without its newest snapshot', async () => {
  const path = directory();
  const options = { ...settings, model, optimizer, directory: path, segmentBytes: 2000, snapshots: { every: 4, keep: 2 } };
  const first = await trainer<Name>(options);
  for (const batch of given.slice(0, 16)) await first.push(batch);
  const digest = first.digest();
  await first.close();
  const snapshots = readdirSync(path)
    .filter((name) => name.endsWith('.safetensors'))
    .sort();
  const newest = join(path, snapshots[snapshots.length - 1]);
  const damaged = readFileSync(newest);
  damaged[damaged.byteLength - 1] ^= 1;
  writeFileSync(newest, damaged);
  assert.ok(!readdirSync(path).includes('seg-00000001-0000000000000001.mcap'), 'something has been removed');
  const second = await trainer<Name>(options);
  assert.equal([second.version, second.digest(), second.recovered.damagedSnapshots.length], [16, digest, 1]);
  await second.close();
});

test('what a write that failed has left is cut off before its sender hears of it', async () => {
  const disk = { full: false, partly: false };
  const create = async (path: string): Promise<WritableFile> => {
    const file = await createFile(path);
    return {
      writev: async (parts, position) => {
        if (!disk.full) return await file.writev(parts, position);
        if (disk.partly) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
        disk.partly = true;
        // all but the end of the index: the records are whole
        const bytes = Buffer.concat(parts as unknown as Uint8Array[]).subarray(0, -10);
        const { bytesWritten } = await file.writev([bytes], position);
        return { bytesWritten, buffers: parts };
      },
      datasync: () => file.datasync(),
      sync: () => file.sync(),
      stat: file.stat.bind(file),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  };
  const journal = await openJournal<Name>(directory(), { model, optimizer, create });
  const batch = (version: number) => admitted(given.slice(version - 1, version), version)[0];
  await all(of(batch(1)).pipe(journal.commit()));
  disk.full = true;
  const nack = await new Promise<Answer>((answer) => {
    void all(of({ ...batch(2), answer }).pipe(journal.commit()));
  });
  assert.equal([nack.type, nack.type === 'nack' && nack.code, disk.partly], ['nack', 'E_DISK', true]);
  // as a process that dies now leaves it
  assert.equal((await foldOf(journal.recording)).version, 1);
  assert.is(statSync(journal.recording).size, journal.bytes);
  await journal.close().catch(() => undefined);
});

test('a start that fails late leaves no file open', async () => {
  const path = directory();
  // what cannot be removed as a snapshot that was cut short
  mkdirSync(join(path, 'snap-0000000000000001.safetensors.tmp'));
  await refusal('E_DISK', openJournal(path, { model, optimizer }));
  const open = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : [];
  const paths = open.map((each) => (existsSync(`/proc/self/fd/${each}`) ? readlinkSync(`/proc/self/fd/${each}`) : ''));
  assert.equal(
    paths.filter((each) => each.startsWith(path)),
    [],
  );
});

needs(test, 'strace')('a disk that only says it has written a snapshot is told of, and nothing older is removed', async () => {
  const program = bundle('scripted.ts');
  const lives = [8];
  const planned = await plan(program, { directory: join(folder, 'plan'), lives });
  const path = join(folder, 'lied');
  // two claims and one snapshot are written; of all others, each in two calls now, the first part is not
  const lying = { call: 'pwrite64', what: 'retval=900', when: '4+2' } as const;
  const printed = await trace(program, { directory: path, lives }, planned, lying);
  assert.equal([new Set(printed.told), printed.ended], [new Set(['E_SNAPSHOT']), 'E_SNAPSHOT'], printed.lines.join());
  assert.is(await recoverFrom(path, printed), 0);
});

test.run();
