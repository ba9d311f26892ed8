// The figures that a server shows to Prometheus, one line each.
import type { Role } from '../protocol/words.ts';
import type { Backlog } from './backlog.ts';
import type { Intake } from './intake.ts';
import type { PeerInfo } from './peer-info.ts';
import type { Served } from './served.ts';
import type { Tally } from './tally.ts';

/** What figures are read from, when somebody asks. */
export interface MetricsContext {
  readonly served: Served;
  readonly backlog: Backlog;
  readonly intake: Pick<Intake, 'unanswered' | 'unansweredBytes'>;
  readonly peers: readonly PeerInfo[];
  readonly tally: Tally;
}

/** A figure: how it is called, and one number, or one for each value of its label. */
export interface Figure {
  readonly kind: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly read: (context: MetricsContext) => number | ReadonlyMap<string, number>;
}

const gauge = (name: string, help: string, read: Figure['read'], label?: string): Figure => ({
  kind: 'gauge',
  name,
  help,
  label,
  read,
});
const counter = (name: string, help: string, read: Figure['read'], label?: string): Figure => ({
  kind: 'counter',
  name,
  help,
  label,
  read,
});

/** All of them. */
export const figures: readonly Figure[] = [
  gauge('info', 'The model, by its name; always 1.', ({ served }) => new Map([[served.model, 1]]), 'model'),
  gauge('epoch', "The trainer's fencing number in its run.", ({ served }) => served.epoch),
  gauge('version', 'The published version.', ({ served }) => served.version()),
  gauge('learning_rate', 'The learning rate of the next step.', ({ served }) => served.learningRate),
  gauge('trouble', '1 while no batches are taken, as on a full disk, otherwise 0.', ({ served }) => (served.trouble() ? 1 : 0)),
  gauge('journal_bytes', 'Bytes of the recording on disk.', ({ served }) => told(served, 'recordingBytes')),
  gauge('examples', 'Examples learned, as the batches said.', ({ served }) => told(served, 'examples')),
  counter('updates_total', 'Update frames published.', ({ tally }) => tally.updates),
  counter(
    'published_bytes_total',
    'Bytes of update frames, each counted once, however many follow.',
    ({ tally }) => tally.updateBytes,
  ),
  counter('acks_total', 'Batches acknowledged, those that had been applied before too.', ({ tally }) => acks(tally)),
  counter(
    'batches_total',
    'Answers to batches: ack, duplicate, or the code of the refusal.',
    ({ tally }) => tally.answers,
    'code',
  ),
  counter(
    'refused_total',
    'Requests and connections not let in, by host, origin, token, scope or limit.',
    ({ tally }) => tally.refusals,
    'barrier',
  ),
  gauge('unanswered_batches', 'Batches that have come and are not answered yet.', ({ intake }) => intake.unanswered),
  gauge('unanswered_bytes', 'Bytes of unanswered batches.', ({ intake }) => intake.unansweredBytes),
  gauge('backlog_frames', 'Update frames kept for those who lag or come back.', ({ backlog }) => backlog.end - backlog.first),
  gauge('backlog_bytes', 'Bytes of the frames in the backlog.', ({ backlog }) => backlog.byteLength),
  gauge('connections', 'Connections that have said hello.', ({ peers }) => byRole(peers, () => 1, add), 'role'),
  gauge(
    'buffered_bytes',
    'Bytes that wait in this process for connections.',
    ({ peers }) => byRole(peers, (each) => each.bufferedAmount, add),
    'role',
  ),
  gauge(
    'lag_versions',
    'Versions that the connection furthest behind lacks.',
    ({ peers }) => byRole(peers, (each) => each.lag, Math.max),
    'role',
  ),
];

/** A number of the trainer's status; 0 where it has none of that name. */
function told(served: Served, key: string): number {
  const value = (served.status() as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'number' ? value : 0;
}

function acks({ answers }: Tally): number {
  return (answers.get('ack') ?? 0) + (answers.get('duplicate') ?? 0);
}

function add(a: number, b: number): number {
  return a + b;
}

const roles: readonly Role[] = ['replica', 'worker', 'recorder'];

function byRole(
  peers: readonly PeerInfo[],
  of: (peer: PeerInfo) => number,
  join: (a: number, b: number) => number,
): ReadonlyMap<string, number> {
  return new Map(
    roles.map((role) => [
      role,
      peers
        .filter((each) => each.role === role)
        .map(of)
        .reduce(join, 0),
    ]),
  );
}
