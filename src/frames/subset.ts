// Frames for those who follow some tensors only: the same metadata, fewer tensors, and check and digest of what is left.
import { digestOf } from '../digest.ts';
import { sign, unsigned } from './header-check.ts';
import type { Entry } from './safetensors/entry.ts';
import { type Opened, open } from './safetensors/open.ts';
import { begin } from './safetensors/text.ts';

/** Which tensors are followed, by name. */
export type Names = ReadonlySet<string>;

/**
 * The part of an update that touches `names`, in whatever form: a frame of its own, without tensors where none is touched. Its
 * `check` is of the bytes that are left; `digest`, where it is given, of all weights followed, and takes the place of the update's.
 */
export function updateOf(names: Names, update: Uint8Array, digest: string | undefined): Uint8Array<ArrayBuffer> {
  return partOf(open(update), names, (metadata, data) => {
    metadata.delete('digest');
    if (digest !== undefined) metadata.set('digest', digest);
    metadata.set('check', digestOf(data));
  });
}

/** The part of a weights frame that is of `names`; its `digest` is of the bytes that are left. */
export function weightsOf(
  names: Names,
  weights: Uint8Array,
): { readonly frame: Uint8Array<ArrayBuffer>; readonly digest: string } {
  let digest = '';
  const frame = partOf(open(weights), names, (metadata, data) => {
    digest = digestOf(data);
    metadata.set('digest', digest);
  });
  return { frame, digest };
}

/** Whether an update states the digest of all weights. */
export function hasDigest(update: Uint8Array): boolean {
  return open(update).metadata.has('digest');
}

/** A frame of the tensors that are followed; `finish` writes its metadata, of which it is given a copy. */
function partOf(
  { metadata, entries, data }: Opened,
  names: Names,
  finish: (metadata: Map<string, string>, data: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  const kept = entries.filter(({ name }) => names.has(name.split('#', 1)[0]));
  const part = new Uint8Array(kept.reduce((sum, { begin: from, end }) => sum + end - from, 0));
  const placed: Entry[] = [];
  let position = 0;
  for (const entry of kept) {
    const { begin: from, end } = entry;
    part.set(data.subarray(from, end), position);
    placed.push({ ...entry, begin: position, end: position + end - from });
    position += end - from;
  }
  const own = new Map(metadata);
  if (own.has('header')) own.set('header', unsigned);
  finish(own, part);
  const blank = begin(own, placed, part.byteLength);
  blank.data.set(part);
  return own.has('header') ? sign(blank.bytes) : blank.bytes;
}
