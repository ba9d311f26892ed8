// admit: arrivals against the model, their place in the stream and their identity; what fails is answered and dropped.
import {
  connect,
  defer,
  EMPTY,
  endWith,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  type Observable,
  type OperatorFunction,
  switchMap,
  takeUntil,
  timer,
} from 'rxjs';
import type { Layout } from '../../src/layout.ts';
import { Desk } from './admission/desk.ts';
import type { AdmitOptions } from './admission/options.ts';
import { refusePolicies } from './admission/policies.ts';
import { monotonicScheduler } from './admission/scheduler.ts';
import type { Admitted, Arrival } from './flow.ts';

export { nackOf } from './admission/nack.ts';
export type { AdmitOptions } from './admission/options.ts';

/**
 * Lets through what fits: frame, model, shapes, values, base, staleness, identity, and the policies given; each with the
 * version it will become. In synchronous mode it lets through the mean of each round.
 *
 * A refused arrival is answered with a nack and changes nothing. A resend of a batch that is folded is answered with its
 * first ack; a resend of one that is still on its way is answered together with it. When the source ends, what waits for a
 * round that is not full is answered with the nack `E_CLOSED`.
 *
 * @throws GradwireError `E_CONFIG` for policies that cannot be meant.
 */
export function admit<Name extends string>(
  model: Layout<Name>,
  options: AdmitOptions,
): OperatorFunction<Arrival, Admitted<Name>> {
  refusePolicies(options);
  return (source) =>
    defer(() => {
      const desk = new Desk(model, options);
      const judged = (arrivals$: Observable<Arrival>): Observable<Admitted<Name> | undefined> =>
        arrivals$.pipe(map((arrival) => desk.judge(arrival)));
      return source.pipe(
        desk.rounds === undefined ? judged : connect((arrivals$) => merge(overdue(desk, arrivals$, options), judged(arrivals$))),
        filter((admitted) => admitted !== undefined),
        finalize(() => desk.end()),
      );
    });
}

/** The rounds whose time is over, until the arrivals end. */
function overdue<Name extends string>(
  desk: Desk<Name>,
  arrivals$: Observable<Arrival>,
  { synchronous, scheduler = monotonicScheduler }: AdmitOptions,
): Observable<Admitted<Name> | undefined> {
  const { deadlineMs } = synchronous ?? {};
  if (desk.rounds === undefined || deadlineMs === undefined) return EMPTY;
  return desk.rounds.begun$.pipe(
    switchMap((begun) => (begun ? timer(deadlineMs, scheduler) : EMPTY)),
    map(() => desk.close()),
    takeUntil(arrivals$.pipe(ignoreElements(), endWith(true))),
  );
}
