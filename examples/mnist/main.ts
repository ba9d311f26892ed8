// Digits with TensorFlow.js: a trainer in this process, workers and a replica that tests the live weights in their own.
import { fromModel, layoutOf } from 'gradwire/tfjs';
import { Cursor } from '../support/cursor.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { perform, type Stage } from '../support/stage.ts';
import { startTrainer } from '../support/start-trainer.ts';
import { network } from './network.ts';
import { type Options, readOptions } from './options.ts';
import { summarize, summaryText } from './summary.ts';
import { Tester } from './tester.ts';
import { digitsDrawing, type View } from './view.ts';
import { Workers } from './workers.ts';

// a range is long enough to be asked for ahead, and short enough that all workers end together
const batchesInRange = 16;

await perform({ readOptions, json: ({ json }) => json, drawing: digitsDrawing, run });

/** Whether all digits that were handed out are learned and the replica equals the trainer. */
async function run({ lr, seed, encoding, ...options }: Options, stage: Stage<View>): Promise<boolean> {
  const { display, trouble } = stage;
  const { tf, backend } = await loadTensorFlow({ say: display.say });
  const first = network(tf, seed);
  const { t, directory } = await startTrainer({
    ...{ example: 'mnist', directory: options.directory, port: options.port, trouble },
    model: layoutOf(first),
    optimizer: { lr, initial: fromModel(tf, first) },
    publish: { encoding },
  });

  const limit = options.digits * options.epochs;
  const position = t.status().examples;
  const cursor = new Cursor({ total: options.digits, position, limit, rangeLength: options.batch * batchesInRange });
  stage.onInterrupt('stopping: what has been handed out is learned first', () => cursor.stop());

  display.say(`${t.url}  ${directory}  version ${t.version}`);
  const tester = new Tester(t.url, trouble);
  await tester.started;
  const workers = new Workers({ url: t.url, cursor, options: { ...options, seed }, trouble });
  const view = (): View => viewOf(workers, { expected: limit, version: t.status().folded, score: tester.score });
  const stopRefreshing = stage.refresh(view);

  const complete = await Promise.race([workers.finished, t.closed.then(() => false)]);
  tester.finish();
  await t.close();
  await tester.finished();
  stopRefreshing();
  display.update(view());
  display.stop();

  const { recording = null, snapshot = null, recordedBytes } = t;
  const accuracyAtStart = tester.first?.accuracy ?? null;
  const outcome = { encoding, digest: t.digest(), replica: tester.digest ?? null, backend, recording, snapshot, accuracyAtStart };
  const summary = summarize(view(), outcome);
  stage.print(summary, summaryText(summary, { directory, recordedBytes }));
  return complete && summary.replica === summary.digest;
}

function viewOf(workers: Workers, rest: Pick<View, 'expected' | 'version' | 'score'>): View {
  const { seconds, digits, batches, loss, stalenessSum, stalenessMax } = workers;
  return { seconds, digits, batches, loss, stalenessMean: stalenessSum / batches, stalenessMax, ...rest };
}
