// gated: steps pass a gate on their way to publication; what it lets go later passes too.
import { connect, endWith, filter, ignoreElements, type MonoTypeOperatorFunction, map, merge, takeUntil } from 'rxjs';
import type { Admitted, Step } from './flow.ts';
import type { Gate } from './gate.ts';

/** Passes what the gate lets pass. What is held back when the source ends is not published. */
export function gated<Name extends string>(gate: Gate<Name>): MonoTypeOperatorFunction<Step<Name, Admitted<Name>>> {
  return connect((steps$) => {
    const end$ = steps$.pipe(ignoreElements(), endWith(true));
    return merge(
      gate.released$.pipe(takeUntil(end$)),
      steps$.pipe(
        map((step) => gate.pass(step)),
        filter((step) => step !== undefined),
      ),
    );
  });
}
