// replay: a recording as an Observable of its batches, in the order in which they were folded.
import { concat, concatMap, defer, EMPTY, from as fromInput, type Observable, of } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import type { ChunkStart } from '../segment/seek.ts';
import { batchesOf, lending, type RecordedBatch } from './batches.ts';
import { chunksOf } from './chunks.ts';
import { type History, readHistory } from './history.ts';
import { versionBefore } from './moments.ts';
import { oneByOne } from './one-by-one.ts';
import { Pace } from './pace.ts';
import { type ReplayOptions, refuseOrder, refuseReplayOptions } from './replay-options.ts';

/** A part of a recording, by versions. */
interface Span<Name extends string> extends Pick<ReplayOptions<Name>, 'model' | 'progress' | 'onTorn' | 'lent'> {
  readonly from?: number;
  readonly until?: number;
  /** Whether what lies before `from` is passed over, unread and unchecked; otherwise its segment is read from the front. */
  readonly seek?: boolean;
}

/**
 * The batches of a recording: an .mcap file, or a directory of segments. The name of one segment in its directory stands for
 * its run up to that segment's end.
 *
 * Each subscription reads for itself, bounded in memory, and no faster than its subscriber takes batches; it stops when it is
 * unsubscribed. Every batch is checked: no version is missing, none is damaged. What lies before `from` is not read.
 *
 * Times of writing are labels. Where a clock was set back between two starts of a trainer, a time stands for the first place
 * in the order of versions; with `speed`, the batches written by such a clock wait as long as it measured between them.
 *
 * Errors: `E_FILE`, `E_RECORDING`, `E_FORMAT`, `E_RECORDING_CORRUPT`, `E_RECORDING_GAP`; `E_LAYOUT` where `model` is another;
 * `E_CONFIG` where a version and a time turn out to be in the wrong order.
 *
 * @throws GradwireError `E_CONFIG` for options that do not do.
 */
export function replay<Name extends string = string>(
  path: string,
  options: ReplayOptions<Name> = {},
): Observable<RecordedBatch<Name>> {
  refuseReplayOptions(options);
  return options.speed === undefined
    ? spanned$(path, options, (history, span) => batches$(history, span))
    : replayInto(path, options, (batch) => of(batch));
}

/**
 * Does something with each batch of {@link replay}, asking for the next when it has completed: nothing is read ahead of a slow
 * `project` but the chunk that its batch is in. Emits what it emits.
 */
export function replayInto<Name extends string, Result>(
  path: string,
  options: ReplayOptions<Name>,
  project: (batch: RecordedBatch<Name>) => Observable<Result>,
): Observable<Result> {
  refuseReplayOptions(options);
  const { speed, scheduler } = options;
  return spanned$(path, options, (history, span) => {
    const pace = speed === undefined ? undefined : new Pace({ speed, scheduler });
    return oneByOne(
      () => batchesIn(history, span),
      (batch) => (pace === undefined ? project(batch) : concat(pace.wait(batch.writtenMs), project(batch))),
    );
  });
}

/** The batches of a history that has been read. */
export function batches$<Name extends string>(history: History, span: Span<Name>): Observable<RecordedBatch<Name>> {
  return defer(() => {
    const layout = modelOf(history, span.model);
    if (history.count === 0) return EMPTY;
    const options = partOf(span);
    return fromInput(chunksIn(history, span)).pipe(
      // synchronous, so that the next chunk is read when the subscriber has taken this one
      concatMap((chunk) => fromInput(batchesOf(chunk, layout, options))),
    );
  });
}

async function* batchesIn<Name extends string>(
  history: History,
  span: Span<Name>,
): AsyncGenerator<RecordedBatch<Name>, void, undefined> {
  const layout = modelOf(history, span.model);
  const options = partOf(span);
  for await (const chunk of chunksIn(history, span)) yield* batchesOf(chunk, layout, options);
}

function partOf({ from, until, lent = false }: Span<string>): Parameters<typeof batchesOf>[2] {
  return { from, until, keep: lent ? lending() : undefined };
}

function chunksIn(history: History, { from, until, progress, onTorn, seek = false }: Span<string>): ReturnType<typeof chunksOf> {
  const before = seek && from !== undefined ? ({ version }: ChunkStart) => version <= from + 1 : undefined;
  return chunksOf(history, { from, until, progress, onTorn, before });
}

/** What `read` makes of a recording's history and of the options, once times have become versions. */
function spanned$<Name extends string, Result>(
  path: string,
  { from, until, model, progress, onTorn, lent }: ReplayOptions<Name>,
  read: (history: History, span: Span<Name>) => Observable<Result>,
): Observable<Result> {
  return defer(async () => {
    const history = await readHistory(path);
    const span = {
      // a batch that was written at that millisecond is after `from` and before the end of `until`
      from: from instanceof Date ? await versionBefore(history, from.getTime()) : from,
      until: until instanceof Date ? await versionBefore(history, until.getTime() + 1) : until,
    };
    refuseOrder(span.from, span.until);
    return read(history, { ...span, model, progress, onTorn, lent, seek: true });
  }).pipe(concatMap((result$) => result$));
}

/** The caller's layout, where it is the recording's. Throws `E_LAYOUT`. */
function modelOf<Name extends string>({ about }: Pick<History, 'about'>, model: Layout<Name> | undefined): Layout<Name> {
  if (model === undefined) return about.model as Layout<Name>;
  if (sameLayout(model, about.model)) return model;
  const text = `the recording's model is ${JSON.stringify(about.model)}, the given one ${JSON.stringify(model)}`;
  throw new GradwireError('E_LAYOUT', text.length > 1000 ? `${text.slice(0, 1000)}…` : text);
}
