// A trainer's server, or the silence of one that has none.
import { identity, type MonoTypeOperatorFunction, NEVER, type Observable } from 'rxjs';
import type { Arrival, Publication } from '../operators/flow.ts';
import { type Served, type ServeOptions, serve } from '../sockets/index.ts';

/** What a trainer needs of a server. */
export interface TrainerServer {
  readonly url: string | undefined;
  readonly arrivals$: Observable<Arrival>;
  broadcast<Input>(): MonoTypeOperatorFunction<Publication<Input>>;
  record(folded: Pick<Publication, 'version' | 'batch'>): void;
  close(): Promise<void>;
}

/** A server for the trainer; without options one that hears and says nothing. */
export async function openServer(served: Served, options: ServeOptions | undefined): Promise<TrainerServer> {
  if (options !== undefined) return await serve(served, options);
  return { url: undefined, arrivals$: NEVER, broadcast: () => identity, record: () => undefined, close: async () => undefined };
}
