// The audit: a recording read from end to end, and held against what its workers were told.
import { lastValueFrom, tap } from 'rxjs';
import { type RecordedBatch, replay } from '../../streams/recordings/index.ts';
import type { Acked, Name } from './pushing.ts';

/** What an audit counts. */
export interface Audit {
  /** Versions in the recording. */
  readonly recorded: number;
  readonly acknowledged: number;
  /** Acknowledged batches that are not in the recording under the version of their ack, with the bytes that were sent. */
  readonly lost: number;
  /** Batches that are in the recording more than once. */
  readonly twice: number;
  /** Versions that do not follow the one before. */
  readonly gaps: number;
  /** Last writes that were not finished. */
  readonly torn: number;
}

/** Reads the recording; `each` is handed every batch in its order. */
export async function audit(
  directory: string,
  acks: readonly Acked[],
  each: (batch: RecordedBatch<Name>) => void = () => undefined,
): Promise<Audit> {
  const counts = { recorded: 0, gaps: 0, torn: 0 };
  const recorded = new Map<string, string>();
  const keys = new Set<string>();
  const note = (batch: RecordedBatch<Name>): void => {
    const { version } = batch;
    if (version !== counts.recorded + 1) counts.gaps += 1;
    counts.recorded = version;
    for (const { payload, producer, producerEpoch, sequence } of batch.parts ?? [{ ...batch.header, payload: batch.payload }]) {
      const key = `${producer}/${producerEpoch}/${sequence}`;
      keys.add(key);
      recorded.set(`${key} as ${version}`, payload);
    }
    each(batch);
  };
  const onTorn = (): void => {
    counts.torn += 1;
  };
  await lastValueFrom(replay<Name>(directory, { onTorn }).pipe(tap(note)), { defaultValue: undefined });
  const lost = acks.filter(({ key, version, payload }) => recorded.get(`${key} as ${version}`) !== payload).length;
  return { ...counts, acknowledged: acks.length, lost, twice: recorded.size - keys.size };
}
