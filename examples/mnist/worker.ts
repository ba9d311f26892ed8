// A worker process: computes gradients with TensorFlow.js on the live weights, and pushes them to the trainer.

import { connect } from 'gradwire/sockets';
import { trainFrom } from 'gradwire/tfjs';
import { lastValueFrom } from 'rxjs';
import { runChild, tell } from '../support/child.ts';
import type { EncodingName } from '../support/command-line.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { notingWorker } from '../support/noting-worker.ts';
import { ranges } from '../support/ranges.ts';
import { orderOf, readDigits } from './digits.ts';
import type { WorkerMessage } from './messages.ts';
import { examplesOf, network } from './network.ts';

const [url, producer, encoding, ...numbers] = process.argv.slice(2);
const [batch, digitsOfPass, seed] = numbers.map(Number);
const reportEveryMs = 250;

// the next gradient is computed while the last one is on its way
const inFlight = 2;

const nothing = { digits: 0, batches: 0, lossSum: 0, stalenessSum: 0, stalenessMax: 0 };
let recent = { ...nothing };

runChild(async () => {
  const { tf } = await loadTensorFlow();
  const model = network(tf, seed);
  const digits = readDigits('training');
  const worker = connect(url, { role: 'worker', producer, encoding: encoding as EncodingName });
  await worker.ready;
  const reporting = setInterval(report, reportEveryMs);

  const pushing = notingWorker(worker, ({ base, examples = 0, loss = 0 }, { version }) => {
    note({ examples, loss, staleness: version - 1 - base });
  });

  async function* examples(): AsyncGenerator<ReturnType<typeof examplesOf>> {
    let latest = -1;
    let order: Uint32Array = new Uint32Array(0);
    for await (const { start, count, pass } of ranges()) {
      if (pass !== latest) order = orderOf({ count: digitsOfPass, seed, pass });
      latest = pass;
      const ordered = order.subarray(start, start + count);
      for (let i = 0; i < count; i += batch) yield examplesOf(tf, digits, ordered.subarray(i, i + batch));
    }
  }

  await lastValueFrom(trainFrom(tf, model, examples(), { worker: pushing, inFlight, dispose: true }), {
    defaultValue: undefined,
  });
  clearInterval(reporting);
  await worker.close();
  report();
  tell<WorkerMessage>({ type: 'done' });
});

function note({ examples, loss, staleness }: { examples: number; loss: number; staleness: number }): void {
  recent.digits += examples;
  recent.batches += 1;
  recent.lossSum += loss;
  recent.stalenessSum += staleness;
  recent.stalenessMax = Math.max(recent.stalenessMax, staleness);
}

function report(): void {
  tell<WorkerMessage>({ type: 'report', report: recent });
  recent = { ...nothing };
}
