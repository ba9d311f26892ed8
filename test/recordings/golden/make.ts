// Makes the golden recording `run/` beside this file: what release 0.1.0 wrote. Run once; later releases read those bytes.
// npx tsx test/recordings/golden/make.ts <new directory>
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { from } from 'rxjs';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import { openJournal } from '../../../streams/recordings/index.ts';
import { admitted, all, batches, model, type Name, optimizer, snapshotFrame } from '../runs.ts';

const [target] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'gradwire-golden-'));
// the labels of the records; nothing depends on them
const clock = (): number => 1_700_000_000_000;
const given = batches(7);
const run = admitted(given);
const fold = new RMSprop<Name>(model, optimizer);

// an epoch that was closed: two groups, and a snapshot
const first = await openJournal<Name>(directory, { model, optimizer, clock });
await all(from(run.slice(0, 3)).pipe(first.commit()));
await all(from(run.slice(3, 4)).pipe(first.commit()));
for (const { checked, header, payload, version } of run.slice(0, 4)) {
  fold.step(checked);
  first.start.producers.note(header, payload, version);
}
await first.snapshots.write(snapshotFrame(first, fold, 1 + 2 + 3 + 4), 4);
await first.close();

// an epoch whose trainer never came to close it: what stands in the directory before it does
const second = await openJournal<Name>(directory, { clock });
await all(second.records$);
await all(from(run.slice(4)).pipe(second.commit()));
mkdirSync(target);
for (const name of readdirSync(directory)) {
  if (/\.(mcap|safetensors)$/.test(name)) copyFileSync(join(directory, name), join(target, name));
}
await second.close();
for (const { checked } of run.slice(4)) fold.step(checked);
console.log(`version ${fold.version}, digest ${fold.digest()}`);
rmSync(directory, { recursive: true });
