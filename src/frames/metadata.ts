// A frame's metadata, read with care: every value is a string, every number a decimal string.
import { GradwireError, quote } from '../errors.ts';

/** Metadata as the safetensors reader gives it: strings by key, without a prototype. */
export type Metadata = Readonly<Record<string, string>>;

/** The kinds of frame; a rollback stands in recordings alone. */
export type FrameKind = 'gradients' | 'update' | 'weights' | 'snapshot' | 'rollback';

/** The version of the frame format that this release writes and reads: the value of the key `gradwire`. */
export const frameFormat = '1';

/** The format of records that format 1 cannot say: a reader that would fold them otherwise asks for a newer release. */
export const furtherFormat = '2';

const frameFormats: readonly string[] = [frameFormat];

/** Throws `E_FRAME` unless the metadata are those of a frame of that kind in a format that this release reads. */
export function demandKind(metadata: Metadata, kind: FrameKind, formats: readonly string[] = frameFormats): void {
  const { gradwire, kind: found } = metadata;
  if (gradwire === undefined) throw new GradwireError('E_FRAME', 'no frame of ours: the metadata have no "gradwire" key');
  if (!formats.includes(gradwire)) {
    const read = formats.map(quote).join(' and ');
    throw new GradwireError('E_FORMAT', `frame format ${quote(gradwire)}, this release reads ${read}; use a newer release`);
  }
  if (found !== kind)
    throw new GradwireError('E_FRAME', `a frame of kind ${quote(found ?? '')}, expected ${quote(kind)}; nothing was applied`);
}

/** A non-empty string of at most 256 characters, or `E_FRAME`. */
export function text(metadata: Metadata, key: string): string {
  const value = metadata[key];
  if (value === undefined || value === '' || value.length > 256) {
    throw new GradwireError('E_FRAME', `the metadata need ${quote(key)}, 1 to 256 characters; nothing was applied`);
  }
  return value;
}

/** An integer from 0 to 2^53 − 1 as a decimal string, or `E_FRAME`. */
export function count(metadata: Metadata, key: string): number {
  const value = metadata[key];
  const number = value !== undefined && /^(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  const found = value === undefined ? 'is missing' : `is ${quote(value)}`;
  throw new GradwireError(
    'E_FRAME',
    `the metadata's ${quote(key)} ${found}, it must be a decimal integer 0..2^53-1; nothing was applied`,
  );
}

/** Like {@link count}, undefined where the key is missing. */
export function optionalCount(metadata: Metadata, key: string): number | undefined {
  return metadata[key] === undefined ? undefined : count(metadata, key);
}

/** A finite decimal number, undefined where the key is missing, or `E_FRAME`. */
export function optionalNumber(metadata: Metadata, key: string): number | undefined {
  const value = metadata[key];
  if (value === undefined) return undefined;
  const number = /^-?\d{1,40}(\.\d{1,40})?(e[+-]?\d{1,3})?$/i.test(value) ? Number(value) : Number.NaN;
  if (Number.isFinite(number)) return number;
  throw new GradwireError(
    'E_FRAME',
    `the metadata's ${quote(key)} is ${quote(value)}, it must be a decimal number; nothing was applied`,
  );
}

/** Sixteen hexadecimal digits, or `E_FRAME`. */
export function digestIn(metadata: Metadata, key: string): string {
  const value = metadata[key];
  if (value !== undefined && /^[0-9a-f]{16}$/.test(value)) return value;
  throw new GradwireError('E_FRAME', `the metadata need ${quote(key)}, 16 lower-case hexadecimal digits; nothing was applied`);
}

/** JSON inside a metadata value, or `E_FRAME`. */
export function json(metadata: Metadata, key: string): unknown {
  try {
    return JSON.parse(metadata[key] ?? '');
  } catch (cause) {
    throw new GradwireError('E_FRAME', `the metadata's ${quote(key)} is no JSON; nothing was applied`, { cause });
  }
}
