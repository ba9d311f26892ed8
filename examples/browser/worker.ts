// A worker process: learns digits for as long as the trainer runs, so many batches a second.
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'gradwire/sockets';
import { trainFrom } from 'gradwire/tfjs';
import { lastValueFrom } from 'rxjs';
import { orderOf, readDigits } from '../mnist/digits.ts';
import { examplesOf, network } from '../mnist/network.ts';
import { runChild } from '../support/child.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';

const [url, producer, ...numbers] = process.argv.slice(2);
const [seed, rate] = numbers.map(Number);
const batch = 32;

// the next gradient is computed while the last one is on its way
const inFlight = 2;

runChild(async () => {
  const { tf } = await loadTensorFlow();
  const digits = readDigits('training');
  const worker = connect(url, { role: 'worker', producer, encoding: 'int8' });
  await worker.ready;

  /** Pass after pass over all digits, each in an order of its own. */
  async function* examples(): AsyncGenerator<ReturnType<typeof examplesOf>> {
    const pause = paced(rate);
    for (let pass = worker.version; ; pass++) {
      const order = orderOf({ count: digits.count, seed, pass });
      for (let i = 0; i < order.length; i += batch) {
        await pause();
        yield examplesOf(tf, digits, order.subarray(i, i + batch));
      }
    }
  }

  await lastValueFrom(trainFrom(tf, network(tf, 0), examples(), { worker, inFlight, dispose: true }));
});

/** Waits for the next of so many turns a second; not at all where that is 0. What was missed is not caught up with. */
function paced(perSecond: number): () => Promise<void> {
  let next = 0;
  return async () => {
    if (perSecond === 0) return;
    const now = performance.now();
    next = Math.max(now, next + 1000 / perSecond);
    await delay(next - now);
  };
}
