// Snapshots in a run's directory: written so that a name always stands for a whole file, read back with every check.
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GradwireError, quote } from '../../../src/errors.ts';
import { decodeSnapshot, type Snapshot } from '../../../src/frames/snapshot.ts';
import { sameLayout } from '../../../src/layout.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import { diskError, failedWith, fileError, syncDirectory, writeFully } from '../disk.ts';
import { listSnapshots } from '../history/history.ts';
import { snapshotName } from '../history/names.ts';
import type { About } from '../segment/about.ts';

/** The snapshots of a run. */
export class Snapshots {
  readonly #directory: string;
  readonly #keep: number;
  #newest: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, keep: number, newest: number | undefined) {
    this.#directory = directory;
    this.#keep = keep;
    this.#newest = newest;
  }

  /** Opens a directory's snapshots, of which `keep` are kept, and removes what a write that was cut short left behind. */
  static async open(directory: string, keep: number): Promise<Snapshots> {
    const names = await readdir(directory).catch((cause) => Promise.reject(fileError(directory, cause)));
    for (const name of names) {
      if (/^snap-\d{16}\.safetensors\.tmp$/.test(name)) await remove(join(directory, name));
    }
    return new Snapshots(directory, keep, (await listSnapshots(directory)).at(-1));
  }

  /** The path of the newest snapshot, if there is one. */
  newest(): string | undefined {
    return this.#newest === undefined ? undefined : join(this.#directory, snapshotName(this.#newest));
  }

  /**
   * Writes a snapshot frame and gives its path; the name appears when the file is whole and on disk. Then the oldest beyond
   * those to keep are removed. Calls are queued.
   *
   * @throws GradwireError `E_DISK`; the snapshots that there are stay as they are.
   */
  write(frame: Uint8Array, version: number): Promise<string> {
    const result = this.#queue.then(async () => {
      const path = join(this.#directory, snapshotName(version));
      await writeWhole(path, frame);
      this.#newest = Math.max(version, this.#newest ?? 0);
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
    const versions = await listSnapshots(this.#directory);
    for (const version of versions.slice(0, Math.max(0, versions.length - this.#keep))) {
      await remove(join(this.#directory, snapshotName(version)));
    }
  }
}

/**
 * Reads a snapshot of the run that `about` tells of.
 *
 * @throws GradwireError `E_SNAPSHOT` for one that is damaged or of another run, `E_FILE`.
 */
export async function readSnapshot(path: string, about: About): Promise<Snapshot> {
  const frame = await readFile(path).catch((cause) => Promise.reject(fileError(path, cause)));
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
export function checkSnapshot(snapshot: Snapshot, about: About, what: string): Snapshot {
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

/** Writes a file that is whole, and on disk, as soon as its name is there. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o644);
    try {
      await writeFully(file, [bytes]);
      // the rename would otherwise reach the disk before the bytes do
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await remove(temporary);
    throw diskError(path, cause);
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((cause) => {
    if (!failedWith(cause, 'ENOENT')) throw diskError(path, cause);
  });
}
