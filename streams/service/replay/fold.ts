// `gradwire replay` without --to: folds a recording here, to the same bits, or under other hyper-parameters.
import { concat, defer, EMPTY, lastValueFrom, type Observable, tap } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { encodeSnapshot } from '../../../src/frames/snapshot.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../../operators/rmsprop.ts';
import { snapshotOf } from '../../operators/snapshot.ts';
import { type FoldStart, foldFrom, type RecordedBatch, replay } from '../../recordings/index.ts';
import { type HyperparameterOptions, hyperparametersIn } from '../options.ts';
import { pacedProgress, print, readingProgress, writeWhole } from '../output.ts';
import { type Span, spanOf, warnOfEnd } from './span.ts';

/** What a fold is told. */
export interface FoldOptions extends HyperparameterOptions {
  snapshot?: string;
  from?: number | Date;
  until?: number | Date;
  speed?: number;
  out?: string;
  json?: boolean;
}

/** Folds, and prints where it came to. */
export async function fold(path: string, { snapshot, out, json, speed, from, until, ...options }: FoldOptions): Promise<void> {
  const span = await spanOf(path, { from, until });
  const changed = hyperparametersIn(options);
  // under other hyper-parameters the recording's snapshots are of another history
  const isAsRecorded = Object.keys(changed).length === 0;
  const notAfter = snapshot === undefined && isAsRecorded ? span.from : undefined;
  const start = await foldFrom(path, { snapshot, notAfter });
  refuseBefore(start, span);
  const { optimizer, seconds, ...place } = await foldAll(path, start, { ...span, changed, speed });
  // other hyper-parameters make another history
  const run = isAsRecorded ? start.run : globalThis.crypto.randomUUID().replaceAll('-', '');
  if (out !== undefined)
    await writeWhole(out, encodeSnapshot(snapshotOf({ optimizer }, { ...start, ...place, run, model: start.name })));
  const { version } = optimizer;
  const batches = version - (span.from ?? start.version);
  const facts = { version, digest: optimizer.digest(), batches };
  warnOfEnd(span, version);
  const rest = { from: span.from, start: start.version, reachedUntil: span.reached(version) };
  if (json) print({ ...facts, seconds, batchesPerSecond: batches / seconds, out, ...rest }, { json });
  else {
    const { from: begun, ...end } = rest;
    print({
      ...facts,
      seconds: round(seconds),
      'batches/s': Math.round(batches / seconds),
      from: begun,
      ...shown(end),
      state: out,
    });
  }
}

/** Without `--from` the start needs no line, and `reachedUntil` only where it says no. */
function shown({ start, reachedUntil }: { start: number; reachedUntil: boolean | undefined }): Record<string, unknown> {
  return { ...(start > 0 ? { 'folded from': start } : {}), ...(reachedUntil === false ? { 'reached until': 'no' } : {}) };
}

function refuseBefore({ version }: FoldStart, { from, until }: Span): void {
  for (const [name, place] of [
    ['from', from],
    ['until', until],
  ] as const) {
    if (place === undefined || place >= version) continue;
    throw new GradwireError('E_CONFIG', `--${name} ${place} lies before the snapshot's version ${version}`);
  }
}

interface FoldPlan extends Span {
  readonly changed: HyperparameterOptions;
  readonly speed: number | undefined;
}

/** The optimizer at the end of the fold, where in which history it stands, and how long it took from `--from` on. */
async function foldAll(
  path: string,
  start: FoldStart,
  plan: FoldPlan,
): Promise<{ optimizer: RMSprop; epoch: number; examples: number; seconds: number }> {
  const config = { ...start.optimizer, ...plan.changed };
  let optimizer = new RMSprop(start.model, config);
  optimizer.restore(start.state);
  let { epoch, examples } = start;
  let startMs = performance.now();
  const note = (batch: RecordedBatch): void => {
    start.producers.noteFolded(batch, batch.version);
    epoch = batch.epoch;
    examples += batch.examples ?? 0;
  };
  const onRefused = (error: GradwireError): never => {
    throw error;
  };
  const begin = (): void => {
    startMs = performance.now();
  };
  const steps$ = planned$(path, start, plan, begin).pipe(
    tap(note),
    rmsprop(start.model, { ...config, state: start.state, onRefused }),
  );
  optimizer = (await lastValueFrom(steps$, { defaultValue: undefined }))?.optimizer ?? optimizer;
  return { optimizer, epoch, examples, seconds: (performance.now() - startMs) / 1000 };
}

/** The batches that lead to `from`, then, after `begin`, those that were asked for. */
function planned$(
  path: string,
  { version, model }: FoldStart,
  { from = version, until, speed }: FoldPlan,
  begin: () => void,
): Observable<RecordedBatch> {
  return concat(
    from > version
      ? defer(() =>
          shown$('folding up to --from', (progress) => replay(path, { from: version, until: from, model, progress, lent: true })),
        )
      : EMPTY,
    defer(() => {
      begin();
      if (speed === undefined)
        return shown$('replaying', (progress) => replay(path, { from, until, model, progress, lent: true }));
      const line = pacedProgress(speed);
      return replay(path, { from, until, model, speed, lent: true }).pipe(
        tap<RecordedBatch>({ next: line.update, finalize: line.stop }),
      );
    }),
  );
}

/** A replay with its bar. */
function shown$(
  what: string,
  make: (progress: ReturnType<typeof readingProgress>['update']) => Observable<RecordedBatch>,
): Observable<RecordedBatch> {
  const bar = readingProgress(what);
  return make(bar.update).pipe(tap({ finalize: bar.stop }));
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
