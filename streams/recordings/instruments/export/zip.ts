// The records of a ZIP file whose entries are stored as they are, with 64-bit sizes and offsets where 32 bits are too few.

/** An entry as its records tell of it. */
export interface ZipEntry {
  readonly name: string;
  readonly byteLength: number;
  readonly crc: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** What 32-bit fields cannot hold; a test may take less. */
export const zip64From: number = 0xffff_ffff;

const stored = 0;
// bit 11: the name is UTF-8
const flags = 0x0800;
// midnight of 1 January 1980, so that the same arrays give the same file
const date = (1 << 5) | 1;
const elsewhere = 0xffff_ffff;

/** The header before an entry's bytes; its length depends on the name and the size alone. */
export function localHeader({ name, byteLength, crc }: Omit<ZipEntry, 'offset'>, from: number): Uint8Array {
  const text = Buffer.from(name, 'utf8');
  const large = byteLength >= from;
  const extra = large ? zip64Extra([byteLength, byteLength]) : Buffer.alloc(0);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(large ? 45 : 20, 4);
  writeCommon(head, 6, { crc, size: large ? elsewhere : byteLength, nameBytes: text.byteLength, extraBytes: extra.byteLength });
  return new Uint8Array(Buffer.concat([head, text, extra]));
}

/** The central directory, and the records that end the file. */
export function directoryOf(entries: readonly ZipEntry[], offset: number, from: number): Uint8Array {
  const central = Buffer.concat(entries.map((entry) => centralHeader(entry, from)));
  const end = Buffer.alloc(22);
  const large = entries.length >= Math.min(0xffff, from) || central.byteLength >= from || offset >= from;
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(large ? 0xffff : entries.length, 8);
  end.writeUInt16LE(large ? 0xffff : entries.length, 10);
  end.writeUInt32LE(large ? elsewhere : central.byteLength, 12);
  end.writeUInt32LE(large ? elsewhere : offset, 16);
  const more = large ? [zip64End(entries.length, { offset, byteLength: central.byteLength })] : [];
  return new Uint8Array(Buffer.concat([central, ...more, end]));
}

function centralHeader({ name, byteLength, crc, offset }: ZipEntry, from: number): Buffer {
  const text = Buffer.from(name, 'utf8');
  const large = byteLength >= from;
  const far = offset >= from;
  const values = [...(large ? [byteLength, byteLength] : []), ...(far ? [offset] : [])];
  const extra = values.length === 0 ? Buffer.alloc(0) : zip64Extra(values);
  const head = Buffer.alloc(46);
  head.writeUInt32LE(0x02014b50, 0);
  const version = values.length === 0 ? 20 : 45;
  head.writeUInt16LE(version, 4);
  head.writeUInt16LE(version, 6);
  writeCommon(head, 8, { crc, size: large ? elsewhere : byteLength, nameBytes: text.byteLength, extraBytes: extra.byteLength });
  head.writeUInt32LE(far ? elsewhere : offset, 42);
  return Buffer.concat([head, text, extra]);
}

/** The fields that both headers have, in the same order. */
function writeCommon(
  head: Buffer,
  at: number,
  { crc, size, nameBytes, extraBytes }: { crc: number; size: number; nameBytes: number; extraBytes: number },
): void {
  head.writeUInt16LE(flags, at);
  head.writeUInt16LE(stored, at + 2);
  head.writeUInt16LE(0, at + 4);
  head.writeUInt16LE(date, at + 6);
  head.writeUInt32LE(crc, at + 8);
  head.writeUInt32LE(size, at + 12);
  head.writeUInt32LE(size, at + 16);
  head.writeUInt16LE(nameBytes, at + 20);
  head.writeUInt16LE(extraBytes, at + 22);
}

function zip64Extra(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + values.length * 8);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(values.length * 8, 2);
  for (const [i, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + i * 8);
  return extra;
}

/** The 64-bit end of the central directory, and what leads to it. */
function zip64End(count: number, { offset, byteLength }: { offset: number; byteLength: number }): Buffer {
  const end = Buffer.alloc(56 + 20);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(45, 12);
  end.writeUInt16LE(45, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(byteLength), 40);
  end.writeBigUInt64LE(BigInt(offset), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(offset + byteLength), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
