// One journal record, checked: its safetensors structure, its check, its stamp, its payload, its gradients against the model.
import { digestOf } from '../../../../src/digest.ts';
import { GradwireError } from '../../../../src/errors.ts';
import { type JournalRecord, readRecord, unstamped } from '../../../../src/frames/record.ts';
import type { About } from '../../segment/about.ts';
import { BadPlace } from '../../segment/bad-place.ts';

/** A record that holds. */
export interface CheckedRecord extends JournalRecord {
  /** Whether its payload hash was recomputed; a sender may have written the header in a form of its own. */
  readonly payloadProved: boolean;
}

/** Where a record should stand. */
interface Expected {
  readonly about: About;
  readonly version: number;
  /** The `durableUpTo` of the record before. */
  readonly durableUpTo: number;
  /** Of the chunk, for the message. */
  readonly offset: number;
}

/** Reads a record; its bytes become the record's own. Throws {@link BadPlace}. */
export function checkRecord(bytes: Uint8Array, { about, version, durableUpTo, offset }: Expected): CheckedRecord {
  let record: JournalRecord;
  try {
    record = readRecord(bytes, about.model, { maxAbs: about.optimizer.maxAbs });
  } catch (error) {
    throw new BadPlace(error instanceof GradwireError ? error.message : 'a record cannot be read', offset);
  }
  const { stamp } = record;
  if (stamp.version !== version || stamp.run !== about.run || stamp.epoch !== about.epoch)
    throw new BadPlace(`the record says version ${stamp.version}, epoch ${stamp.epoch} of the run ${stamp.run}`, offset);
  if (stamp.durableUpTo >= version || stamp.durableUpTo < durableUpTo)
    throw new BadPlace(
      `the record of version ${version} says that ${stamp.durableUpTo} was durable, after ${durableUpTo}`,
      offset,
    );
  return { ...record, payloadProved: digestOf(unstamped(bytes)) === stamp.payload };
}
