// How a batch was folded where not as it came: under a smaller learning rate, or as the mean of a round. In records of format 2.
import { GradwireError, quote } from '../errors.ts';
import { isPrintable } from '../layout.ts';
import type { RoundPart } from '../producers.ts';
import { furtherFormat, json, type Metadata, optionalNumber } from './metadata.ts';

/** What a trainer did to a batch before it folded it. */
export interface Folding {
  /** What the learning rate of its step is multiplied by, above 0 and at most 1; 1 unless told. */
  readonly factor?: number;
  /** The batches whose mean it is, by producer, in the order in which they were summed; undefined for a batch of one producer. */
  readonly parts?: readonly RoundPart[];
}

/** The keys of a {@link Folding} in a record of format 2. Format 1 gives them no meaning. */
export const foldingKeys: readonly string[] = ['factor', 'parts'];

/** The metadata of a folding; none where the batch is folded as it came. */
export function foldingLabels({ factor = 1, parts }: Folding): Record<string, string> {
  const labels: Record<string, string> = {};
  if (factor !== 1) labels.factor = String(factor);
  if (parts !== undefined) {
    const list = parts.map(({ producer, producerEpoch, sequence, payload }) => [producer, producerEpoch, sequence, payload]);
    labels.parts = JSON.stringify(list);
  }
  return Object.keys(labels).length === 0 ? labels : { gradwire: furtherFormat, ...labels };
}

/** Reads {@link foldingLabels}. Throws `E_FRAME`. */
export function readFolding(metadata: Metadata): Folding {
  if (metadata.gradwire !== furtherFormat) return {};
  const factor = optionalNumber(metadata, 'factor');
  if (factor !== undefined && !(factor > 0 && factor <= 1))
    throw new GradwireError('E_FRAME', `the metadata's "factor" is ${factor}, it must be above 0 and at most 1`);
  return { factor, parts: metadata.parts === undefined ? undefined : readParts(metadata) };
}

/** Throws `E_FRAME` for a frame from outside that says how it is to be folded, which is the trainer's to say. */
export function refuseFolding(metadata: Metadata): void {
  const key = foldingKeys.find((each) => metadata[each] !== undefined);
  if (key === undefined) return;
  const text = `the metadata have ${quote(key)}, which a trainer alone writes; nothing was applied; leave it out`;
  throw new GradwireError('E_FRAME', text);
}

function readParts(metadata: Metadata): RoundPart[] {
  const list = json(metadata, 'parts');
  if (!Array.isArray(list) || list.length === 0 || !list.every(isPart))
    throw new GradwireError('E_FRAME', 'the metadata\'s "parts" must be a list of [producer, producerEpoch, sequence, payload]');
  return list.map(([producer, producerEpoch, sequence, payload]) => ({ producer, producerEpoch, sequence, payload }));
}

function isPart(value: unknown): value is [string, number, number, string] {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [producer, producerEpoch, sequence, payload] = value as unknown[];
  const counts = [producerEpoch, sequence].every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
  const named = typeof producer === 'string' && producer !== '' && producer.length <= 256 && isPrintable(producer);
  return counts && named && typeof payload === 'string' && /^[0-9a-f]{16}$/.test(payload);
}
