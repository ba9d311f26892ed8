// Puts malformed safetensors buffers together by hand, without the writer under test.

/** A buffer from its three parts; `length` is what it says of its header, which may be a lie. */
export function buffer(header: string | Uint8Array, data: number | string = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? Buffer.from(header, 'utf8') : Buffer.from(header);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(text.byteLength));
  const bytes =
    typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(Array.from({ length: data }, (_, i) => i + 1));
  return new Uint8Array(Buffer.concat([start, text, bytes]));
}

/** A header with text in place of its parts: `{"w":{"dtype":…,"shape":…,"data_offsets":…}}`. */
export function entry({ name = '"w"', dtype = '"F32"', shape = '[1]', offsets = '[0,4]' } = {}): string {
  return `{${name}:{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
}

/** A header of tensors `a`, `b`, …, each of U8 and with these offsets. */
export function bytesAt(...offsets: readonly (readonly [begin: number, end: number])[]): string {
  const entries = offsets.map(([begin, end], i) => {
    const name = String.fromCharCode(97 + i);
    return `"${name}":{"dtype":"U8","shape":[${Math.max(0, end - begin)}],"data_offsets":[${begin},${end}]}`;
  });
  return `{${entries.join()}}`;
}

/** A header whose only tensor is right, with metadata in front. */
export function metadata(text: string): string {
  return `{"__metadata__":${text},${entry().slice(1)}`;
}

/** A header of so many tensors without a byte. */
export function empties(count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join()}}`;
}
