// Federated learning: a trainer that makes rounds in this process, workers with digits of their own, and a replica that tests the weights.
import { fromModel, layoutOf } from 'gradwire/tfjs';
import { readDigits } from '../mnist/digits.ts';
import { network } from '../mnist/network.ts';
import { Tester } from '../mnist/tester.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { perform, type Stage } from '../support/stage.ts';
import { startTrainer } from '../support/start-trainer.ts';
import { introduction } from './introduction.ts';
import { learn, look } from './learn.ts';
import type { Task } from './messages.ts';
import { type Options, readOptions } from './options.ts';
import { Rounds } from './rounds.ts';
import { roundsOfPass, shardsOf } from './shards.ts';
import { summarize, summaryText } from './summary.ts';
import { roundsDrawing, type View } from './view.ts';
import { WorkerProcess } from './worker-process.ts';

await perform({ readOptions, json: ({ json }) => json, drawing: roundsDrawing, run });

/** Whether all rounds were made, no worker was lost and the replica equals the trainer. */
async function run(options: Options, stage: Stage<View>): Promise<boolean> {
  const { display, trouble } = stage;
  const { lr, seed, encoding, encodingUp, deadline, skew, round = options.workers } = options;
  const { tf, backend } = await loadTensorFlow({ say: display.say });
  const first = network(tf, seed);
  const { t, directory } = await startTrainer({
    ...{ example: 'federated', directory: options.directory, port: options.port, trouble },
    listen: { allowOrigins: options.allowOrigin },
    model: layoutOf(first),
    optimizer: { lr, initial: fromModel(tf, first) },
    publish: { encoding },
    synchronous: { workers: round, deadlineMs: deadline },
  });

  const { labels } = readDigits('training');
  const shards = shardsOf(labels.subarray(0, options.digits), options);
  const count = options.epochs * roundsOfPass(options);
  display.say(`${t.url}  ${directory}  version ${t.version}`);
  for (const line of introduction({ url: t.url, labels, shards, count, round, deadline, skew })) display.say(line);
  const workers = tasks(options, { url: t.url, until: t.version + count }).map((task) => new WorkerProcess(task, display));
  const drop = options.drop === true ? Math.ceil(count / 2) : options.drop;
  const onRound = (made: number): void => (made === drop ? workers[0].kill() : undefined);
  const rounds = new Rounds(t, { count, size: round, onRound });
  const tester = new Tester(t.url, trouble);
  const cast = { t, rounds, workers, tester };
  const view = (): View => look(cast, { shards, expected: count, size: round });

  const wentWell = await learn({ ...cast, stage, view });
  display.update(view());
  display.stop();

  const { recording = null, snapshot = null, recordedBytes } = t;
  const accuracyAtStart = tester.first?.accuracy ?? null;
  const held = { digest: t.digest(), replica: tester.digest ?? null, backend, recording, snapshot, accuracyAtStart };
  const summary = summarize(view(), { deadline, skew, encoding, encodingUp, round, ...held });
  stage.print(summary, summaryText(summary, { directory, recordedBytes }));
  return wentWell && summary.replica === summary.digest;
}

/** What each worker is told. */
function tasks(options: Options, { url, until }: Pick<Task, 'url' | 'until'>): Task[] {
  const { workers, digits, skew, seed, encodingUp: encoding } = options;
  const common = { url, until, workers, digits, skew, seed, encoding, roundsOfPass: roundsOfPass(options) };
  return Array.from({ length: workers }, (_, i) => ({ ...common, number: i + 1 }));
}
