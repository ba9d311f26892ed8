// A recording described: its run, its producers, and the gradients in it, tensor by tensor.
import { lastValueFrom, tap } from 'rxjs';
import { openRecording, type RecordedBatch, type Recording, type ReplayOptions, replay } from '../../recordings/index.ts';
import { bytes, readingProgress } from '../output.ts';
import { Gathering, type Statistics } from '../statistics.ts';

/** What `inspect` says of a file: its facts by name, its producers and its tensors. */
export interface Description {
  readonly what: string;
  readonly producers?: readonly ProducerFacts[];
  readonly tensors: readonly TensorFacts[];
  readonly [fact: string]: unknown;
}

/** One producer's batches. */
export interface ProducerFacts {
  readonly producer: string;
  readonly producerEpoch: number;
  readonly batches: number;
  readonly examples?: number;
  /** The lowest and the highest sequence number, or the highest alone. */
  readonly sequences: readonly number[];
}

/** One tensor, with the statistics of its values. */
export interface TensorFacts extends Statistics {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Describes a recording by reading all of it. Throws the codes of `replay`. */
export async function inspectRecording(path: string): Promise<Description> {
  const bar = readingProgress('reading');
  try {
    const recording = await openRecording(path, { progress: bar.update });
    return await describe(path, recording, bar.update);
  } finally {
    bar.stop();
  }
}

async function describe(path: string, recording: Recording, progress: ReplayOptions['progress']): Promise<Description> {
  const gathered = new Map(recording.layout.tensors.map(({ name }) => [name, new Gathering()]));
  const producers = new Map<string, ProducerFacts>();
  const read = (batch: RecordedBatch): void => {
    for (const { tensor, values } of batch.checked.tensors) gathered.get(tensor.name)?.add(values);
    note(producers, batch);
  };
  await lastValueFrom(replay(path, { progress }).pipe(tap(read)), { defaultValue: undefined });
  const { model, run, layout, optimizer, segments } = recording;
  return {
    what: 'recording',
    model,
    run,
    optimizer: JSON.stringify(optimizer),
    versions: recording.batches === 0 ? 'none' : `${recording.firstVersion}–${recording.lastVersion}`,
    start: recording.start && `snapshot of version ${recording.start.version}`,
    batches: recording.batches,
    examples: recording.examples,
    segments: segments.length,
    closed: segments.every(({ closedCleanly }) => closedCleanly),
    torn: recording.torn.length || undefined,
    bytes: recording.bytes,
    size: bytes(recording.bytes),
    producers: [...producers.values()],
    tensors: layout.tensors.map(({ name, shape }) => ({
      name,
      dtype: 'F32',
      shape,
      ...(gathered.get(name) ?? new Gathering()).result(),
    })),
  };
}

function note(
  producers: Map<string, ProducerFacts>,
  { producer = '', producerEpoch = 0, sequence = 0, examples = 0 }: RecordedBatch,
): void {
  const key = `${producer}\n${producerEpoch}`;
  const known = producers.get(key) ?? { producer, producerEpoch, batches: 0, examples: 0, sequences: [sequence, sequence] };
  const [lowest, highest] = known.sequences;
  producers.set(key, {
    ...known,
    batches: known.batches + 1,
    examples: (known.examples ?? 0) + examples,
    sequences: [Math.min(lowest, sequence), Math.max(highest, sequence)],
  });
}
