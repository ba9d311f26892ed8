// A worker process: has its own shard of the digits, computes gradients on it, one batch in each round, and pushes nothing but these.
import { connect } from 'gradwire/sockets';
import { trainFrom } from 'gradwire/tfjs';
import { lastValueFrom } from 'rxjs';
import { readDigits } from '../mnist/digits.ts';
import { type Digits, examplesOf, network } from '../mnist/network.ts';
import { runChild, tell } from '../support/child.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { notingWorker } from '../support/noting-worker.ts';
import { countingSockets } from './counting-sockets.ts';
import { producerOf, type Task, type WorkerMessage, type WorkerOrder } from './messages.ts';
import { Batches, only, shardsOf } from './shards.ts';

const task = JSON.parse(process.argv[2]) as Task;
const { WebSocket, takeBytes } = countingSockets();

runChild(async () => {
  const worker = connect(task.url, {
    ...{ role: 'worker', producer: producerOf(task.number) },
    ...{ encoding: task.encoding, WebSocket },
  });
  let finishing = false;
  const begun = new Promise<void>((begin) => {
    process.on('message', ({ type }: WorkerOrder) => {
      begin();
      if (type !== 'finish') return;
      finishing = true;
      void worker.close(); // what is not answered will not be
    });
  });
  const { tf } = await loadTensorFlow();
  const model = network(tf, task.seed);
  const shard = ownShard();
  const batches = new Batches({ count: shard.count, rounds: task.roundsOfPass, seed: task.seed + task.number });
  if (!finishing) await worker.ready;
  tell<WorkerMessage>({ type: 'ready' });
  await begun;

  const pushing = notingWorker(worker, ({ base, loss = 0 }, { version }) => {
    tell<WorkerMessage>({ type: 'report', report: { loss, late: version - 1 > base, bytes: takeBytes() } });
  });

  function* examples(): Generator<ReturnType<typeof examplesOf>> {
    while (!finishing && worker.version < task.until) yield examplesOf(tf, shard, batches.at(worker.version));
  }

  try {
    await lastValueFrom(trainFrom(tf, model, examples(), { worker: pushing, dispose: true }), { defaultValue: undefined });
  } catch (error) {
    if (!finishing) throw error;
  }
  await worker.close();
  tell<WorkerMessage>({ type: 'done' });
});

/** Of all digits it keeps its own alone. */
function ownShard(): Digits {
  const all = readDigits('training');
  return only(all, shardsOf(all.labels.subarray(0, task.digits), task)[task.number - 1]);
}
