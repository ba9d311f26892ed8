// A .npz file: a ZIP of .npy files, stored, whose places are known before their bytes come.
import { crcAfter } from '../../segment/crc.ts';
import type { ArrayFile, ArraySpec } from './array.ts';
import { npyHead } from './npy.ts';
import { PlacedFile } from './placed-file.ts';
import { directoryOf, localHeader, zip64From } from './zip.ts';

/** An entry while it is written. */
interface Entry {
  readonly name: string;
  readonly byteLength: number;
  readonly offset: number;
  /** Where its next bytes go. */
  position: number;
  crc: number;
}

/** A .npz file being written. */
export class NpzFile implements ArrayFile {
  readonly #file: PlacedFile;
  readonly #entries: readonly Entry[];
  readonly #end: number;
  readonly #from: number;

  private constructor(file: PlacedFile, entries: readonly Entry[], { end, from }: { end: number; from: number }) {
    this.#file = file;
    this.#entries = entries;
    this.#end = end;
    this.#from = from;
  }

  /** Begins a file of these arrays; sizes from `from` bytes on take 64 bits. Throws `E_FILE`, `E_DTYPE`. */
  static async create(
    path: string,
    arrays: readonly ArraySpec[],
    { from = zip64From }: { from?: number } = {},
  ): Promise<NpzFile> {
    const heads = arrays.map((array) => npyHead(array));
    const entries: Entry[] = [];
    let offset = 0;
    for (const [i, array] of arrays.entries()) {
      const name = `${array.name}.npy`;
      const byteLength = heads[i].byteLength + array.byteLength;
      const position = offset + localHeader({ name, byteLength, crc: 0 }, from).byteLength;
      entries.push({ name, byteLength, offset, position, crc: 0 });
      offset = position + byteLength;
    }
    const npz = new NpzFile(await PlacedFile.create(path), entries, { end: offset, from });
    try {
      for (const [i, head] of heads.entries()) await npz.append(i, head);
      return npz;
    } catch (error) {
      await npz.abandon();
      throw error;
    }
  }

  async append(i: number, bytes: Uint8Array): Promise<void> {
    const entry = this.#entries[i];
    entry.crc = crcAfter(entry.crc, bytes);
    await this.#file.write(bytes, entry.position);
    entry.position += bytes.byteLength;
  }

  async finish(): Promise<void> {
    for (const entry of this.#entries) await this.#file.write(localHeader(entry, this.#from), entry.offset);
    await this.#file.write(directoryOf(this.#entries, this.#end, this.#from), this.#end);
    await this.#file.finish();
  }

  async abandon(): Promise<void> {
    await this.#file.abandon();
  }
}
