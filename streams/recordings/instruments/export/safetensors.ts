// A safetensors file whose arrays are written at their places: no more of it is in memory than its header.
import { begin } from '../../../../src/frames/safetensors/text.ts';
import type { ArrayFile, ArraySpec } from './array.ts';
import { PlacedFile } from './placed-file.ts';

const limits = { headerBytes: 64 << 20, tensors: 1_000_000 };

/** A safetensors file being written. */
export class SafetensorsFile implements ArrayFile {
  readonly #file: PlacedFile;
  readonly #positions: number[];

  private constructor(file: PlacedFile, positions: number[]) {
    this.#file = file;
    this.#positions = positions;
  }

  /** Begins a file of these arrays. Throws `E_FILE`. */
  static async create(
    path: string,
    arrays: readonly ArraySpec[],
    metadata: Readonly<Record<string, string>>,
  ): Promise<SafetensorsFile> {
    let end = 0;
    const entries = arrays.map(({ name, dtype, shape, byteLength }) => {
      const start = end;
      end += byteLength;
      return { name, dtype, shape, begin: start, end };
    });
    const { bytes } = begin(new Map(Object.entries(metadata)), entries, 0, limits);
    const file = await PlacedFile.create(path);
    try {
      await file.write(bytes, 0);
    } catch (error) {
      await file.abandon();
      throw error;
    }
    return new SafetensorsFile(
      file,
      entries.map((entry) => bytes.byteLength + entry.begin),
    );
  }

  async append(i: number, bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, this.#positions[i]);
    this.#positions[i] += bytes.byteLength;
  }

  async finish(): Promise<void> {
    await this.#file.finish();
  }

  async abandon(): Promise<void> {
    await this.#file.abandon();
  }
}
