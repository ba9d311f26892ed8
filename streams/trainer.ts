// The trainer: admission, journal, optimizer, snapshots, publication and broadcast in one line of flow.
import { identity, merge, Subject, share, takeUntil, tap } from 'rxjs';
import type { GradwireError } from '../src/errors.ts';
import { admit } from './operators/admit.ts';
import type { Admitted, Publication } from './operators/flow.ts';
import { publish } from './operators/publish.ts';
import { rmsprop } from './operators/rmsprop.ts';
import { snapshot } from './operators/snapshot.ts';
import { serveOptionsOf } from './sockets/server/serve-options.ts';
import { Failing } from './trainer/failing.ts';
import { openHistory, recover } from './trainer/history.ts';
import { settleTrainerOptions, type TrainerOptions } from './trainer/options.ts';
import { Pusher } from './trainer/pusher.ts';
import { Trainer } from './trainer/running.ts';
import { openServer } from './trainer/server.ts';

export type { TrainerStatus } from './trainer/held.ts';
export type { SnapshotSettings, TrainerOptions } from './trainer/options.ts';
export type { Pushed } from './trainer/pusher.ts';
export { Trainer } from './trainer/running.ts';

/**
 * A running trainer: it has recovered its directory's newest version and listens when the promise resolves. `close()` ends it.
 *
 * This is the library's own composition of its operators, meant to be read, copied and changed.
 *
 * @throws GradwireError `E_CONFIG`, `E_CONFIG_DRIFT`, `E_LAYOUT`, `E_LOCKED`, `E_RECORDING…`, or `E_BUSY` where the port is taken.
 */
export async function trainer<Name extends string>(given: TrainerOptions<Name>): Promise<Trainer<Name>> {
  const options = settleTrainerOptions(given);
  if (options.listen !== undefined) serveOptionsOf(options.listen);
  const history = await openHistory(options);
  const opened: { close(): Promise<void> }[] = [history];
  try {
    const held = await recover(history);
    const { layout: model, model: name, run, epoch, published } = held;
    const { optimizer, snapshots } = history;
    const server = await openServer(held, options);
    opened.unshift(server);
    const pusher = new Pusher(held, optimizer, options.maxWaitingBytes);
    const closing$ = new Subject<void>();
    const { threads } = options.optimizer ?? {};
    const failing = new Failing(options.onError);

    const durable$ = merge(server.arrivals$, pusher.arrivals$, failing.failed$).pipe(
      takeUntil(closing$),
      admit(model, held.admission(options)),
      history.commit(),
    );
    const updates$ = durable$.pipe(
      rmsprop<Name, Admitted<Name>>(model, { ...optimizer, threads, state: () => held.optimizer.state(), onRefused: giveUp }),
      tap((step) => held.account(step)),
      snapshots
        ? snapshot<Name, Admitted<Name>>({
            every: options.snapshots?.every,
            intervalMs: options.snapshots?.intervalMs,
            write: (frame, at) => snapshots.write(frame, at),
            context: () => held.context(),
            onError: failing.note,
          })
        : identity,
      publish<Name, Admitted<Name>>({ name, run, epoch, published }),
      tap((publication) => held.show(publication)),
      server.broadcast(),
      tap(acknowledge<Name>),
      share({ resetOnComplete: false, resetOnError: false, resetOnRefCountZero: false }),
    );
    return new Trainer({ held, server, pusher, updates$, closing$ });
  } catch (error) {
    for (const each of opened) await each.close();
    throw error;
  }
}

/** What has been admitted and is in the journal must fold: a version left out would make another history. */
function giveUp(error: GradwireError): never {
  throw error;
}

/** Durable, folded, published: only now does its sender hear of it. */
function acknowledge<Name extends string>({ batch, version }: Publication<Admitted<Name>>): void {
  batch.answer({ type: 'ack', sequence: batch.header.sequence, version, duplicate: false });
}
