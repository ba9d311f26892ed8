// The batches of a history, one after the other, for instruments that pull them.
import type { Layout } from '../../../../src/layout.ts';
import { batchesOf, lending, type RecordedBatch } from '../../history/batches.ts';
import { chunksOf, type ReadProgress } from '../../history/chunks.ts';
import type { History } from '../../history/history.ts';

/** Which batches, and who hears how far reading has come. */
interface ReadingOptions {
  /** The last version, unless the recording ends before it. */
  readonly until?: number;
  /** The layout that the batches are of; the recording's own unless told. It must be the same. */
  readonly model?: Layout;
  readonly progress?: (progress: ReadProgress) => void;
}

/** The batches of versions up to and with `until`, each checked, and lent until the next is asked for; one chunk is in memory at a time. Throws the codes of `replay`. */
export async function* batchesIn(
  history: History,
  { until = Number.POSITIVE_INFINITY, model = history.about.model, progress }: ReadingOptions = {},
): AsyncGenerator<RecordedBatch, void, undefined> {
  const options = { until, keep: lending() };
  for await (const chunk of chunksOf(history, { until, progress })) yield* batchesOf(chunk, model, options);
}
