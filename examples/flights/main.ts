// The main job on real data: a trainer in this process, workers and replicas in their own, 3,000,000 flights in time order.
import { layout } from 'gradwire';
import { Cursor } from '../support/cursor.ts';
import { perform, type Stage } from '../support/stage.ts';
import { startTrainer } from '../support/start-trainer.ts';
import { weightCount } from './features.ts';
import { type Options, readOptions } from './options.ts';
import { Replicas } from './replicas.ts';
import { flightCount } from './source.ts';
import { allEqual, summarize, summaryText } from './summary.ts';
import { flightsDrawing, type View } from './view.ts';
import { Viewer } from './viewer.ts';
import { Workers } from './workers.ts';

const model = layout({ weights: [weightCount] });
const optimizer = { lr: 0.01, rho: 0.99, sparse: 'lazy' } as const;

// a range is long enough to be asked for ahead, and short enough that all workers stay close in time
const batchesInRange = 64;

await perform({ readOptions, json: ({ quiet }) => quiet, drawing: flightsDrawing, run });

/** Whether all flights that were handed out are learned and all replicas equal the trainer. */
async function run({ batch, limit, ...options }: Options, stage: Stage<View>): Promise<boolean> {
  const { display, trouble } = stage;
  const place = { example: 'flights', directory: options.directory, port: options.port, trouble };
  const { t, directory } = await startTrainer({ ...place, model, optimizer });

  const position = t.status().examples % flightCount;
  const flights = limit ?? flightCount - position;
  const cursor = new Cursor({ total: flightCount, position, limit: flights, rangeLength: batch * batchesInRange });
  stage.onInterrupt('stopping: what has been handed out is learned first', () => cursor.stop());

  const workers = new Workers({ url: t.url, count: options.workers, batch, cursor, trouble });
  const replicas = new Replicas({ url: t.url, count: options.replicas, trouble });
  const viewer = new Viewer(workers, replicas, flights);
  display.say(`${t.url}  ${directory}  version ${t.version}`);
  let asked = t.version;
  const stopRefreshing = stage.refresh(() => {
    const view = viewer.now(asked); // with the replicas' answers to what they were asked a moment ago
    asked = t.version;
    replicas.ask(asked);
    return view;
  });

  const complete = await Promise.race([workers.finished, t.closed.then(() => false)]);
  await replicas.finish(t.version);
  stopRefreshing();
  const view = viewer.whole(t.version);
  display.update(view);
  display.stop();

  await t.close();
  const { recording = null, snapshot = null, recordedBytes } = t;
  const summary = summarize(view, { digest: t.digest(), recording, snapshot });
  stage.print(summary, summaryText(summary, view, { directory, recordedBytes }));
  return complete && allEqual(summary);
}
