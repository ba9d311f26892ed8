// The trainer: admission, journal, optimizer, snapshots, publication and broadcast in one line of flow.
import { connect, identity, ignoreElements, merge, type OperatorFunction, pipe, Subject, share, takeUntil, tap } from 'rxjs';
import type { GradwireError } from '../src/errors.ts';
import { admit } from './operators/admit.ts';
import type { Admitted, Step } from './operators/flow.ts';
import { gated } from './operators/gated.ts';
import { publish } from './operators/publish.ts';
import { rmsprop } from './operators/rmsprop.ts';
import { snapshot } from './operators/snapshot.ts';
import { serveOptionsOf } from './sockets/server/serve-options.ts';
import { Failing } from './trainer/failing.ts';
import { Guarding } from './trainer/guarding.ts';
import type { Held } from './trainer/held.ts';
import { openHistory, recover } from './trainer/history.ts';
import type { TrainerOptions } from './trainer/options.ts';
import { Trainer } from './trainer/running.ts';
import { openServer, type TrainerServer } from './trainer/server.ts';
import { pusherFor, withSource } from './trainer/sourced.ts';

export type { Hold } from './operators/gate.ts';
export type { Guard, GuardAnswer, Score, Scored, StepStatistics } from './operators/guard.ts';
export type { SnapshotSettings, TrainerOptions } from './trainer/options.ts';
export type { Pushed } from './trainer/pusher.ts';
export type { RolledBack } from './trainer/rollbacks.ts';
export { Trainer } from './trainer/running.ts';
export type { TrainerStatus } from './trainer/status.ts';

/**
 * A running trainer: it has recovered its directory's newest version and listens when the promise resolves. `close()` ends it.
 *
 * This is the library's own composition of its operators, meant to be read, copied and changed.
 *
 * @throws GradwireError `E_CONFIG`, `E_CONFIG_DRIFT`, `E_LAYOUT`, `E_LOCKED`, `E_RECORDING…`, or `E_BUSY` where the port is taken.
 */
export async function trainer<Name extends string>(given: TrainerOptions<Name>): Promise<Trainer<Name>> {
  const options = withSource(given);
  if (options.listen !== undefined) serveOptionsOf(options.listen);
  const history = await openHistory(options);
  const opened: { close(): Promise<void> }[] = [history];
  try {
    const held = await recover(history, options.publish);
    const { layout: model, model: name, run, epoch, published } = held;
    const { optimizer } = history;
    const server = await openServer(held, options);
    opened.unshift(server);
    const closing$ = new Subject<void>();
    const { threads } = options.optimizer ?? {};
    const failing = new Failing(options.onError);
    const guarding = new Guarding(held, { ...options, onError: failing.note });
    const pusher = pusherFor(held, options, failing);

    const arrivals$ = merge(server.arrivals$.pipe(pusher.gate()), pusher.arrivals$, guarding.rollbacks.arrivals$);
    const durable$ = merge(arrivals$, failing.failed$).pipe(
      takeUntil(closing$),
      admit(model, held.admission(options)),
      history.commit(),
    );
    const steps$ = durable$.pipe(
      rmsprop<Name, Admitted<Name>>(model, { ...optimizer, threads, state: () => held.optimizer.state(), onRefused: giveUp }),
      tap((step) => held.account(step)),
    );
    const tell = pipe(
      gated<Name>(guarding.gate),
      publish<Name, Admitted<Name>>({ ...options.publish, name, run, epoch, published, gate: guarding.gate }),
      tap((publication) => held.show(publication)),
      server.broadcast(),
    );
    const updates$ = steps$.pipe(
      // replicas hear first, but no sender waits for what is merged or held back
      connect((each$) => merge(each$.pipe(tell), each$.pipe(keeping(held, server, options, failing)))),
      share({ resetOnComplete: false, resetOnError: false, resetOnRefCountZero: false }),
    );
    return pusher.begin(new Trainer({ held, server, pusher, guarding, updates$, closing$ }), closing$);
  } catch (error) {
    for (const each of opened) await each.close();
    throw error;
  }
}

/** What each batch needs that is folded, whenever it is published: its record, its snapshot and its ack. */
function keeping<Name extends string>(
  held: Held<Name>,
  server: TrainerServer,
  { snapshots: settings }: TrainerOptions<Name>,
  { note }: Failing,
): OperatorFunction<Step<Name, Admitted<Name>>, never> {
  const { snapshots } = held.history;
  const { every, intervalMs } = settings ?? {};
  return pipe(
    server.record<Step<Name, Admitted<Name>>>(),
    snapshots
      ? snapshot<Name, Admitted<Name>>({
          every,
          intervalMs,
          write: (frame, at) => snapshots.write(frame, at),
          context: () => held.context(),
          onError: note,
        })
      : identity,
    tap(acknowledge<Name>),
    ignoreElements(),
  );
}

/** What has been admitted and is in the journal must fold: a version left out would make another history. */
function giveUp(error: GradwireError): never {
  throw error;
}

/** Durable and folded: only now does its sender hear of it. */
function acknowledge<Name extends string>({ batch, version }: Step<Name, Admitted<Name>>): void {
  batch.answer({ type: 'ack', sequence: batch.header.sequence, version, duplicate: false });
}
