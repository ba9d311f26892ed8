// From record to record through a segment: no length is trusted beyond what is left of the file.
import { MCAP_MAGIC, McapRecordBuilder, type Opcode } from '@mcap/core';
import { GradwireError, quote } from '../../../src/errors.ts';
import { BadPlace } from './bad-place.ts';
import type { Place } from './head.ts';
import { parseRecord, recordHeadBytes, uint64 } from './parse.ts';
import type { Pieces } from './pieces.ts';

/** Runs what may throw for damaged bytes. What is damaged is no bug, but an unknown format has its own error. */
export function guard<T>(offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof GradwireError && error.code === 'E_FORMAT') throw error;
    throw new BadPlace(error instanceof Error ? error.message : String(error), offset);
  }
}

/** Passes over MCAP's magic. Throws {@link BadPlace}, or `E_FORMAT` for another version of MCAP. */
export async function readMagic(pieces: Pieces): Promise<void> {
  const magic = MCAP_MAGIC.length;
  if (pieces.left < magic) throw new BadPlace('it ends within its first 8 bytes', 0);
  await pieces.need(magic);
  const found = [...pieces.take(magic)];
  const different = found.findIndex((byte, i) => byte !== MCAP_MAGIC[i]);
  if (different < 0) return;
  const versionAt = 5;
  if (different === versionAt && found.slice(versionAt + 1).every((byte, i) => byte === MCAP_MAGIC[versionAt + 1 + i])) {
    const version = quote(String.fromCharCode(found[versionAt]));
    const text = `${quote(pieces.path)} is MCAP ${version}, this release reads MCAP "0"; use a newer release`;
    throw new GradwireError('E_FORMAT', text);
  }
  throw new BadPlace('it is no MCAP file', 0);
}

/** Opcode and length of the next record, which must fit into the file. Throws {@link BadPlace}. */
export async function recordHead(pieces: Pieces): Promise<{ opcode: number; byteLength: number }> {
  const { left, offset } = pieces;
  if (left < recordHeadBytes) throw new BadPlace(`a record ends after ${left} bytes`, offset);
  await pieces.need(recordHeadBytes);
  const view = pieces.peek(recordHeadBytes);
  const length = uint64(view, 1);
  if (length > left - recordHeadBytes) {
    throw new BadPlace(`a record of ${length} bytes where ${left - recordHeadBytes} are left`, offset);
  }
  return { opcode: view.getUint8(0), byteLength: recordHeadBytes + length };
}

/** Passes over one record of that kind, and of that length where it is known. Throws {@link BadPlace}. */
export async function skip(pieces: Pieces, expected: Opcode, expectedLength?: number): Promise<Place> {
  const { offset } = pieces;
  const { opcode, byteLength } = await recordHead(pieces);
  if (opcode !== expected || byteLength !== (expectedLength ?? byteLength)) {
    throw new BadPlace(`a record of kind ${opcode} and ${byteLength} bytes instead of kind ${expected}`, offset);
  }
  pieces.seek(offset + byteLength);
  return { offset, byteLength };
}

/** The fields of the next record, which must be metadata of that name and of no more bytes than they take. Throws {@link BadPlace}. */
export async function metadataFields(pieces: Pieces, expected: string): Promise<ReadonlyMap<string, string>> {
  const { offset } = pieces;
  const { byteLength } = await recordHead(pieces);
  await pieces.need(byteLength);
  const record = guard(offset, () => parseRecord(pieces.take(byteLength)));
  if (record.type !== 'Metadata' || record.name !== expected)
    throw new BadPlace(`no metadata ${quote(expected)} stands here`, offset);
  const builder = new McapRecordBuilder();
  builder.writeMetadata(record);
  // a wrong length could make a reader pass over what follows
  if (builder.length !== byteLength) throw new BadPlace(`metadata of ${byteLength} bytes that take ${builder.length}`, offset);
  return record.metadata;
}
