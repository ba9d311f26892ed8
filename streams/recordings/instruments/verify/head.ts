// A segment's head, checked to its last byte: each record must be the one that its own content is written as.
import { McapRecordBuilder, Opcode } from '@mcap/core';
import { deserialize } from '../../../../src/frames/safetensors.ts';
import { decodeSnapshot } from '../../../../src/frames/snapshot.ts';
import { readWeights } from '../../../../src/frames/weights.ts';
import { type Layout, sameLayout } from '../../../../src/layout.ts';
import { checkSnapshot } from '../../journal/snapshots.ts';
import { type About, aboutName, readAbout } from '../../segment/about.ts';
import { attachmentRecord } from '../../segment/around.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { attachmentMediaType, attachmentName, type Place, profile } from '../../segment/head.ts';
import { parseAttachment, parseRecord, recordHeadBytes } from '../../segment/parse.ts';
import type { Pieces } from '../../segment/pieces.ts';
import { guard, metadataFields, readMagic, recordHead } from '../../segment/records.ts';
import { demandEqual } from './compare.ts';

/** An attachment whose CRC holds. */
export interface Attached extends Place {
  readonly name: string;
  /** Nanoseconds since 1970. */
  readonly createTime: bigint;
  /** A copy. */
  readonly data: Uint8Array;
}

/** A head that is whole. */
export interface CheckedHead {
  readonly about: About;
  readonly attachments: readonly Attached[];
  /** The schema and the channel as they stand, which the summary of a closed segment repeats. */
  readonly schema: Uint8Array;
  readonly channel: Uint8Array;
  readonly metadata: Place;
  /** Whether the metadata repeat the library's name; segments of release 0.1.0 do not. */
  readonly libraryWitnessed: boolean;
}

/** Reads a head from the file's start. Throws {@link BadPlace}, `E_FORMAT`. */
export async function checkHead(pieces: Pieces): Promise<CheckedHead> {
  await readMagic(pieces);
  const library = await checkHeader(pieces);
  const attachments: Attached[] = [];
  while ((await recordHead(pieces)).opcode === Opcode.ATTACHMENT) attachments.push(await checkAttachment(pieces));
  const schema = await wholeRecord(pieces, Opcode.SCHEMA);
  const channel = await wholeRecord(pieces, Opcode.CHANNEL);
  const { offset } = pieces;
  const { fields, byteLength } = await checkMetadata(pieces, aboutName);
  const about = guard(offset, () => readAbout(fields));
  const witness = fields.get('library');
  if (witness !== undefined && witness !== library)
    throw new BadPlace(`the header was written by ${JSON.stringify(library)}, the metadata say ${JSON.stringify(witness)}`, 0);
  checkAttachments(attachments, about, offset);
  return {
    about,
    attachments,
    schema,
    channel,
    metadata: { offset, byteLength },
    libraryWitnessed: witness !== undefined,
  };
}

/** The fields of the next record, metadata of that name, which are written as they stand. Throws {@link BadPlace}. */
export async function checkMetadata(
  pieces: Pieces,
  name: string,
): Promise<Place & { readonly fields: ReadonlyMap<string, string>; readonly bytes: Uint8Array }> {
  const { offset } = pieces;
  const { byteLength } = await recordHead(pieces);
  await pieces.need(byteLength);
  const bytes = new Uint8Array(pieces.take(byteLength));
  pieces.seek(offset);
  const fields = await metadataFields(pieces, name);
  const builder = new McapRecordBuilder();
  builder.writeMetadata({ name, metadata: new Map(fields) });
  demandEqual(bytes, builder.buffer, { offset, what: `the metadata record "${name}"` });
  return { offset, byteLength, fields, bytes };
}

/** The library's name in the header. */
async function checkHeader(pieces: Pieces): Promise<string> {
  const { offset } = pieces;
  const bytes = await wholeRecord(pieces, Opcode.HEADER);
  const header = guard(offset, () => parseRecord(bytes));
  if (header.type !== 'Header' || header.profile !== profile)
    throw new BadPlace(`the header's profile is not "${profile}"`, offset);
  const builder = new McapRecordBuilder();
  builder.writeHeader(header);
  demandEqual(bytes, builder.buffer, { offset, what: 'the header record' });
  return header.library;
}

async function checkAttachment(pieces: Pieces): Promise<Attached> {
  const { offset } = pieces;
  const bytes = await wholeRecord(pieces, Opcode.ATTACHMENT);
  const { name, data } = guard(offset, () => parseAttachment(bytes));
  const createTime = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(recordHeadBytes, true);
  const [head] = attachmentRecord(name, attachmentMediaType, createTime, data);
  demandEqual(bytes.subarray(0, head.byteLength), head, { offset, what: `the attachment record "${name}"` });
  const byteLength = head.byteLength + data.byteLength + 4;
  if (byteLength !== bytes.byteLength)
    throw new BadPlace(`the attachment has ${bytes.byteLength} bytes instead of ${byteLength}`, offset);
  return { offset, byteLength, name, createTime, data };
}

/** The attachment must be that of the segment's place in its run: the initial weights, or the snapshot that it goes on from. */
function checkAttachments([first, second]: readonly Attached[], about: About, offset: number): void {
  const name = attachmentName(about.firstVersion);
  if (about.firstVersion === 1 && first === undefined) throw new BadPlace(`the attachment "${name}" is missing`, offset);
  const stranger = first !== undefined && first.name !== name ? first : second;
  if (stranger !== undefined) throw new BadPlace(`the attachment "${stranger.name}" does not belong here`, stranger.offset);
  if (first === undefined) return;
  guard(first.offset, () => (about.firstVersion === 1 ? checkInitial(first.data, about) : checkStart(first.data, about)));
}

function checkInitial(data: Uint8Array, about: About): void {
  const { header, weights } = readWeights(deserialize(data));
  if (header.version !== 0 || header.run !== about.run || !sameLayout(weights.layout as Layout, about.model))
    throw new Error('the initial weights are of another run, version or model');
}

function checkStart(data: Uint8Array, about: About): void {
  const { version } = checkSnapshot(decodeSnapshot(data), about, 'the snapshot that it begins with');
  if (version !== about.firstVersion - 1) throw new Error(`the snapshot that it begins with is of version ${version}`);
}

async function wholeRecord(pieces: Pieces, expected: Opcode): Promise<Uint8Array> {
  const { offset } = pieces;
  const { opcode, byteLength } = await recordHead(pieces);
  if (opcode !== expected) throw new BadPlace(`a record of kind ${opcode} instead of kind ${expected}`, offset);
  await pieces.need(byteLength);
  return new Uint8Array(pieces.take(byteLength));
}
