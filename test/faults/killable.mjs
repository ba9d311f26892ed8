// A trainer to be killed: it loads everything, says so, waits for the word to begin, and says when it accepts batches.
import { open as openFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { layout } from 'gradwire';
import { trainer } from 'gradwire/trainer';
import { Producers } from '../../dist/src/producers.js';

const { model, forgetful = false, writeMs = 0, ...options } = JSON.parse(process.argv[2]);

/** The control: a trainer that begins with empty dedupe windows, whatever its recording and its snapshots say. */
async function withoutWindows(begin) {
  const { note } = Producers.prototype;
  const { fromList } = Producers;
  Producers.prototype.note = () => undefined;
  Producers.fromList = () => new Producers();
  try {
    return await begin();
  } finally {
    Producers.prototype.note = note;
    Producers.fromList = fromList;
  }
}

/** A disk that takes so long for each write: what has left before it was written is seen to be lost. */
async function slowDown(ms) {
  const file = await openFile('/dev/null');
  const handles = Object.getPrototypeOf(file);
  await file.close();
  const { writev } = handles;
  handles.writev = async function (...args) {
    await delay(ms);
    return await writev.apply(this, args);
  };
}

async function begin() {
  if (writeMs > 0) await slowDown(writeMs);
  const startMs = performance.now();
  const open = () => trainer({ ...options, model: layout(model) });
  const t = await (forgetful ? withoutWindows(open) : open());
  process.once('SIGTERM', () => void t.close().then(() => process.exit(0)));
  process.send({ recoveryMs: performance.now() - startMs, version: t.version, epoch: t.epoch });
}

process.once('disconnect', () => process.exit(1));
process.once('message', () => void begin());
process.send({ loadMs: performance.now() });
