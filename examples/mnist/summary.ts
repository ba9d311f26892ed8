// The end of a run: as one line of JSON for programs, and as text for people.
import type { EncodingName } from '../support/command-line.ts';
import { decimal, quoted, rounded, whole } from '../support/text.ts';
import { percent, type View } from './view.ts';

/** What a run came to. */
export interface Summary {
  readonly digits: number;
  readonly seconds: number;
  /** The share of the test digits that the replica recognizes, with its first weights and with its last ones; null where it ended early. */
  readonly accuracyAtStart: number | null;
  readonly accuracy: number | null;
  readonly version: number;
  readonly stalenessMean: number | null;
  readonly stalenessMax: number;
  readonly encoding: EncodingName;
  /** Updates that the replica applied, and the mean of their bytes. */
  readonly updates: number;
  readonly bytesPerUpdate: number | null;
  /** xxHash64 of the trainer's published weights, and of the replica's. */
  readonly digest: string;
  readonly replica: string | null;
  /** TensorFlow.js' backend. */
  readonly backend: string;
  /** Paths of the recording and of the newest snapshot. */
  readonly recording: string | null;
  readonly snapshot: string | null;
}

/** What the view does not say. */
export interface Outcome
  extends Pick<Summary, 'encoding' | 'digest' | 'replica' | 'backend' | 'recording' | 'snapshot' | 'accuracyAtStart'> {}

/** The summary of the run that ended with this view. */
export function summarize(view: View, outcome: Outcome): Summary {
  const { score } = view;
  return {
    digits: view.digits,
    seconds: rounded(view.seconds, 3) ?? 0,
    accuracyAtStart: outcome.accuracyAtStart,
    accuracy: score?.accuracy ?? null,
    version: view.version,
    stalenessMean: rounded(view.stalenessMean, 3),
    stalenessMax: view.stalenessMax,
    encoding: outcome.encoding,
    updates: score?.updates ?? 0,
    bytesPerUpdate: score === undefined ? null : rounded(score.updateBytes / score.updates, 1),
    digest: outcome.digest,
    replica: outcome.replica,
    backend: outcome.backend,
    recording: outcome.recording,
    snapshot: outcome.snapshot,
  };
}

/** The same for people to read, and the commands that go on from here. */
export function summaryText(
  summary: Summary,
  { directory, recordedBytes }: { directory: string; recordedBytes: number },
): string {
  const { digits, seconds, accuracy, accuracyAtStart, version } = summary;
  const share = (value: number | null): string => percent(value ?? Number.NaN);
  const rows: [string, string][] = [
    ['accuracy', `${share(accuracy)} of the test digits (${share(accuracyAtStart)} before this run)`],
    [
      'version',
      `${whole(version)}, staleness mean ${decimal(summary.stalenessMean ?? Number.NaN, 1)}, max ${whole(summary.stalenessMax)} batches`,
    ],
    [
      'updates',
      `${whole(summary.updates)} of ${whole(summary.bytesPerUpdate ?? Number.NaN)} bytes in the mean, ${summary.encoding}`,
    ],
    ['trainer', summary.digest],
    ['replica', summary.replica ?? 'no digest: it ended early'],
    ['', verdict(summary)],
    ['recording', `${summary.recording}  (${decimal(recordedBytes / 1e6, 1)} MB)`],
    ['replay', `npx gradwire replay ${quoted(directory)}`],
    ['go on', `npm run example:mnist -- --directory ${quoted(directory)}`],
  ];
  return [
    `${whole(digits)} digits in ${decimal(seconds, 1)} s: ${whole(digits / seconds)} digits/s`,
    ...rows.map(([label, text]) => label.padEnd(11) + text),
  ].join('\n');
}

/** Whether the replica holds what the trainer published, in words. */
export function verdict({ digest, replica }: Pick<Summary, 'digest' | 'replica'>): string {
  if (replica === null) return 'xxHash64 of the published weights';
  return replica === digest
    ? 'equal: the replica holds the weights of the trainer bit for bit'
    : 'NOT EQUAL: the replica holds other weights than the trainer';
}
