// The journal record: a gradients frame, or a rollback's, stamped with the version it became.
import { digestOf } from '../digest.ts';
import { GradwireError } from '../errors.ts';
import type { CheckOptions } from '../gradients/check.ts';
import type { Layout } from '../layout.ts';
import { type Folding, foldingKeys, foldingLabels, readFolding } from './fold.ts';
import { type GradientsFrame, readGradients } from './gradients.ts';
import { count, digestIn, frameFormat, furtherFormat, text } from './metadata.ts';
import { readRollback } from './rollback.ts';
import { deserialize, safetensorsLimits, withMetadata, withMetadataInParts, withoutMetadata } from './safetensors.ts';

/** What the journal adds to a frame. */
export interface Stamp extends Folding {
  /** The model's history that the batch belongs to. */
  readonly run: string;
  /** The trainer's fencing number when it was admitted. */
  readonly epoch: number;
  /** The version that folding it makes. */
  readonly version: number;
  /** The highest version known to be on disk when the record was written. */
  readonly durableUpTo: number;
  /** xxHash64 of the frame as it arrived: by it a resend is told from another batch under the same number. */
  readonly payload: string;
}

/** A journal record read. */
export interface JournalRecord<Name extends string = string> extends GradientsFrame<Name> {
  readonly stamp: Stamp;
}

/** The record of a frame: the same tensors, the stamp and a `check` (xxHash64 of the tensors' bytes) in its metadata. */
export function stampGradients(frame: Uint8Array, stamp: Stamp): Uint8Array<ArrayBuffer> {
  return withMetadata(frame, stampLabels(dataOf(frame), stamp), recordLimits);
}

/**
 * The record of a frame that has been read and checked, as parts that stand one behind the other. Its header is not read again,
 * and its tensors are not copied: **views** of the frame.
 */
export function stampCheckedGradients(frame: Uint8Array, stamp: Stamp): Uint8Array[] {
  const data = dataOf(frame);
  const labels = stampLabels(data, stamp);
  const head = splicedHead(frame.subarray(8, frame.byteLength - data.byteLength), labels);
  return head === undefined ? withMetadataInParts(frame, labels, recordLimits) : [head, data];
}

// how a header begins that this module's writer and most others write
const metadataStart = '{"__metadata__":{';
const utf8 = { decoder: new TextDecoder(), encoder: new TextEncoder() };

/** A frame's header with the labels put before its other metadata; undefined where that takes a closer look. */
function splicedHead(original: Uint8Array, labels: Record<string, string>): Uint8Array | undefined {
  const text = utf8.decoder.decode(original);
  // an escape may spell a key that is not seen here
  const isPlain =
    text.startsWith(`${metadataStart}"`) && !text.includes('\\') && labels.gradwire === undefined && !stampKey.test(text);
  if (!isPlain) return undefined;
  const header = `${metadataStart}${JSON.stringify(labels).slice(1, -1)},${text.slice(metadataStart.length).trimEnd()}`;
  const length = Math.ceil(header.length / 8) * 8;
  if (length > recordLimits.headerBytes) return undefined;
  const head = headRoom(8 + length);
  const { read, written } = utf8.encoder.encodeInto(header, head.subarray(8));
  // longer in bytes than in characters
  if (read < header.length) return undefined;
  head.fill(0x20, 8 + written);
  // a header of 2^32 bytes is beyond every limit
  new DataView(head.buffer, head.byteOffset).setUint32(0, length, true);
  return head;
}

// small heads share memory, of which each piece is given out once
const slabBytes = 64 << 10;
let slab = { buffer: new ArrayBuffer(0), used: 0 };

function headRoom(byteLength: number): Uint8Array<ArrayBuffer> {
  if (byteLength > slabBytes / 16) return new Uint8Array(byteLength);
  if (slab.used + byteLength > slab.buffer.byteLength) slab = { buffer: new ArrayBuffer(slabBytes), used: 0 };
  const head = new Uint8Array(slab.buffer, slab.used, byteLength);
  slab.used += byteLength;
  return head;
}

function stampLabels(data: Uint8Array, stamp: Stamp): Record<string, string> {
  const { run, epoch, version, durableUpTo, payload, factor, parts } = stamp;
  const labels = {
    run,
    epoch: String(epoch),
    version: String(version),
    durableUpTo: String(durableUpTo),
    payload,
    check: digestOf(data),
  };
  return factor === undefined && parts === undefined ? labels : { ...labels, ...foldingLabels(stamp) };
}

/** The keys of a stamp. */
const stampKeys = ['run', 'epoch', 'version', 'durableUpTo', 'payload', 'check'];
const stampKey = new RegExp(`"(?:${stampKeys.join('|')})"`);

/**
 * The frame as it arrived, without its stamp: its hash is the stamp's `payload` where its sender wrote the header in the form
 * in which this release does. A sender's own form is not kept.
 */
export function unstamped(record: Uint8Array): Uint8Array<ArrayBuffer> {
  const { gradwire, kind } = deserialize(record, recordLimits).metadata;
  // a rollback is of its format from the beginning
  if (gradwire !== furtherFormat || kind === 'rollback') return withoutMetadata(record, stampKeys, recordLimits);
  const bare = withoutMetadata(record, [...stampKeys, ...foldingKeys], recordLimits);
  return withMetadata(bare, { gradwire: frameFormat }, recordLimits);
}

/** What a record's header may be: a frame may fill the limit of its own, and the stamp with the parts of a round come on top. */
export const recordLimits: { readonly headerBytes: number } = { headerBytes: safetensorsLimits.headerBytes + (2 << 20) };

const recordFormats = [frameFormat, furtherFormat];

/** The bytes after the header; `withMetadata` refuses what is no frame. */
function dataOf(frame: Uint8Array): Uint8Array {
  if (frame.byteLength < 8) return frame;
  const view = new DataView(frame.buffer, frame.byteOffset, 8);
  return frame.subarray(8 + view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32);
}

/**
 * Reads a journal record and checks it; the gradients of a rollback are a `Rollback`.
 *
 * @throws GradwireError `E_CHECK` where the tensors' bytes are not those that were written, and the codes of a gradients frame.
 */
export function readRecord<Name extends string>(
  bytes: Uint8Array,
  model: Layout<Name>,
  options?: CheckOptions,
): JournalRecord<Name> {
  const { metadata, tensors, data } = deserialize(bytes, recordLimits);
  const stamp = {
    run: text(metadata, 'run'),
    epoch: count(metadata, 'epoch'),
    version: count(metadata, 'version'),
    durableUpTo: count(metadata, 'durableUpTo'),
    payload: digestIn(metadata, 'payload'),
    ...readFolding(metadata),
  };
  const found = digestOf(data);
  if (found !== digestIn(metadata, 'check')) {
    throw new GradwireError(
      'E_CHECK',
      `version ${stamp.version}: the bytes have the check ${found}, the record says ${metadata.check}`,
    );
  }
  if (metadata.kind === 'rollback') return { stamp, ...readRollback(metadata, tensors, model) };
  const { header, gradients } = readGradients(metadata, tensors, model, options, recordFormats);
  const { factor } = stamp;
  return { stamp, header, gradients: factor === undefined ? gradients : gradients.withRateFactor(factor) };
}
