// A recording described: its run, its producers, and the gradients in it, tensor by tensor.
import { type Norms, NormsGathering, openRecording, type RecordedBatch, type Recording } from '../../recordings/index.ts';
import { bytes, readingProgress } from '../output.ts';
import { Gathering, type Statistics } from '../statistics.ts';

/** What `inspect` says of a file: its facts by name, its producers and its tensors. */
export interface Description {
  readonly what: string;
  readonly producers?: readonly ProducerFacts[];
  /** Over which versions the norms of the producers go. */
  readonly norms?: Pick<Norms, 'firstVersion' | 'versionsPerBucket'>;
  /** Mean losses, bucket by bucket as the norms. */
  readonly losses?: Norms['losses'];
  readonly tensors: readonly TensorFacts[];
  readonly [fact: string]: unknown;
}

/** One producer's batches. */
export interface ProducerFacts {
  readonly producer: string;
  readonly producerEpoch: number;
  /** Of a recording. */
  readonly batches?: number;
  /** Of a snapshot: its sequence numbers that are remembered, 1,024 at most. */
  readonly windowEntries?: number;
  readonly examples?: number;
  /** The lowest and the highest sequence number, or the highest alone. */
  readonly sequences: readonly number[];
  /** The mean norms of its batches, bucket by bucket; null where it has none. */
  readonly norms?: readonly (number | null)[];
}

/** One tensor, with the statistics of its values. */
export interface TensorFacts extends Statistics {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

// what fits beside a name and a range on a terminal of 80 columns
const buckets = 48;

/** Describes a recording by reading all of it once. Throws the codes of `replay`. */
export async function inspectRecording(path: string): Promise<Description> {
  const tensors = new Map<string, Gathering>();
  const producers = new Map<string, ProducerFacts>();
  const norms = new NormsGathering({ buckets });
  const onBatch = (batch: RecordedBatch): void => {
    for (const { tensor, values } of batch.checked.tensors) gatheringOf(tensors, tensor.name).add(values);
    norms.add(batch);
    note(producers, batch);
    // what a mean was made of; its examples and norms are the mean's
    for (const part of batch.parts ?? []) note(producers, part);
  };
  const bar = readingProgress('reading');
  try {
    const recording = await openRecording(path, { progress: bar.update, onBatch });
    return describe(recording, { tensors, producers, norms: norms.result() });
  } finally {
    bar.stop();
  }
}

/** What was gathered while the recording was read. */
interface Gathered {
  readonly tensors: Map<string, Gathering>;
  readonly producers: ReadonlyMap<string, ProducerFacts>;
  readonly norms: Norms;
}

function describe(recording: Recording, { tensors, producers, norms }: Gathered): Description {
  const { model, run, layout, optimizer, segments, firstVersion, lastVersion } = recording;
  const byProducer = new Map(norms.producers.map((each) => [keyOf(each), each.norms]));
  return {
    what: 'recording',
    model,
    run,
    optimizer,
    firstVersion,
    lastVersion,
    start: recording.start && `snapshot of version ${recording.start.version}`,
    batches: recording.batches,
    examples: recording.examples,
    segments: segments.length,
    closed: segments.every(({ closedCleanly }) => closedCleanly),
    torn: recording.torn.length || undefined,
    bytes: recording.bytes,
    size: bytes(recording.bytes),
    producers: [...producers].map(([key, facts]) => ({ ...facts, norms: byProducer.get(key) })),
    norms: { firstVersion: norms.firstVersion, versionsPerBucket: norms.versionsPerBucket },
    losses: norms.losses,
    tensors: layout.tensors.map(({ name, shape }) => ({ name, dtype: 'F32', shape, ...gatheringOf(tensors, name).result() })),
  };
}

function gatheringOf(tensors: Map<string, Gathering>, name: string): Gathering {
  const known = tensors.get(name) ?? new Gathering();
  tensors.set(name, known);
  return known;
}

function keyOf({ producer, producerEpoch }: Pick<ProducerFacts, 'producer' | 'producerEpoch'>): string {
  return `${producer}\n${producerEpoch}`;
}

function note(
  producers: Map<string, ProducerFacts>,
  { producer = '', producerEpoch = 0, sequence = 0, examples = 0 }: Partial<RecordedBatch>,
): void {
  const key = keyOf({ producer, producerEpoch });
  const known = producers.get(key) ?? { producer, producerEpoch, batches: 0, examples: 0, sequences: [sequence, sequence] };
  const [lowest, highest] = known.sequences;
  producers.set(key, {
    ...known,
    batches: (known.batches ?? 0) + 1,
    examples: (known.examples ?? 0) + examples,
    sequences: [Math.min(lowest, sequence), Math.max(highest, sequence)],
  });
}
