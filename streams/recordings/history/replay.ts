// replay: a recording as an Observable of its batches, in the order in which they were folded.
import { concatMap, defer, EMPTY, from as fromInput, type Observable } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import { batchesOf, type RecordedBatch } from './batches.ts';
import { chunksOf, type ReadProgress } from './chunks.ts';
import { type History, readHistory } from './history.ts';
import type { TornTail } from './torn.ts';

/** Which part of a recording is replayed, and who hears about it. */
export interface ReplayOptions<Name extends string = string> {
  /** The version to go on from: the first batch makes the one after it. The recording's first batch unless told. */
  readonly from?: number;
  /** The last version, unless the recording ends before it. */
  readonly until?: number;
  /** The model that the batches are checked against, so that its optimizer does not check them again; the recording's own unless told. */
  readonly model?: Layout<Name>;
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Told of a last write that its process did not finish, and nobody was told of. */
  readonly onTorn?: (tail: TornTail) => void;
}

/**
 * The batches of a recording: an .mcap file, or a directory of segments. The name of one segment in its directory stands for
 * its run up to that segment's end.
 *
 * Each subscription reads for itself, bounded in memory, and no faster than its subscriber takes batches; it stops when it is
 * unsubscribed. Every batch is checked: no version is missing, none is damaged.
 *
 * Errors: `E_FILE`, `E_RECORDING`, `E_FORMAT`, `E_RECORDING_CORRUPT`, `E_RECORDING_GAP`; `E_LAYOUT` where `model` is another.
 */
export function replay<Name extends string = string>(
  path: string,
  options: ReplayOptions<Name> = {},
): Observable<RecordedBatch<Name>> {
  return defer(() => readHistory(path)).pipe(concatMap((history) => batches$(history, options)));
}

/** The batches of a history that has been read. */
export function batches$<Name extends string>(
  history: History,
  { from, until = Number.POSITIVE_INFINITY, model, progress, onTorn }: ReplayOptions<Name>,
): Observable<RecordedBatch<Name>> {
  return defer(() => {
    const layout = modelOf(history, model);
    if (history.count === 0) return EMPTY;
    return fromInput(chunksOf(history, { from, until, progress, onTorn })).pipe(
      // synchronous, so that the next chunk is read when the subscriber has taken this one
      concatMap((chunk) => fromInput(batchesOf(chunk, layout, from ?? 0, until))),
    );
  });
}

/** The caller's layout, where it is the recording's. Throws `E_LAYOUT`. */
function modelOf<Name extends string>({ about }: Pick<History, 'about'>, model: Layout<Name> | undefined): Layout<Name> {
  if (model === undefined) return about.model as Layout<Name>;
  if (sameLayout(model, about.model)) return model;
  const text = `the recording's model is ${JSON.stringify(about.model)}, the given one ${JSON.stringify(model)}`;
  throw new GradwireError('E_LAYOUT', text.length > 1000 ? `${text.slice(0, 1000)}…` : text);
}
