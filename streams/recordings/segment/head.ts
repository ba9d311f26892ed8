// The start of a segment: what MCAP readers must know before the first record, and the run's initial weights.
import { McapRecordBuilder } from '@mcap/core';
import { type About, aboutFields, aboutName } from './about.ts';
import { attachmentRecord } from './around.ts';
import { library } from './library.ts';
import { writeChannel, writeSchema } from './schema.ts';

/** The header's profile, by which a recording is told from other MCAP files. */
export const profile = 'gradwire';

/** The name and media type of the attachment with the weights of version 0. */
export const initialName = 'initial.safetensors';
export const initialMediaType = 'application/x-safetensors';

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
  readonly attachment: Place | undefined;
}

/**
 * The head of a segment; `initial`, a weights frame of version 0, is borrowed. The metadata come last: they are checked to
 * their last byte, so that no damaged length before them can hide a record that follows.
 */
export function encodeHead(about: About, initial: Uint8Array | undefined, time: bigint): Head {
  const builder = new McapRecordBuilder();
  builder.writeMagic();
  builder.writeHeader({ profile, library });
  const start = builder.buffer;
  const attached = initial === undefined ? [] : attachmentRecord(initialName, initialMediaType, time, initial);
  builder.reset();
  writeSchema(builder);
  writeChannel(builder, about.name);
  const channelEnd = builder.length;
  builder.writeMetadata({ name: aboutName, metadata: aboutFields(about) });
  const parts = [start, ...attached, builder.buffer];
  const byteLength = byteLengthOf(parts);
  const metadataBytes = builder.length - channelEnd;
  return {
    parts,
    byteLength,
    metadata: { offset: byteLength - metadataBytes, byteLength: metadataBytes },
    attachment: initial === undefined ? undefined : { offset: start.byteLength, byteLength: byteLengthOf(attached) },
  };
}

/** Bytes in all parts together. */
export function byteLengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}
