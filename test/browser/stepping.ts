// A trainer in a process of its own: folds its own batches up to the version that it is told, and notes the digest of all that it publishes.
import { openSync, writeSync } from 'node:fs';
import { type TrainerOptions, trainer } from '../../streams/trainer.ts';
import { batchOn, hyperparameters, model } from './trained.ts';

/** What it says of itself: its port at the start, and its version. */
export interface Said {
  readonly port: number;
  readonly version: number;
}

/** What it is told at the start: plain data. */
export interface SteppingOptions extends Pick<TrainerOptions, 'directory' | 'durability' | 'publish' | 'listen' | 'snapshots'> {
  /** The file for lines of epoch, version and digest. */
  readonly log: string;
}

// batches on their way at a time, and versions between two messages
const together = 10;
const between = 50;

const { log, ...options }: SteppingOptions = JSON.parse(process.argv[2]);
const t = await trainer({ ...options, model, optimizer: hyperparameters });
const file = openSync(log, 'a');
// written at once, so that it is there whenever the process is killed
const note = (): void => void writeSync(file, `${t.epoch} ${t.version} ${t.digest()}\n`);
const say = (): void => void process.send?.({ port: Number(new URL(t.url).port), version: t.version } satisfies Said);
note();
t.updates$.subscribe(note);
process.once('disconnect', () => process.exit(1));
process.once('SIGTERM', () => void t.close().then(() => process.exit(0)));
process.on('message', async (to: number) => {
  while (t.version < to) {
    const first = t.version;
    const count = Math.min(together, to - first);
    await Promise.all(Array.from({ length: count }, (_, i) => t.push(batchOn(first + i))));
    if (t.version % between === 0 || t.version === to) say();
  }
});
say();
