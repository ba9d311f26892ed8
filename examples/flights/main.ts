// The main job on real data: a trainer in this process, workers and replicas in their own, 3,000,000 flights in time order.
import { layout } from 'gradwire';
import { trainer } from 'gradwire/trainer';
import { Cursor } from '../support/cursor.ts';
import { makeDisplay } from '../support/display.ts';
import { onInterrupt } from '../support/interrupt.ts';
import { freePort, freshDirectory, outliveReader } from '../support/place.ts';
import { weightCount } from './features.ts';
import { type Options, readOptions } from './options.ts';
import { Replicas } from './replicas.ts';
import { flightCount } from './source.ts';
import { allEqual, summarize, summaryText } from './summary.ts';
import { flightsDrawing } from './view.ts';
import { Viewer } from './viewer.ts';
import { Workers } from './workers.ts';

const model = layout({ weights: [weightCount] });
const usualPort = 8080;
const optimizer = { lr: 0.01, rho: 0.99, sparse: 'lazy' } as const;

// a range is long enough to be asked for ahead, and short enough that all workers stay close in time
const batchesInRange = 64;
const refreshMs = 250;

outliveReader();

const options = readOptions(process.argv.slice(2));
const display = makeDisplay(flightsDrawing, { quiet: options.quiet });
const interrupted = onInterrupt(() => display.stop());
try {
  process.exitCode = (await run(options)) ? 0 : 1;
} catch (error) {
  display.stop();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1); // workers and replicas end with this process
}

/** One run from start to summary: whether all flights that were handed out are learned and all replicas equal the trainer. */
async function run({ workers: workerCount, replicas: replicaCount, batch, limit, quiet, ...options }: Options): Promise<boolean> {
  const directory = options.directory ?? freshDirectory('flights');
  const onError = (error: unknown): void => display.warn(`a snapshot could not be written: ${String(error)}`);
  const listen = { port: options.port ?? (await freePort(usualPort)) };
  const t = await trainer({ model, optimizer, directory, listen, onError });

  const position = t.status().examples % flightCount;
  const flights = limit ?? flightCount - position;
  const cursor = new Cursor({ total: flightCount, position, limit: flights, rangeLength: batch * batchesInRange });
  interrupted.addEventListener('abort', () => {
    cursor.stop();
    display.say('stopping: what has been handed out is learned first');
  });
  if (interrupted.aborted) cursor.stop();

  const trouble = (line: string): void => display.warn(line);
  const workers = new Workers({ url: t.url, count: workerCount, batch, cursor, trouble });
  const replicas = new Replicas({ url: t.url, count: replicaCount, trouble });
  const viewer = new Viewer(workers, replicas, flights);
  display.say(`${t.url}  ${directory}  version ${t.version}`);
  let asked = t.version;
  const refreshing = setInterval(() => {
    display.update(viewer.now(asked)); // with the replicas' answers to what they were asked a moment ago
    asked = t.version;
    replicas.ask(asked);
  }, refreshMs);

  const complete = await Promise.race([workers.finished, t.closed.then(() => false)]);
  await replicas.finish(t.version);
  clearInterval(refreshing);
  const view = viewer.whole(t.version);
  display.update(view);
  display.stop();

  await t.close();
  const { recording = null, snapshot = null, recordedBytes } = t;
  const summary = summarize(view, { digest: t.digest(), recording, snapshot });
  process.stdout.write(
    quiet ? `${JSON.stringify(summary)}\n` : `\n${summaryText(summary, view, { directory, recordedBytes })}\n`,
  );
  return complete && allEqual(summary);
}
