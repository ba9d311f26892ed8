// Fifth question: how long a snapshot of 10^7 parameters holds the event loop while batches flow.
import { Subject, tap } from 'rxjs';
import { layout } from '../../src/index.ts';
import { Producers, windowLength } from '../../src/producers.ts';
import { publish, rmsprop, snapshot } from '../../streams/operators/index.ts';
import { Snapshots } from '../../streams/recordings/journal/snapshots.ts';
import { median } from '../kernel/spread.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { inDirectory } from './place.ts';

/** What one round measures, in milliseconds. */
interface Round {
  /** One copy of the state's bytes into a new array. */
  readonly copy: number;
  /** The longest turn of the event loop from the step that is taken until its file is on disk. */
  readonly held: number;
  /** The longest in as long a time without a snapshot. */
  readonly without: number;
  /** From the step to the file. */
  readonly whole: number;
}

/** The longest turns, with few producers and with many, all with full windows. */
export async function snapshotTable({ smoke }: Scale): Promise<Table> {
  const parameters = smoke ? 1e5 : 1e7;
  const rows: Row[] = [];
  for (const producers of smoke ? [3] : [3, 1000]) rows.push(...(await rowsFor(parameters, producers, smoke ? 3 : 6)));
  const caption = [
    'Each turn of the event loop folds and publishes a batch of 400 rows. Longest turn, ms: from the step that a snapshot is taken of until its',
    'file is on disk, and in as long a time without one. One copy: the bytes of parameters and accumulators by TypedArray.set into a new',
    'array, in the same round. Medians of the rounds and the worst; the first snapshot, whose copy takes new memory, is a row of its own.',
  ].join('\n');
  return { title: `a snapshot of ${parameters.toLocaleString('en-US')} parameters while batches flow`, caption, rows };
}

async function rowsFor(parameters: number, producers: number, count: number): Promise<Row[]> {
  const [first, ...later] = await inDirectory((directory) => measure(directory, parameters, producers, count));
  const what = `${producers.toLocaleString('en-US')} producers with full windows`;
  return [rowOf(`${what}, first snapshot`, [first]), rowOf(`${what}, ${later.length} later ones`, later)];
}

function rowOf(what: string, rounds: readonly Round[]): Row {
  const of = (name: keyof Round): number => median(rounds.map((round) => round[name]));
  return {
    what,
    'longest turn': rounded(of('held')),
    worst: rounded(Math.max(...rounds.map(({ held }) => held))),
    'without a snapshot': rounded(of('without')),
    'one copy': rounded(of('copy')),
    'two copies': rounded(2 * of('copy')),
    'of two copies': rounded(median(rounds.map(({ held, copy }) => held / copy / 2))),
    'until on disk': rounded(of('whole')),
  };
}

const rowLength = 100;
const rowsInBatch = 400;
// the first step publishes all weights, which is no matter of the snapshot
const warmSteps = 16;

const nothing = async (): Promise<void> => undefined;
const plain = { keep: 2, sound: undefined, confirm: nothing, onVerified: nothing };

async function measure(directory: string, parameters: number, producerCount: number, count: number): Promise<Round[]> {
  const snapshots = await Snapshots.open(directory, plain);
  const model = layout({ w: [parameters / rowLength, rowLength] });
  const rows = Int32Array.from({ length: rowsInBatch }, (_, i) => Math.floor((i * parameters) / rowLength / rowsInBatch));
  const batch = { w: { rows, values: new Float32Array(rowsInBatch * rowLength).fill(0.01) } };
  const note = windows(producerCount);
  let written = false;
  let release = (): void => undefined;
  // a write that has not resolved holds back the next snapshot until its round begins
  const write = async (frame: Uint8Array, version: number): Promise<void> => {
    await snapshots.write(frame, version);
    written = true;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  };
  const context = () => ({ model: 'm', run: 'r', epoch: 1, producers: note.producers, examples: 0 });
  const source = new Subject<typeof batch>();
  const failed = new Promise<never>((_, reject) => {
    source
      .pipe(
        rmsprop(model, { lr: 0.01, sparse: 'lazy' }),
        tap(({ version }) => note.next(version)),
        snapshot({ every: warmSteps, write, context, onError: reject }),
        publish(),
      )
      .subscribe({ error: reject });
  });
  const step = (): void => source.next(batch);
  for (let i = 1; i < warmSteps; i++) step();
  const rounds: Round[] = [];
  for (let round = 0; round < count; round++) {
    const copy = copyMs(parameters * 8);
    written = false;
    release();
    await turn();
    const start = performance.now();
    const held = await Promise.race([longestTurn(step, () => written), failed]);
    const whole = performance.now() - start;
    const quiet = performance.now() + whole;
    rounds.push({ copy, held, whole, without: await longestTurn(step, () => performance.now() > quiet) });
  }
  source.complete();
  return rounds;
}

/** Producers with full windows, each of which sends its next batch in its turn. */
function windows(count: number): { producers: Producers; next: (version: number) => void } {
  const producers = new Producers();
  let sent = 0;
  const next = (version: number): void => {
    const [producer, sequence] = [`producer-${sent % count}`, Math.floor(sent / count)];
    producers.note({ producer, producerEpoch: 1, sequence }, version.toString(16).padStart(16, '0'), version);
    sent += 1;
  };
  for (let version = 0; version < count * windowLength; version++) next(version);
  return { producers, next };
}

function copyMs(byteLength: number): number {
  const bytes = new Uint8Array(byteLength).fill(1);
  const start = performance.now();
  new Uint8Array(byteLength).set(bytes);
  return performance.now() - start;
}

async function longestTurn(step: () => void, until: () => boolean): Promise<number> {
  let longest = 0;
  for (let last = performance.now(); !until(); ) {
    step();
    await turn();
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
