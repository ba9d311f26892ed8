// Pushing batches to a trainer of this process with a number of them in flight.
import type { Batch } from '../../src/index.ts';
import type { Trainer } from '../../streams/trainer.ts';

/** Seconds until `count` batches, taken in turn, are acknowledged; each answer sends the next. */
export async function pushAll<Name extends string>(
  trainer: Trainer<Name>,
  batches: readonly Batch<Name>[],
  count: number,
  inFlight: number,
): Promise<number> {
  const start = performance.now();
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < count) await trainer.push(batches[sent++ % batches.length]);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
  return (performance.now() - start) / 1000;
}
