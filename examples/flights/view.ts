// What the run looks like at one moment, as numbers and as text.
import type { Drawing } from '../support/display.ts';
import { decimal, minutes, whole } from '../support/text.ts';
import type { Prequential } from './metrics.ts';
import type { Position } from './replicas.ts';

/** One moment of the run. */
export interface View {
  readonly seconds: number;
  readonly flights: number;
  /** Flights this run will have learned at its end. */
  readonly expected: number;
  readonly flightsPerSecond: number;
  readonly batchesPerSecond: number;
  readonly version: number;
  readonly total: Prequential;
  readonly latest: Prequential;
  readonly stalenessMean: number;
  readonly stalenessMax: number;
  readonly replicas: readonly Position[];
}

// more replicas than this share a line
const mostReplicaLines = 4;

/** How the run is shown. */
export const flightsDrawing: Drawing<View> = {
  what: 'flights',
  progress: (view) => ({ done: view.flights, expected: view.expected, left: timeLeft(view) }),
  liveLines,
  plainLine,
};

/** The live lines of a terminal, below the progress bar: name and text of each. */
export function liveLines(view: View): [string, string][] {
  return [
    [
      'speed',
      `${whole(view.flightsPerSecond)} flights/s   ${whole(view.batchesPerSecond)} batches/s   version ${whole(view.version)}`,
    ],
    ['all', score(view.total)],
    ['latest', score(view.latest)],
    ['staleness', `mean ${decimal(view.stalenessMean, 1)}   max ${whole(view.stalenessMax)} batches`],
    ...replicaLines(view.replicas),
  ];
}

/** One line that says the same where there is no terminal. */
export function plainLine(view: View): string {
  const { total, latest, replicas } = view;
  const parts = [
    `${decimal(view.seconds, 0)} s`,
    `${whole(view.flights)} flights (${percent(view)})`,
    `${whole(view.flightsPerSecond)} flights/s`,
    `${whole(view.batchesPerSecond)} batches/s`,
    `version ${whole(view.version)}`,
    `AUC ${decimal(total.auc, 4)} (latest ${decimal(latest.auc, 4)})`,
    `log loss ${decimal(total.logLoss, 4)} (latest ${decimal(latest.logLoss, 4)})`,
    `staleness mean ${decimal(view.stalenessMean, 1)} max ${whole(view.stalenessMax)}`,
    ...replicas.map(
      ({ name, version, lag }) => `${name} ${version === undefined ? 'joining' : `${whole(version)} lag ${whole(lag)}`}`,
    ),
  ];
  return parts.join(', ');
}

/** Done so far, as in `58 %`. */
function percent({ flights, expected }: View): string {
  return `${Math.floor((100 * flights) / expected)} %`;
}

/** Until the end at the present speed, as in `0:42`. */
export function timeLeft({ flights, expected, flightsPerSecond }: View): string {
  return minutes((expected - flights) / flightsPerSecond);
}

function score(part: Prequential): string {
  return `AUC ${decimal(part.auc, 4)}   log loss ${decimal(part.logLoss, 4)}   over ${whole(part.flights)} flights`;
}

function replicaLines(replicas: readonly Position[]): [string, string][] {
  if (replicas.length <= mostReplicaLines) {
    return replicas.map(({ name, version, lag }) => [
      name,
      version === undefined ? 'joining' : `version ${whole(version)}   lag ${whole(lag)}`,
    ]);
  }
  const live = replicas.filter(({ version }) => version !== undefined);
  if (live.length === 0) return [['replicas', 'joining']];
  const versions = live.map(({ version = 0 }) => version);
  const lags = live.map(({ lag }) => lag);
  const mean = lags.reduce((sum, lag) => sum + lag, 0) / lags.length;
  return [
    [
      'replicas',
      `${live.length} live   version ${whole(Math.min(...versions))} to ${whole(Math.max(...versions))}   lag mean ${decimal(mean, 1)}, max ${whole(Math.max(...lags))}`,
    ],
  ];
}
