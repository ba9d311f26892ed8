// What the run looks like at one moment, as numbers and as text.
import type { Drawing } from '../support/display.ts';
import { decimal, minutes, whole } from '../support/text.ts';
import type { Score } from './messages.ts';

/** One moment of the run. */
export interface View {
  readonly seconds: number;
  readonly digits: number;
  /** Digits this run will have learned at its end. */
  readonly expected: number;
  readonly batches: number;
  readonly version: number;
  /** Mean loss of the latest batches. */
  readonly loss: number;
  readonly stalenessMean: number;
  readonly stalenessMax: number;
  /** Undefined before the replica has tested its weights. */
  readonly score: Score | undefined;
}

/** How the run is shown. */
export const digitsDrawing: Drawing<View> = {
  what: 'digits',
  progress: (view) => ({
    done: view.digits,
    expected: view.expected,
    left: minutes(((view.expected - view.digits) * view.seconds) / view.digits),
  }),
  liveLines: (view) => [
    ['speed', `${whole(view.digits / view.seconds)} digits/s   ${whole(view.batches / view.seconds)} batches/s`],
    ['trainer', `version ${whole(view.version)}   loss ${decimal(view.loss, 4)}`],
    ['staleness', `mean ${decimal(view.stalenessMean, 1)}   max ${whole(view.stalenessMax)} batches`],
    ['replica', replicaText(view.score)],
  ],
  plainLine: (view) =>
    [
      `${decimal(view.seconds, 0)} s`,
      `${whole(view.digits)} digits (${Math.floor((100 * view.digits) / view.expected)} %)`,
      `${whole(view.digits / view.seconds)} digits/s`,
      `version ${whole(view.version)}`,
      `loss ${decimal(view.loss, 4)}`,
      `staleness mean ${decimal(view.stalenessMean, 1)} max ${whole(view.stalenessMax)}`,
      `replica ${replicaText(view.score).replaceAll('   ', ', ')}`,
    ].join(', '),
};

/** How the replica's weights do, in words. */
export function replicaText(score: Score | undefined): string {
  if (score === undefined) return 'joining';
  return `${percent(score.accuracy)} of the test digits   at version ${whole(score.version)}`;
}

/** A share as in `95.71 %`. */
export function percent(share: number): string {
  return `${decimal(100 * share, 2)} %`;
}
