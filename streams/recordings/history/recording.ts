// openRecording: what a recording is and holds, found by reading all of it.
import type { Snapshot } from '../../../src/frames/snapshot.ts';
import type { Layout } from '../../../src/layout.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import { Tensors } from '../../../src/tensors.ts';
import type { Epochs } from '../segment/about.ts';
import { batchesOf, lending, type RecordedBatch } from './batches.ts';
import { chunksOf, type ReadProgress } from './chunks.ts';
import { readHistory } from './history.ts';
import { hasStart, readInitial, readStart } from './start.ts';
import type { TornTail } from './torn.ts';

/** One file of a recording. */
export interface RecordingSegment {
  readonly path: string;
  readonly bytes: number;
  readonly epoch: number;
  readonly firstVersion: number;
  /** One below `firstVersion` where it holds no batch. */
  readonly lastVersion: number;
  /** Whether its end says that nothing is missing. */
  readonly closedCleanly: boolean;
}

/** A recording that has been read from end to end, every batch checked. */
export interface Recording {
  readonly run: string;
  /** The model's name. */
  readonly model: string;
  readonly layout: Layout;
  /** The optimizer's configuration. */
  readonly optimizer: RMSpropConfig;
  readonly epochs: Epochs;
  /** The weights of version 0; undefined for a recording that begins later. */
  readonly initial: Tensors | undefined;
  /** The trainer's state before the first batch, where the recording begins later and brings it; it can be folded alone then. */
  readonly start: Snapshot | undefined;
  readonly segments: readonly RecordingSegment[];
  readonly firstVersion: number;
  /** One below `firstVersion` where there is no batch. */
  readonly lastVersion: number;
  readonly batches: number;
  /** Batches of each producer. */
  readonly producers: ReadonlyMap<string, number>;
  /** Examples in all batches, as far as they say. */
  readonly examples: number;
  readonly bytes: number;
  /** Last writes that their process did not finish, and nobody was told of. */
  readonly torn: readonly TornTail[];
}

/** Who hears about a recording while it is read. */
export interface OpenOptions {
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Told of every batch, in order. */
  readonly onBatch?: (batch: RecordedBatch) => void;
}

/**
 * Reads a recording: an .mcap file, or a directory of segments, as {@link replay} takes it.
 *
 * @throws GradwireError the codes of {@link replay}.
 */
export async function openRecording(path: string, { progress, onBatch }: OpenOptions = {}): Promise<Recording> {
  const history = await readHistory(path);
  const { run, name, model, optimizer } = history.about;
  const segments: RecordingSegment[] = [];
  const torn: TornTail[] = [];
  const producers = new Map<string, number>();
  let examples = 0;
  const chunks = chunksOf(history, {
    progress,
    onTorn: (tail) => torn.push(tail),
    onSegment: ({ about, problem, ...segment }, { version, closed }) => {
      segments.push({ ...segment, lastVersion: version - 1, closedCleanly: closed });
    },
  });
  // nobody else holds a batch where nobody is told of it
  const keep = onBatch === undefined ? lending() : undefined;
  for await (const chunk of chunks) {
    for (const batch of batchesOf(chunk, model, { keep })) {
      const { header, parts = [header] } = batch;
      for (const { producer } of parts) producers.set(producer, (producers.get(producer) ?? 0) + 1);
      examples += header.examples ?? 0;
      onBatch?.(batch);
    }
  }
  const { firstVersion } = segments[0];
  const lastVersion = segments[segments.length - 1].lastVersion;
  return {
    run,
    model: name,
    layout: model,
    optimizer,
    epochs: history.about.epochs,
    initial: firstVersion === 1 ? new Tensors(model, await readInitial(history)) : undefined,
    start: firstVersion !== 1 && (await hasStart(history)) ? await readStart(history) : undefined,
    segments,
    firstVersion,
    lastVersion,
    batches: lastVersion - firstVersion + 1,
    producers,
    examples,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    torn,
  };
}
