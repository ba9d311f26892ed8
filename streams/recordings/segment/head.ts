// The start of a segment: what MCAP readers must know before the first record, and the state that the records are folded into.
import { McapRecordBuilder } from '@mcap/core';
import { type About, aboutFields, aboutName } from './about.ts';
import { attachmentRecord } from './around.ts';
import { library } from './library.ts';
import { writeChannel, writeSchema } from './schema.ts';

/** The header's profile, by which a recording is told from other MCAP files. */
export const profile = 'gradwire';

/** The media type of the attachments. */
export const attachmentMediaType = 'application/x-safetensors';

/**
 * The name of a segment's attachment: the weights of version 0 where it begins with version 1, where it has to be; otherwise
 * a snapshot of the version before its first, which may be left out.
 */
export function attachmentName(firstVersion: number): string {
  return firstVersion === 1 ? 'initial.safetensors' : 'start.safetensors';
}

/** Where a record lies in its file. */
export interface Place {
  readonly offset: number;
  readonly byteLength: number;
}

/** A segment's head, and where its metadata and its attachment lie. */
export interface Head {
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  readonly metadata: Place;
  readonly attachment: (Place & { readonly name: string }) | undefined;
}

/**
 * The head of a segment; `attached`, the frame of its attachment, is borrowed. The metadata come last: they are checked to
 * their last byte, so that no damaged length before them can hide a record that follows.
 */
export function encodeHead(about: About, attached: Uint8Array | undefined, time: bigint): Head {
  const builder = new McapRecordBuilder();
  builder.writeMagic();
  builder.writeHeader({ profile, library });
  const start = builder.buffer;
  const name = attachmentName(about.firstVersion);
  const attachment = attached === undefined ? [] : attachmentRecord(name, attachmentMediaType, time, attached);
  builder.reset();
  writeSchema(builder);
  writeChannel(builder, about.name);
  const channelEnd = builder.length;
  builder.writeMetadata({ name: aboutName, metadata: aboutFields(about) });
  const parts = [start, ...attachment, builder.buffer];
  const byteLength = byteLengthOf(parts);
  const metadataBytes = builder.length - channelEnd;
  return {
    parts,
    byteLength,
    metadata: { offset: byteLength - metadataBytes, byteLength: metadataBytes },
    attachment: attached && { name, offset: start.byteLength, byteLength: byteLengthOf(attachment) },
  };
}

/** Bytes in all parts together. */
export function byteLengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}
