// Snapshots in a run's directory: written so that a name always stands for a whole file, read back with every check.
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { decodeSnapshot, type Snapshot } from '../../../src/frames/snapshot.ts';
import { sameLayout } from '../../../src/layout.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import { fileError, removeFile, writeWhole } from '../disk.ts';
import { listSnapshots } from '../history/history.ts';
import { snapshotName } from '../history/names.ts';
import type { About } from '../segment/about.ts';

/** How snapshots are written and kept. */
interface SnapshotsOptions {
  /** Snapshots kept, at least two. */
  readonly keep: number;
  /** The version of one that has been read and is sound. */
  readonly sound: number | undefined;
  /** Waited for before a name appears; a rejection keeps it back. */
  readonly confirm: () => Promise<void>;
  /** Told of each sound snapshot: up to the second newest of them nothing older is needed. */
  readonly onVerified: (secondNewest: number | undefined) => Promise<void>;
}

/** The snapshots of a run. */
export class Snapshots {
  readonly #directory: string;
  readonly #options: SnapshotsOptions;
  // versions of those that have been read back, ascending
  readonly #verified: number[];
  #newest: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, options: SnapshotsOptions, newest: number | undefined) {
    this.#directory = directory;
    this.#options = options;
    this.#verified = options.sound === undefined ? [] : [options.sound];
    this.#newest = newest;
  }

  /** Opens a directory's snapshots and removes what a write that was cut short left behind. */
  static async open(directory: string, options: SnapshotsOptions): Promise<Snapshots> {
    const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
    for (const name of names) {
      if (/^snap-\d{16}\.safetensors\.tmp$/.test(name)) await removeFile(join(directory, name));
    }
    return new Snapshots(directory, options, (await listSnapshots(directory)).at(-1));
  }

  /** The path of the newest snapshot, if there is one. */
  newest(): string | undefined {
    return this.#newest === undefined ? undefined : join(this.#directory, snapshotName(this.#newest));
  }

  /**
   * Writes a snapshot frame and gives its path; the name appears when the file is whole and on disk. It is then read back, and
   * what is no longer needed is removed. Calls are queued.
   *
   * @throws GradwireError `E_DISK`, `E_DISK_FAILED`, `E_FENCED`, and `E_SNAPSHOT` where other bytes are read than were
   *   written; the snapshots that there are stay as they are.
   */
  write(frame: Uint8Array, version: number): Promise<string> {
    const result = this.#queue.then(async () => {
      const path = join(this.#directory, snapshotName(version));
      await writeWhole(path, [frame], { confirm: this.#options.confirm });
      this.#newest = Math.max(version, this.#newest ?? 0);
      await demandSame(path, frame);
      if (!this.#verified.includes(version)) this.#verified.push(version);
      await this.#removeOld();
      return path;
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Resolves when no write is under way. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  async #removeOld(): Promise<void> {
    const { keep, onVerified } = this.#options;
    const secondNewest = this.#verified.at(-2);
    const versions = await listSnapshots(this.#directory);
    for (const version of versions.slice(0, Math.max(0, versions.length - keep))) {
      if (version < (secondNewest ?? 0)) await removeFile(join(this.#directory, snapshotName(version)));
    }
    await onVerified(secondNewest);
  }
}

/** Reads a file back, piece by piece, and compares it with what was written. */
async function demandSame(path: string, frame: Uint8Array): Promise<void> {
  const piece = Buffer.allocUnsafe(1 << 20);
  const file = await open(path, 'r').catch((cause) => Promise.reject(fileError(path, cause)));
  try {
    let at = 0;
    for (let read = 1; read > 0; at += read) {
      read = (await file.read(piece, 0, piece.byteLength, at).catch((cause) => Promise.reject(fileError(path, cause)))).bytesRead;
      if (!piece.subarray(0, read).equals(frame.subarray(at, at + read)))
        throw new GradwireError('E_SNAPSHOT', `${quote(path)} is not what was written to it`);
    }
    if (at !== frame.byteLength)
      throw new GradwireError('E_SNAPSHOT', `${quote(path)} ends after ${at} of ${frame.byteLength} bytes`);
  } finally {
    await file.close();
  }
}

/**
 * Reads a snapshot of the run that `about` tells of.
 *
 * @throws GradwireError `E_SNAPSHOT` for one that is damaged or of another run, `E_FILE`.
 */
export async function readSnapshot(path: string, about: About): Promise<Snapshot> {
  return snapshotIn(await readFile(path).catch((cause) => Promise.reject(fileError(path, cause))), path, about);
}

/** {@link readSnapshot} for a file whose bytes are at hand. */
export function snapshotIn(
  frame: Uint8Array,
  path: string,
  about: Pick<About, 'run' | 'name' | 'model' | 'optimizer'>,
): Snapshot {
  let snapshot: Snapshot;
  try {
    snapshot = decodeSnapshot(frame);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GradwireError('E_SNAPSHOT', `${quote(path)} is no sound snapshot: ${reason}`, { cause });
  }
  return checkSnapshot(snapshot, about, quote(path));
}

/** A snapshot that is of the run that `about` tells of; `what` names it in the error. Throws `E_SNAPSHOT`. */
export function checkSnapshot(
  snapshot: Snapshot,
  about: Pick<About, 'run' | 'name' | 'model' | 'optimizer'>,
  what: string,
): Snapshot {
  const wrong =
    snapshot.run !== about.run
      ? `is of the run ${snapshot.run}, the recording of ${about.run}`
      : snapshot.model !== about.name || !sameLayout(snapshot.parameters.layout, about.model)
        ? 'is of another model than the recording'
        : JSON.stringify(hyperparametersOf(snapshot.optimizer)) !== JSON.stringify(hyperparametersOf(about.optimizer))
          ? 'is of another optimizer than the recording'
          : undefined;
  if (wrong !== undefined) throw new GradwireError('E_SNAPSHOT', `${what} ${wrong}`);
  return snapshot;
}
