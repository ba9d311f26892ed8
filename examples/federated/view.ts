// What the run looks like at one moment, as numbers and as text.
import type { Score } from '../mnist/messages.ts';
import { replicaText } from '../mnist/view.ts';
import type { Drawing } from '../support/display.ts';
import { decimal, minutes, whole } from '../support/text.ts';
import type { WorkerState } from './worker-process.ts';

/** A worker process at one moment. */
export interface WorkerView {
  readonly name: string;
  readonly state: WorkerState;
  /** Digits in its shard. */
  readonly digits: number;
  /** Of its latest batches, smoothed. */
  readonly loss: number;
  /** Rounds that had a batch of it, and rounds that went on without one. */
  readonly rounds: number;
  readonly missed: number;
  /** Its batches that came after the deadline of their round, and went into a later one. */
  readonly late: number;
  /** Batches that were folded, and the bytes it sent. */
  readonly batches: number;
  readonly bytesUp: number;
}

/** One moment of the run. */
export interface View {
  readonly seconds: number;
  readonly rounds: number;
  /** Rounds this run will have made at its end. */
  readonly expected: number;
  /** Rounds that had all their batches. */
  readonly full: number;
  /** Batches in a full round. */
  readonly size: number;
  /** Batches in the last one. */
  readonly last: number;
  /** Digits learned. */
  readonly digits: number;
  readonly version: number;
  readonly workers: readonly WorkerView[];
  /** Producers from elsewhere, and in how many rounds each of them was. */
  readonly others: readonly { readonly producer: string; readonly rounds: number }[];
  /** Undefined before the replica has tested its weights. */
  readonly score: Score | undefined;
}

/** How the run is shown. */
export const roundsDrawing: Drawing<View> = {
  what: 'rounds',
  progress: (view) => ({
    done: view.rounds,
    expected: view.expected,
    left: minutes(((view.expected - view.rounds) * view.seconds) / view.rounds),
  }),
  liveLines: (view) => [
    ['speed', `${decimal(view.rounds / view.seconds, 1)} rounds/s   ${whole(view.digits / view.seconds)} digits/s`],
    [
      'trainer',
      `version ${whole(view.version)}   ${view.last} of ${view.size} workers in time   short ${whole(view.rounds - view.full)}`,
    ],
    ['replica', replicaText(view.score)],
    ...view.workers.map((worker): [string, string] => [worker.name, workerText(worker)]),
    ['elsewhere', othersText(view)],
  ],
  plainLine: (view) =>
    [
      `${decimal(view.seconds, 0)} s`,
      `${whole(view.rounds)} rounds (${Math.floor((100 * view.rounds) / view.expected)} %)`,
      `${decimal(view.rounds / view.seconds, 1)} rounds/s`,
      `version ${whole(view.version)}`,
      `${view.last} of ${view.size} workers in time`,
      `short ${whole(view.rounds - view.full)}`,
      `losses ${view.workers.map(({ loss }) => decimal(loss, 4)).join(' ')}`,
      `replica ${replicaText(view.score).replaceAll('   ', ', ')}`,
    ].join(', '),
};

const states: Readonly<Record<WorkerState, string>> = {
  joining: '   joining',
  learning: '',
  away: '   away, comes back',
  lost: '   lost',
  done: '',
};

function workerText({ loss, rounds, missed, late, state }: WorkerView): string {
  return `loss ${decimal(loss, 4)}   rounds ${whole(rounds)}   missed ${whole(missed)}   late ${whole(late)}${states[state]}`;
}

/** Who takes part from elsewhere. */
export function othersText({ others }: Pick<View, 'others'>): string {
  return others.length === 0
    ? 'nobody'
    : others.map(({ producer, rounds }) => `${producer}: rounds ${whole(rounds)}`).join('   ');
}
