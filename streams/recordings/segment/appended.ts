// A file that only grows: each append is there whole and as durable as promised, or not at all.
import { basename, dirname } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import {
  type CreateFile,
  createFile,
  diskError,
  existsError,
  failedWith,
  lostError,
  removeFile,
  syncDirectory,
  type WritableFile,
  writeFully,
} from '../disk.ts';
import { byteLengthOf } from './head.ts';

/**
 * When a batch counts as written. `fsync`: once fdatasync has returned, so that it survives a power cut. `os`: once the
 * operating system has it, so that it survives the process. `none`: at once; it is written after, and may be lost.
 */
export type Durability = 'fsync' | 'os' | 'none';

/** How a file is made and written. */
export interface AppendOptions {
  readonly durability: Durability;
  /** Makes the file; that of node:fs unless told. */
  readonly create?: CreateFile;
  /** Asked when bytes have been written, before they count: where it rejects, as where another trainer has taken over, the file is sealed. */
  readonly confirm?: () => Promise<void>;
}

// what is written at once to find out whether there is room
const probePiece = 1 << 20;

/**
 * A file being written by appends, one at a time.
 *
 * A write that failed is cut off again, so that the next one follows on what is durable. After a failed sync the end of the
 * file is unknown: it is sealed, and nothing more is written.
 */
export class AppendedFile {
  readonly path: string;
  readonly #file: WritableFile;
  readonly #options: AppendOptions;
  #bytes = 0;
  #state: 'open' | 'sealed' | 'closed' = 'open';

  private constructor(path: string, file: WritableFile, options: AppendOptions) {
    this.path = path;
    this.#file = file;
    this.#options = options;
  }

  /**
   * Makes the file, which must not exist, with its first bytes. With durability `fsync` it is on disk under its name when this resolves.
   *
   * @throws GradwireError `E_FILE` where it exists, `E_DISK`, `E_DISK_FAILED`; no file is left then.
   */
  static async create(path: string, parts: readonly Uint8Array[], options: AppendOptions): Promise<AppendedFile> {
    const { create = createFile, durability } = options;
    const handle = await create(path).catch((cause) => Promise.reject(createError(path, cause)));
    const file = new AppendedFile(path, handle, options);
    try {
      await file.append(parts);
      if (durability === 'fsync') await syncDirectory(dirname(path)).catch((cause) => file.#seal(cause));
    } catch (error) {
      await file.#abandon();
      throw error;
    }
    return file;
  }

  /** Bytes that count. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it takes more. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Appends bytes: they are as durable as promised when this resolves. Throws `E_DISK`, `E_DISK_FAILED`, or what `confirm` does. */
  async append(parts: readonly Uint8Array[]): Promise<void> {
    this.#demandOpen();
    const { durability, confirm } = this.#options;
    await writeFully(this.#file, parts, this.#bytes).catch((cause) => this.#cutBack(cause));
    // both are waited for: one that fails later would be an error that nobody hears
    const settled = await Promise.allSettled([durability === 'fsync' ? this.sync() : undefined, confirm?.()]);
    for (const each of settled) {
      if (each.status === 'fulfilled') continue;
      this.#state = 'sealed';
      throw each.reason;
    }
    this.#bytes += byteLengthOf(parts);
  }

  /** Waits until all that has been written is on disk, whatever the durability. Throws `E_DISK_FAILED`. */
  async sync(): Promise<void> {
    await this.#file.datasync().catch((cause) => this.#seal(cause));
  }

  /** Finds out whether the disk takes so many bytes, and leaves the file as it was. Throws as {@link append} does. */
  async probe(byteLength: number): Promise<void> {
    this.#demandOpen();
    const zeros = new Uint8Array(Math.min(probePiece, byteLength));
    const parts = Array.from({ length: Math.ceil(byteLength / probePiece) }, (_, i) =>
      zeros.subarray(0, byteLength - i * probePiece),
    );
    await writeFully(this.#file, parts, this.#bytes).catch((cause) => this.#cutBack(cause));
    await this.#truncate();
  }

  /** Closes the file. Throws `E_DISK`. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    await this.#file.close().catch((cause) => Promise.reject(diskError(this.path, cause)));
  }

  #demandOpen(): void {
    if (this.isOpen) return;
    throw new GradwireError('E_DISK_FAILED', `${quote(basename(this.path))} takes no more: it is ${this.#state}`);
  }

  /** Takes away what a failed write has left, which must not be found by a recovery: nobody will be told of it. */
  async #cutBack(cause: unknown): Promise<never> {
    const error = diskError(this.path, cause);
    if (error.code !== 'E_DISK') this.#seal(cause);
    const { size } = await this.#file.stat().catch((reason) => this.#seal(reason));
    if (size > this.#bytes) await this.#truncate();
    throw error;
  }

  async #truncate(): Promise<void> {
    await this.#file.truncate(this.#bytes).catch((reason) => this.#seal(reason));
    if (this.#options.durability === 'fsync') await this.sync();
  }

  #seal(cause: unknown): never {
    this.#state = 'sealed';
    throw lostError(this.path, cause);
  }

  /** Leaves nothing of a file whose first bytes could not be written. */
  async #abandon(): Promise<void> {
    this.#state = 'closed';
    await this.#file.close().catch(() => undefined);
    await removeFile(this.path).catch((cause) => this.#seal(cause));
  }
}

function createError(path: string, cause: unknown): GradwireError {
  return failedWith(cause, 'EEXIST') ? existsError(path, cause) : diskError(path, cause);
}
