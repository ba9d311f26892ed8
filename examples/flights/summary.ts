// The end of a run: as one line of JSON for programs, and as text for people.
import { decimal, quoted, rounded, whole } from '../support/text.ts';
import type { View } from './view.ts';

/** What a run came to. */
export interface Summary {
  readonly flights: number;
  readonly seconds: number;
  /** Prequential, over all flights of this run; null where they were too few. */
  readonly auc: number | null;
  readonly logLoss: number | null;
  readonly version: number;
  /** xxHash64 of the trainer's published weights. */
  readonly digest: string;
  readonly replicas: readonly { readonly version: number | null; readonly digest: string | null }[];
  /** Paths of the recording and of the newest snapshot. */
  readonly recording: string | null;
  readonly snapshot: string | null;
}

/** The summary of the run that ended with this view. */
export function summarize(view: View, trainer: Pick<Summary, 'digest' | 'recording' | 'snapshot'>): Summary {
  const { flights, seconds, total, version, replicas } = view;
  return {
    flights,
    seconds: rounded(seconds, 3) ?? 0,
    auc: rounded(total.auc, 6),
    logLoss: rounded(total.logLoss, 6),
    version,
    digest: trainer.digest,
    replicas: replicas.map((replica) => ({ version: replica.version ?? null, digest: replica.digest ?? null })),
    recording: trainer.recording,
    snapshot: trainer.snapshot,
  };
}

/** Whether every replica ended with the trainer's weights. */
export function allEqual({ digest, replicas }: Summary): boolean {
  return replicas.every((replica) => replica.digest === digest);
}

/** The same for people to read: totals, digests, files, and the commands that go on from here. */
export function summaryText(
  summary: Summary,
  view: View,
  { directory, recordedBytes }: { directory: string; recordedBytes: number },
): string {
  const rows: [string, string][] = [
    ['trainer', summary.digest],
    ...view.replicas.map(({ name, digest }): [string, string] => [name, digest ?? 'no digest: it ended early']),
    ['', digestVerdict(summary)],
    ['', ''],
    ['recording', `${summary.recording}  (${decimal(recordedBytes / 1e6, 1)} MB)`],
    ['snapshot', String(summary.snapshot)],
    ['replay', `npx gradwire replay ${quoted(directory)}`],
    ['go on', `npm start -- --directory ${quoted(directory)}`],
  ];
  return [
    `${whole(view.flights)} flights in ${decimal(view.seconds, 1)} s: ${whole(view.flightsPerSecond)} flights/s, ${whole(view.batchesPerSecond)} batches/s`,
    `AUC ${decimal(view.total.auc, 4)}, log loss ${decimal(view.total.logLoss, 4)} (${decimal(view.total.baseLogLoss, 4)} by the share of late flights alone)`,
    `version ${whole(view.version)}, staleness mean ${decimal(view.stalenessMean, 1)}, max ${whole(view.stalenessMax)} batches`,
    '',
    ...rows.map(([label, text]) => (label + text === '' ? '' : label.padEnd(11) + text)),
  ].join('\n');
}

function digestVerdict({ digest, replicas }: Summary): string {
  const count = replicas.length;
  const equal = replicas.filter((replica) => replica.digest === digest).length;
  const missing = replicas.filter((replica) => replica.digest === null).length;
  if (count === 0) return 'xxHash64 of the published weights';
  if (equal + missing < count)
    return `NOT EQUAL: ${count - equal - missing} of ${count} replicas hold other weights than the trainer`;
  if (missing > 0) return `${equal} of ${count} replicas hold the weights of the trainer bit for bit, ${missing} ended early`;
  return count === 1
    ? 'equal: the replica holds the weights of the trainer bit for bit'
    : `equal: ${count} replicas hold the weights of the trainer bit for bit`;
}
