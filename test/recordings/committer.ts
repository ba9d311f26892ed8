// A program to be killed: commits batches to the journal in its directory as fast as it can, and prints each that has passed.
import { Subject, tap } from 'rxjs';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Admitted } from '../../streams/operators/flow.ts';
import { type Durability, openJournal } from '../../streams/recordings/index.ts';
import { admitted, all, batches, model, type Name, optimizer, snapshotFrame } from './runs.ts';

const [directory, durability] = process.argv.slice(2);
const journal = await openJournal<Name>(directory, {
  model,
  optimizer,
  durability: durability as Durability,
  segmentBytes: 200_000,
  keepSnapshots: 2,
});
const fold = RMSprop.fromConfig(journal.optimizer, journal.model);
fold.restore(journal.start.state);
await all(journal.records$.pipe(tap(({ checked }) => fold.step(checked))));

const source = new Subject<Admitted<Name>>();
let next = fold.version + 1;
/** The batch of a version is the same in every process. */
const push = (): void => {
  const version = next++;
  source.next(admitted(batches(1, version), version)[0]);
};
source.pipe(journal.commit()).subscribe((batch) => {
  fold.step(batch.checked);
  journal.start.producers.note(batch.header, batch.payload, batch.version);
  process.stdout.write(`${batch.version} ${batch.payload}\n`);
  if (batch.version % 150 === 0) void journal.snapshots.write(snapshotFrame(journal, fold), batch.version);
  push();
});
for (let i = 0; i < 40; i++) push();
