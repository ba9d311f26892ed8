// A trainer to be killed: it loads everything, says so, waits for the word to begin, and says when it accepts batches.
import { layout } from 'gradwire';
import { trainer } from 'gradwire/trainer';
import { Producers } from '../../dist/src/producers.js';

const { model, forgetful = false, ...options } = JSON.parse(process.argv[2]);

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

async function begin() {
  const startMs = performance.now();
  const open = () => trainer({ ...options, model: layout(model) });
  const t = await (forgetful ? withoutWindows(open) : open());
  process.once('SIGTERM', () => void t.close().then(() => process.exit(0)));
  process.send({ recoveryMs: performance.now() - startMs, version: t.version, epoch: t.epoch });
}

process.once('disconnect', () => process.exit(1));
process.once('message', () => void begin());
process.send({ loadMs: performance.now() });
