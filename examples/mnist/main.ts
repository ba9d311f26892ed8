// Digits with TensorFlow.js: a trainer in this process, workers and a replica that tests the live weights in their own.
import { fromModel, layoutOf } from 'gradwire/tfjs';
import { trainer } from 'gradwire/trainer';
import { Cursor } from '../support/cursor.ts';
import { makeDisplay } from '../support/display.ts';
import { onInterrupt } from '../support/interrupt.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { freePort, freshDirectory, outliveReader } from '../support/place.ts';
import { network } from './network.ts';
import { type Options, readOptions } from './options.ts';
import { summarize, summaryText } from './summary.ts';
import { Tester } from './tester.ts';
import { digitsDrawing, type View } from './view.ts';
import { Workers } from './workers.ts';

const usualPort = 8080;
const refreshMs = 250;

// a range is long enough to be asked for ahead, and short enough that all workers end together
const batchesInRange = 16;

outliveReader();
const options = readOptions(process.argv.slice(2));
const display = makeDisplay(digitsDrawing, { quiet: options.json });
const interrupted = onInterrupt(() => display.stop());
try {
  process.exitCode = (await run(options)) ? 0 : 1;
} catch (error) {
  display.stop();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1); // workers and the replica end with this process
}

/** One run from start to summary: whether all digits that were handed out are learned and the replica equals the trainer. */
async function run({ json, lr, seed, encoding, ...options }: Options): Promise<boolean> {
  const directory = options.directory ?? freshDirectory('mnist');
  const { tf, backend } = await loadTensorFlow({ say: display.say });
  const first = network(tf, seed);
  const onError = (error: unknown): void => display.warn(`a snapshot could not be written: ${String(error)}`);
  const listen = { port: options.port ?? (await freePort(usualPort)) };
  const optimizer = { lr, initial: fromModel(tf, first) };
  const t = await trainer({ model: layoutOf(first), optimizer, directory, listen, publish: { encoding }, onError });

  const limit = options.digits * options.epochs;
  const position = t.status().examples;
  const cursor = new Cursor({ total: options.digits, position, limit, rangeLength: options.batch * batchesInRange });
  interrupted.addEventListener('abort', () => {
    cursor.stop();
    display.say('stopping: what has been handed out is learned first');
  });
  if (interrupted.aborted) cursor.stop();

  display.say(`${t.url}  ${directory}  version ${t.version}`);
  const trouble = (line: string): void => display.warn(line);
  const tester = new Tester(t.url, trouble);
  await tester.started;
  const workers = new Workers({ url: t.url, cursor, options: { ...options, seed }, trouble });
  const view = (): View => viewOf(workers, { expected: limit, version: t.status().folded, score: tester.score });
  const refreshing = setInterval(() => display.update(view()), refreshMs);

  const complete = await Promise.race([workers.finished, t.closed.then(() => false)]);
  tester.finish();
  await t.close();
  await tester.finished();
  clearInterval(refreshing);
  display.update(view());
  display.stop();

  const { recording = null, snapshot = null, recordedBytes } = t;
  const accuracyAtStart = tester.first?.accuracy ?? null;
  const outcome = { encoding, digest: t.digest(), replica: tester.digest ?? null, backend, recording, snapshot, accuracyAtStart };
  const summary = summarize(view(), outcome);
  process.stdout.write(json ? `${JSON.stringify(summary)}\n` : `\n${summaryText(summary, { directory, recordedBytes })}\n`);
  return complete && summary.replica === summary.digest;
}

function viewOf(workers: Workers, rest: Pick<View, 'expected' | 'version' | 'score'>): View {
  const { seconds, digits, batches, loss, stalenessSum, stalenessMax } = workers;
  return { seconds, digits, batches, loss, stalenessMean: stalenessSum / batches, stalenessMax, ...rest };
}
