// commit: admitted batches pass once they are in the journal; while the disk takes none, their senders hear so.
import { defer, finalize, type MonoTypeOperatorFunction, merge, Subject, takeUntil } from 'rxjs';
import type { GradwireError } from '../../../src/errors.ts';
import { nackOf } from '../../operators/admit.ts';
import type { Admitted } from '../../operators/flow.ts';
import type { Durability } from '../segment/appended.ts';
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
  const sizeOf = ({ frame }: Admitted<Name>): number => frame.byteLength;
  const write = async (batches: readonly Admitted<Name>[]): Promise<void> => {
    if (mending.trouble !== undefined) throw mending.trouble;
    await series.append(batches);
  };
  const onFailed = (error: unknown, lost: readonly Admitted<Name>[]): void => {
    mending.note(
      error,
      Math.min(
        lost.reduce((sum, batch) => sum + sizeOf(batch), 0),
        mostProbedBytes,
      ),
    );
    const [{ version }] = lost;
    for (const { header, answer } of lost) answer(nackOf(error as GradwireError, header.sequence, version - 1));
  };
  const group = durability === 'none' ? { pass: 'before' as const } : { onFailed };
  return (source) =>
    defer(() => {
      const done$ = new Subject<void>();
      const committed$ = source.pipe(
        groupCommit({ write, sizeOf, ...group }),
        finalize(() => done$.next()),
      );
      // first whoever listens for failures and for the end: the batches may all be there at once
      return merge(mending.mend().pipe(takeUntil(done$)), committed$);
    });
}
