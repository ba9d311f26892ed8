// A file whose parts are written at their places: beside its name first, then renamed, whole or not at all.
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { GradwireError, quote } from '../../../../src/errors.ts';

/** A file being written. */
export class PlacedFile {
  readonly #path: string;
  readonly #beside: string;
  readonly #file: FileHandle;

  private constructor(path: string, beside: string, file: FileHandle) {
    this.#path = path;
    this.#beside = beside;
    this.#file = file;
  }

  /** Makes the file under another name. Throws `E_FILE`. */
  static async create(path: string): Promise<PlacedFile> {
    const beside = `${path}.${process.pid}.tmp`;
    try {
      return new PlacedFile(path, beside, await open(beside, 'w', 0o644));
    } catch (cause) {
      throw cannotWrite(path, cause);
    }
  }

  /** Writes all bytes at a place. Throws `E_FILE`. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.byteLength - done, offset + done);
        if (bytesWritten === 0) throw new Error('the disk took no more bytes');
        done += bytesWritten;
      }
    } catch (cause) {
      throw cannotWrite(this.#path, cause);
    }
  }

  /** Gives the file its name. Throws `E_FILE`. */
  async finish(): Promise<void> {
    try {
      await this.#file.close();
      await rename(this.#beside, this.#path);
    } catch (cause) {
      throw cannotWrite(this.#path, cause);
    }
  }

  /** Removes it. */
  async abandon(): Promise<void> {
    // it may be closed already, or gone
    await this.#file.close().catch(() => undefined);
    await unlink(this.#beside).catch(() => undefined);
  }
}

function cannotWrite(path: string, cause: unknown): GradwireError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GradwireError('E_FILE', `cannot write ${quote(path)}: ${reason}`, { cause });
}
