// A trainer's server, or the silence of one that has none.
import { identity, type MonoTypeOperatorFunction, NEVER, type Observable } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import type { Layout } from '../../src/layout.ts';
import type { Arrival, Folded, Publication } from '../operators/flow.ts';
import { type Served, type ServeOptions, serve } from '../sockets/index.ts';
import { largestFrame, serveOptionsOf } from '../sockets/server/serve-options.ts';
import type { TrainerOptions } from './options.ts';

/** What a trainer needs of a server. */
export interface TrainerServer {
  readonly url: string | undefined;
  readonly arrivals$: Observable<Arrival>;
  record<Each extends Folded>(): MonoTypeOperatorFunction<Each>;
  broadcast<Input>(): MonoTypeOperatorFunction<Publication<Input>>;
  close(): Promise<void>;
}

/** A server for the trainer; without `listen` one that hears and says nothing. */
export async function openServer(
  served: Served,
  { listen, synchronous }: Pick<TrainerOptions, 'listen' | 'synchronous'>,
): Promise<TrainerServer> {
  if (listen !== undefined) return await serve(served, withRoomForRounds(listen, served.layout, synchronous?.workers ?? 0));
  return { url: undefined, arrivals$: NEVER, record: () => identity, broadcast: () => identity, close: async () => undefined };
}

/**
 * A round waits for every worker's batch, so the accept queue must never be full of waiting ones: two of each worker, in the
 * half of the queue that must be free before sockets are read again.
 */
function withRoomForRounds(listen: ServeOptions, layout: Layout, workers: number): ServeOptions {
  const { acceptBytes, acceptBatches } = serveOptionsOf(listen);
  const batches = 4 * workers;
  const bytes = batches * largestFrame(layout);
  for (const [name, needed] of [
    ['acceptBytes', bytes],
    ['acceptBatches', batches],
  ] as const) {
    const given = listen[name];
    if (given === undefined || given >= needed) continue;
    const text = `listen.${name} must be at least ${needed} for rounds of ${workers} workers, or a round could wait for batches that are not read; got ${given}`;
    throw new GradwireError('E_CONFIG', text);
  }
  return { ...listen, acceptBytes: Math.max(acceptBytes, bytes), acceptBatches: Math.max(acceptBatches, batches) };
}
