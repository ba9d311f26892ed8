// commit: admitted batches pass once they are in the journal; while the disk takes none, their senders hear so.
import { defer, finalize, type MonoTypeOperatorFunction, map, merge, Subject, takeUntil } from 'rxjs';
import type { GradwireError } from '../../../src/errors.ts';
import { nackOf } from '../../operators/admit.ts';
import type { Admitted } from '../../operators/flow.ts';
import type { Durability } from '../segment/appended.ts';
import type { PreparedRecord } from '../segment/prepared.ts';
import type { SegmentSeries } from '../segment/series.ts';
import { groupCommit } from './group-commit.ts';
import type { Mending } from './mending.ts';

// a disk that takes as much as one group has room again
const mostProbedBytes = 16 << 20;

/** Where batches are written, and what is done where they cannot be. */
interface Committing {
  readonly series: SegmentSeries;
  readonly mending: Mending;
  readonly durability: Durability;
}

/** Passes batches once they are as durable as promised. Errors: what cannot be mended; with durability `none`, any failure. */
export function commit<Name extends string>({
  series,
  mending,
  durability,
}: Committing): MonoTypeOperatorFunction<Admitted<Name>> {
  const write = async (group: readonly Waiting<Name>[]): Promise<void> => {
    if (mending.trouble !== undefined) throw mending.trouble;
    await series.append(group.map(({ record }) => record));
  };
  const onFailed = (error: unknown, lost: readonly Waiting<Name>[]): void => {
    mending.note(
      error,
      Math.min(
        lost.reduce((sum, each) => sum + sizeOf(each), 0),
        mostProbedBytes,
      ),
    );
    const [{ record }] = lost;
    for (const { batch } of lost) batch.answer(nackOf(error as GradwireError, batch.header.sequence, record.version - 1));
  };
  const group = durability === 'none' ? { pass: 'before' as const } : { onFailed };
  return (source) =>
    defer(() => {
      const done$ = new Subject<void>();
      const committed$ = source.pipe(
        map((batch) => ({ batch, record: series.prepare(batch) })),
        groupCommit({ write, sizeOf, ...group }),
        map(({ batch }) => batch),
        finalize(() => done$.next()),
      );
      // the mending first: what it is ended by may come at once
      return merge(mending.mend().pipe(takeUntil(done$)), committed$);
    });
}

/** A batch, and its record, ready to be written. */
interface Waiting<Name extends string> {
  readonly batch: Admitted<Name>;
  readonly record: PreparedRecord;
}

function sizeOf({ record }: { readonly record: PreparedRecord }): number {
  return record.byteLength;
}
