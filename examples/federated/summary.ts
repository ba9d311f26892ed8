// The end of a run: as one line of JSON for programs, and as text for people.
import { verdict } from '../mnist/summary.ts';
import { percent } from '../mnist/view.ts';
import { decimal, quoted, rounded, whole } from '../support/text.ts';
import type { Options } from './options.ts';
import { othersText, type View } from './view.ts';

/** A worker process, at the end. */
export interface WorkerSummary {
  readonly name: string;
  /** Digits in its shard. */
  readonly digits: number;
  /** Rounds that had a batch of it, and rounds that went on without one. */
  readonly rounds: number;
  readonly missed: number;
  /** Its batches that came after the deadline of their round, and went into a later one. */
  readonly late: number;
  /** Bytes that it sent, and those of a batch in the mean. */
  readonly bytesUp: number;
  readonly bytesPerBatch: number | null;
  /** The loss of its last batches, smoothed. */
  readonly loss: number | null;
}

/** What a run came to. */
export interface Summary extends Outcome, Pick<View, 'others'> {
  readonly rounds: number;
  /** Rounds that had all their batches; the others went on at their deadline. */
  readonly fullRounds: number;
  readonly version: number;
  readonly seconds: number;
  /** Digits learned in them. */
  readonly digits: number;
  /** The share of the test digits that the replica recognizes, with its last weights; null where it ended early. */
  readonly accuracy: number | null;
  readonly workers: readonly WorkerSummary[];
}

/** What the view does not say. */
export interface Outcome extends Pick<Options, 'deadline' | 'skew' | 'encoding' | 'encodingUp'> {
  /** Batches in a full round. */
  readonly round: number;
  /** As {@link Summary.accuracy}, with the replica's first weights. */
  readonly accuracyAtStart: number | null;
  /** xxHash64 of the trainer's published weights, and of the replica's. */
  readonly digest: string;
  readonly replica: string | null;
  /** TensorFlow.js' backend. */
  readonly backend: string;
  /** Paths of the recording and of the newest snapshot. */
  readonly recording: string | null;
  readonly snapshot: string | null;
}

/** The summary of the run that ended with this view. */
export function summarize(view: View, outcome: Outcome): Summary {
  const { rounds, full: fullRounds, version, digits, others } = view;
  return {
    ...{ rounds, fullRounds, version, seconds: rounded(view.seconds, 3) ?? 0, digits },
    accuracy: view.score?.accuracy ?? null,
    workers: view.workers.map(({ state: _, batches, loss, ...worker }) => ({
      ...worker,
      bytesPerBatch: rounded(worker.bytesUp / batches, 1),
      loss: rounded(loss, 4),
    })),
    others,
    ...outcome,
  };
}

/** The same for people to read, and the commands that go on from here. */
export function summaryText(
  summary: Summary,
  { directory, recordedBytes }: { directory: string; recordedBytes: number },
): string {
  const { rounds, fullRounds, seconds, accuracy, accuracyAtStart } = summary;
  const share = (value: number | null): string => percent(value ?? Number.NaN);
  const rows: [string, string][] = [
    ['accuracy', `${share(accuracy)} of the test digits (${share(accuracyAtStart)} before this run)`],
    [
      'version',
      `${whole(summary.version)}, each the mean of ${summary.round} batches; short ${whole(rounds - fullRounds)}, at the deadline`,
    ],
    ...summary.workers.map((worker): [string, string] => [worker.name, workerText(worker, summary.encodingUp)]),
    ['elsewhere', othersText(summary)],
    ['trainer', summary.digest],
    ['replica', summary.replica ?? 'no digest: it ended early'],
    ['', verdict(summary)],
    ['recording', `${summary.recording}  (${decimal(recordedBytes / 1e6, 1)} MB)`],
    ['replay', `npx gradwire replay ${quoted(directory)}`],
    ['go on', `npm run example:federated -- --directory ${quoted(directory)}`],
  ];
  return [
    `${whole(rounds)} rounds in ${decimal(seconds, 1)} s: ${decimal(rounds / seconds, 1)} rounds/s, ${whole(summary.digits)} digits`,
    ...rows.map(([label, text]) => label.padEnd(11) + text),
  ].join('\n');
}

function workerText({ rounds, missed, late, bytesUp, bytesPerBatch, loss }: WorkerSummary, encoding: string): string {
  const sent = `${decimal(bytesUp / 1e6, 1)} MB up, ${whole(bytesPerBatch ?? Number.NaN)} bytes a batch (${encoding})`;
  return `rounds ${whole(rounds)}, missed ${whole(missed)}, late ${whole(late)}; ${sent}; loss ${decimal(loss ?? Number.NaN, 4)}`;
}
