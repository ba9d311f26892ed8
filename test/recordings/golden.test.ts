// The golden recording, which release 0.1.0 wrote: every later release reads it to the same bits.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { foldFrom, openRecording, restore, verify } from '../../streams/recordings/index.ts';
import { batches, digestsOf, directory, foldOf, names, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const golden = fileURLToPath(new URL('golden/run', import.meta.url));
const digest = 'dceb26158ced54f4';

test('a recording of format 1 opens to the digest that it had when it was written, from the start and from its snapshot', async () => {
  assert.is((await foldOf(golden)).digest, digest);
  const [snapshot] = names(golden, /^snap/);
  const { digest: again, version } = await foldOf(golden, { snapshot: join(golden, snapshot) });
  assert.equal([again, version], [digest, 7]);
  // and the same batches give the same bits today
  assert.is(digestsOf(batches(7))[7], digest);
});

test('it has two segments, one closed and one not, dense batches and rows, and verify finds nothing wrong in it', async () => {
  const { segments, batches: count, producers } = await openRecording(golden);
  assert.equal(
    segments.map(({ epoch, firstVersion, lastVersion, closedCleanly }) => [epoch, firstVersion, lastVersion, closedCleanly]),
    [
      [1, 1, 4, true],
      [2, 5, 7, false],
    ],
  );
  assert.equal(
    [count, [...producers]],
    [
      7,
      [
        ['w0', 4],
        ['w1', 3],
      ],
    ],
  );
  const verification = await verify(golden);
  assert.equal([verification.ok, verification.findings, verification.digest], [true, [], digest]);
  assert.equal(verification.snapshots, [{ version: 4, ok: true, equalsFold: true }]);
  assert.is((await restore(golden, { version: 7 })).examples, 28);
});

/** A copy whose segments say another format, their checks made anew: the recording of a release to come. */
function altered(format: string): string {
  const path = join(directory(), 'run');
  cpSync(golden, path, { recursive: true });
  for (const name of names(path, /^seg/)) {
    const bytes = readFileSync(join(path, name));
    const at = bytes.indexOf('format') + 'format'.length + 4;
    bytes.write(format, at, 'latin1');
    const fields = fieldsAt(bytes, at - 4 - 'format'.length - 4);
    const check = digestOf(new TextEncoder().encode(JSON.stringify(fields.filter(([key]) => key !== 'check'))));
    bytes.write(check, bytes.indexOf('check', at) + 'check'.length + 4, 'latin1');
    writeFileSync(join(path, name), bytes);
  }
  return path;
}

/** The pairs of the metadata record, from the length of its first key up to its check. */
function fieldsAt(bytes: Buffer, start: number): [string, string][] {
  const fields: [string, string][] = [];
  let at = start;
  const text = (): string => {
    const length = bytes.readUInt32LE(at);
    at += 4 + length;
    return bytes.toString('utf8', at - length, at);
  };
  while (fields.at(-1)?.[0] !== 'check') fields.push([text(), text()]);
  return fields;
}

test('a recording of format 2 is refused by name, in words that say what to do', async () => {
  const path = altered('2');
  for (const open of [openRecording, foldFrom, foldOf]) {
    await refusal('E_FORMAT', open(path), /the recording has the format "2", this release reads "1"; use a newer release/);
  }
  const { ok, findings } = await verify(path);
  assert.is(ok, false);
  assert.is(findings[0].code, 'E_FORMAT');
});

test('control: the same alteration to format 1 is read as before', async () => {
  assert.is((await foldOf(altered('1'))).digest, digest);
});

test('control: release 0.1.0 did not repeat the library’s name, so a bit flipped in it is not found there, and verify says so', async () => {
  const path = join(directory(), 'run');
  cpSync(golden, path, { recursive: true });
  const segment = join(path, names(path, /^seg/)[0]);
  const bytes = readFileSync(segment);
  bytes[bytes.indexOf('gradwire 0.1.0') + 'gradwire 0.1.'.length] ^= 1;
  writeFileSync(segment, bytes);
  const { ok, unproved } = await verify(path);
  assert.is(ok, true);
  assert.match(unproved[0], /the name of the library in the header/);
});

test.run();
