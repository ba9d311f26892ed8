// Metadata put on and taken off a finished buffer without touching its tensors: how a journal record gets its version.
import type { SafetensorsLimits } from './limits.ts';
import { open } from './open.ts';
import { mapOf, type Pairs } from './pairs.ts';
import { begin } from './text.ts';

/**
 * A copy of a safetensors buffer with more metadata: keys of `extra` win over those it has, and the tensors keep their bytes.
 *
 * @throws GradwireError with an `E_ST_*` code for a buffer that `deserialize` would refuse, and for metadata that is not text.
 */
export function withMetadata(
  buffer: ArrayBuffer | Uint8Array,
  extra: Pairs<string>,
  limits?: SafetensorsLimits,
): Uint8Array<ArrayBuffer> {
  const { metadata, entries, data } = open(buffer, limits);
  const stamped = begin(merged(metadata, extra), entries, data.byteLength, limits);
  stamped.data.set(data);
  return stamped.bytes;
}

/**
 * A copy of a safetensors buffer without some of its metadata: what {@link withMetadata} was given, byte for byte, where that
 * buffer's header had the form in which this module writes one.
 *
 * @throws GradwireError with an `E_ST_*` code for a buffer that `deserialize` would refuse.
 */
export function withoutMetadata(
  buffer: ArrayBuffer | Uint8Array,
  keys: readonly string[],
  limits?: SafetensorsLimits,
): Uint8Array<ArrayBuffer> {
  const { metadata, entries, data } = open(buffer, limits);
  const left = new Map([...metadata].filter(([key]) => !keys.includes(key)));
  const bare = begin(left, entries, data.byteLength, limits);
  bare.data.set(data);
  return bare.bytes;
}

/** {@link withMetadata} without the copy: its new header, and a **view** of the bytes of the tensors that stand behind it. */
export function withMetadataInParts(
  buffer: Uint8Array,
  extra: Pairs<string>,
  limits?: SafetensorsLimits,
): [head: Uint8Array, data: Uint8Array] {
  const { metadata, entries, data } = open(buffer, limits);
  return [begin(merged(metadata, extra), entries, 0, limits).bytes, data];
}

function merged(metadata: ReadonlyMap<string, string>, extra: Pairs<string>): ReadonlyMap<string, string> {
  return new Map([...metadata, ...mapOf('metadata', extra)]);
}
