// A trainer in a process of its own: folds its own batches up to the version that it is told, and notes the digest of all that it publishes.
import { openSync, writeSync } from 'node:fs';
import { layout } from 'gradwire';
import { trainer } from 'gradwire/trainer';
import { batchOn, hyperparameters, shapes } from './trained.mjs';

// batches on their way at a time
const together = 20;

const { log, ...options } = JSON.parse(process.argv[2]);
const t = await trainer({ ...options, model: layout(shapes), optimizer: hyperparameters });
const file = openSync(log, 'a');
// written at once, so that it is there whenever the process is killed
const note = () => void writeSync(file, `${t.epoch} ${t.version} ${t.digest()}\n`);
const say = () => void process.send({ port: Number(new URL(t.url).port), version: t.version });
note();
t.updates$.subscribe(note);
process.once('disconnect', () => process.exit(1));
process.on('message', async (to) => {
  while (t.version < to) {
    const first = t.version;
    const count = Math.min(together, to - first);
    await Promise.all(Array.from({ length: count }, (_, i) => t.push(batchOn(first + i))));
    say();
  }
});
say();
