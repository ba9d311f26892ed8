// The run itself, from the moment that all is started to the moment that all has ended, and how it looks meanwhile.
import type { Trainer } from 'gradwire/trainer';
import type { Tester } from '../mnist/tester.ts';
import type { Stage } from '../support/stage.ts';
import type { Rounds } from './rounds.ts';
import type { View } from './view.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Who takes part. */
interface Cast {
  readonly t: Trainer;
  readonly rounds: Rounds;
  readonly workers: readonly WorkerProcess[];
  readonly tester: Tester;
}

/** Lets the workers learn until the rounds are made or Ctrl-C comes, then ends everyone: whether that is all that ended it. */
export async function learn({
  stage,
  view,
  t,
  rounds,
  workers,
  tester,
}: Cast & { stage: Stage<View>; view: () => View }): Promise<boolean> {
  const interrupted = new Promise<'interrupted'>((resolve) =>
    stage.onInterrupt('stopping: the round at hand is given up', () => resolve('interrupted')),
  );
  const ended = Promise.all(workers.map((worker) => worker.ended));
  const ready = Promise.all([tester.started, ...workers.map((worker) => worker.ready)]);
  await Promise.race([ready, interrupted]);
  // all at once, or the first would wait for the last until the deadline
  for (const worker of workers) worker.begin();
  rounds.begin();
  const stopRefreshing = stage.refresh(view);

  const made = rounds.complete.then(() => 'made' as const);
  const none = ended.then(() => 'no worker is left' as const);
  const end = await Promise.race([made, interrupted, none, t.closed.then(() => 'closed' as const)]);
  rounds.end();
  if (end === 'no worker is left') stage.trouble(end);
  tester.finish();
  await t.close();
  for (const worker of workers) worker.finish();
  await ended;
  await tester.finished();
  stopRefreshing();
  return (end === 'made' || end === 'interrupted') && workers.every(({ state }) => state !== 'lost');
}

/** How it looks now. */
export function look(
  { t, rounds, workers, tester }: Cast,
  { shards, ...rest }: Pick<View, 'expected' | 'size'> & { shards: readonly Uint32Array[] },
): View {
  const { made, full, digits, attended, last } = rounds;
  const here = new Set(workers.map(({ producer }) => producer));
  return {
    ...rest,
    ...{ rounds: made, full, digits, last: last.length, version: t.status().folded, score: tester.score },
    seconds: rounds.seconds,
    workers: workers.map(({ name, producer, state, batches, late, bytesUp, loss }, i) => {
      const inTime = attended.get(producer) ?? 0;
      return { name, state, digits: shards[i].length, rounds: inTime, missed: made - inTime, late, batches, bytesUp, loss };
    }),
    others: [...attended].filter(([producer]) => !here.has(producer)).map(([producer, count]) => ({ producer, rounds: count })),
  };
}
