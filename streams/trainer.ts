// The trainer: admission, journal, optimizer, snapshots, publication and broadcast in one line of flow.
import { identity, type MonoTypeOperatorFunction, merge, Subject, share, takeUntil, tap } from 'rxjs';
import type { GradwireError } from '../src/errors.ts';
import { admit } from './operators/admit.ts';
import type { Admitted, Step } from './operators/flow.ts';
import { gated } from './operators/gated.ts';
import { publish } from './operators/publish.ts';
import { rmsprop } from './operators/rmsprop.ts';
import { snapshot } from './operators/snapshot.ts';
import { serveOptionsOf } from './sockets/server/serve-options.ts';
import { acknowledge } from './trainer/acknowledge.ts';
import { Failing } from './trainer/failing.ts';
import { Guarding } from './trainer/guarding.ts';
import type { Held } from './trainer/held.ts';
import { openHistory, recover } from './trainer/history.ts';
import { refuseTrainerOptions, type SnapshotSettings, type TrainerOptions } from './trainer/options.ts';
import { Pusher } from './trainer/pusher.ts';
import { Trainer } from './trainer/running.ts';
import { openServer } from './trainer/server.ts';

export type { Hold } from './operators/gate.ts';
export type { Guard, GuardAnswer, Score, Scored, StepStatistics } from './operators/guard.ts';
export type { TrainerStatus } from './trainer/held.ts';
export type { SnapshotSettings, TrainerOptions } from './trainer/options.ts';
export type { Pushed } from './trainer/pusher.ts';
export type { RolledBack } from './trainer/rollbacks.ts';
export { Trainer } from './trainer/running.ts';

/**
 * A running trainer: it has recovered its directory's newest version and listens when the promise resolves. `close()` ends it.
 *
 * This is the library's own composition of its operators, meant to be read, copied and changed.
 *
 * @throws GradwireError `E_CONFIG`, `E_CONFIG_DRIFT`, `E_LAYOUT`, `E_LOCKED`, `E_RECORDING…`, or `E_BUSY` where the port is taken.
 */
export async function trainer<Name extends string>(options: TrainerOptions<Name>): Promise<Trainer<Name>> {
  refuseTrainerOptions(options as TrainerOptions<never>);
  if (options.listen !== undefined) serveOptionsOf(options.listen);
  const history = await openHistory(options);
  const opened: { close(): Promise<void> }[] = [history];
  try {
    const held = await recover(history);
    const { layout: model, model: name, run, epoch, published } = held;
    const { optimizer } = history;
    const server = await openServer(held, options.listen);
    opened.unshift(server);
    const pusher = new Pusher(held, optimizer, options.maxWaitingBytes);
    const closing$ = new Subject<void>();
    const { threads } = options.optimizer ?? {};
    const failing = new Failing(options.onError);
    const guarding = new Guarding(held, { ...options, server, onError: failing.note });

    const durable$ = merge(server.arrivals$, pusher.arrivals$, guarding.rollbacks.arrivals$, failing.failed$).pipe(
      takeUntil(closing$),
      admit(model, held.admission(options.maxStaleness)),
      history.commit(),
    );
    const updates$ = durable$.pipe(
      rmsprop<Name, Admitted<Name>>(model, { ...optimizer, threads, state: () => held.optimizer.state(), onRefused: giveUp }),
      tap((step) => held.account(step)),
      snapshotting(held, options.snapshots, failing.note),
      gated(guarding.gate),
      publish<Name, Admitted<Name>>({ name, run, epoch, published }),
      tap((publication) => held.show(publication)),
      server.broadcast(),
      tap((publication) => acknowledge(publication)),
      share({ resetOnComplete: false, resetOnError: false, resetOnRefCountZero: false }),
    );
    return new Trainer({ held, server, pusher, guarding, updates$, closing$ });
  } catch (error) {
    for (const each of opened) await each.close();
    throw error;
  }
}

/** Snapshots of the steps, where there is a directory for them. */
function snapshotting<Name extends string>(
  held: Held<Name>,
  { every, intervalMs }: SnapshotSettings = {},
  onError: (error: unknown) => void,
): MonoTypeOperatorFunction<Step<Name, Admitted<Name>>> {
  const { snapshots } = held.history;
  if (snapshots === undefined) return identity;
  return snapshot<Name, Admitted<Name>>({
    every,
    intervalMs,
    write: (frame, at) => snapshots.write(frame, at),
    context: () => held.context(),
    onError,
  });
}

/** What has been admitted and is in the journal must fold: a version left out would make another history. */
function giveUp(error: GradwireError): never {
  throw error;
}
