// `gradwire replay --to`: pushes a recording's batches into another trainer, each exactly once and in their order.
import { GradwireError } from '../../../src/errors.ts';
import { connect, type ReplicaOptions } from '../../sockets/index.ts';
import { print } from '../output.ts';
import { stopped } from '../stop.ts';
import { Pushing } from './pushing.ts';
import { firstBatch, spanOf, warnOfEnd } from './span.ts';

/** What a push is told. */
export interface PushOptions {
  to: string;
  /** By what the target knows who pushes, and whom to trust. */
  access: Pick<ReplicaOptions, 'token' | 'tls'>;
  from?: number | Date;
  until?: number | Date;
  speed?: number;
  skipRefused?: boolean;
  /** Batches under way at once. */
  inFlight: number;
  json?: boolean;
}

const readyTimeoutMs = 15_000;

/** Pushes, and prints what became of the batches. */
export async function push(path: string, { to, access, from, until, ...options }: PushOptions): Promise<void> {
  const span = await spanOf(path, { from, until });
  const first = await firstBatch(path, { from: span.from, until: span.until });
  if (first === undefined) throw new GradwireError('E_CONFIG', 'the recording has no batch in that part; nothing was pushed');
  // one name for one run: a second replay of it goes on where the first was cut off
  const producer = `replay-${first.run.slice(0, 16)}`;
  const worker = connect(to, { ...access, role: 'worker', producer, producerEpoch: 0, readyTimeoutMs });
  const status = worker.status$.subscribe(({ state, reason }) => {
    if (state !== 'live' && reason) process.stderr.write(`${state}: ${reason}\n`);
  });
  const pushing = new Pushing(path, worker, { ...options, ...span, first });
  try {
    await pushing.run(stopped());
    // what the replica holds is what the trainer published with its last ack
    const target = worker.run === undefined ? {} : { version: worker.version, digest: worker.digest() };
    if (!pushing.interrupted) warnOfEnd(span, pushing.upTo);
    show({ ...target, ...pushing.figures(), producer, to, reachedUntil: span.reached(pushing.upTo) }, options);
  } finally {
    status.unsubscribe();
    await worker.close();
  }
}

function show(
  { batchesPerSecond, acknowledgedUpTo, seconds, reachedUntil, ...facts }: Record<string, unknown>,
  { json }: { json?: boolean },
): void {
  if (json) print({ ...facts, acknowledgedUpTo, seconds, batchesPerSecond, reachedUntil }, { json });
  else {
    const figures = { 'acknowledged up to': acknowledgedUpTo, seconds: Number(seconds).toFixed(3) };
    print({ ...facts, ...figures, 'batches/s': Math.round(Number(batchesPerSecond)) });
  }
}
