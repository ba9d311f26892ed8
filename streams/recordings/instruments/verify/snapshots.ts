// The snapshots of a run, checked: each by itself to its last byte, and against the fold of the recording at its version.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GradwireError } from '../../../../src/errors.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../../../src/frames/snapshot.ts';
import { fileError } from '../../disk.ts';
import { snapshotName } from '../../history/names.ts';
import { snapshotIn } from '../../journal/snapshots.ts';
import type { About } from '../../segment/about.ts';
import type { Finding, VerifiedSnapshot } from './findings.ts';
import { differenceOf, type Fold } from './fold.ts';

/** Reads a snapshot's bytes. Throws `E_SNAPSHOT` and the codes of `decodeSnapshot` where anything in them is not as it was written. */
export function checkSnapshot(frame: Uint8Array, path: string, about: About | undefined): Snapshot {
  const snapshot = about === undefined ? decodeSnapshot(frame) : snapshotIn(frame, path, about);
  // the check covers metadata and values; names and shapes in the header are covered by this alone
  if (Buffer.compare(encodeSnapshot(snapshot), frame) === 0) return snapshot;
  throw new GradwireError('E_SNAPSHOT', 'its header is not the one that its content is written with');
}

/** The snapshots of a directory while its recording is folded. */
export class SnapshotChecks {
  readonly findings: Finding[] = [];
  /** Bytes read. */
  bytes = 0;
  readonly #directory: string;
  readonly #about: About;
  readonly #versions: ReadonlySet<number>;
  readonly #results: Map<number, VerifiedSnapshot> = new Map();

  constructor(directory: string, about: About, versions: readonly number[]) {
    this.#directory = directory;
    this.#about = about;
    this.#versions = new Set(versions);
  }

  /** Compares the fold with the snapshot of its version, if there is one. */
  async compare(fold: Fold): Promise<void> {
    const { version } = fold;
    const snapshot = await this.take(version);
    if (snapshot === undefined) return;
    const { state, producers } = differenceOf(snapshot, fold);
    this.#results.set(version, { version, ok: true, equalsFold: state === undefined });
    if (state !== undefined)
      this.#find({ severity: 'damage', version, text: `it is sound, and not the fold of the recording: ${state}` });
    if (producers !== undefined)
      this.#find({ severity: 'note', version, text: `it is the fold of the recording, but ${producers}` });
  }

  /** The snapshot of a version where there is one that is sound and was not taken before. */
  async take(version: number): Promise<Snapshot | undefined> {
    if (!this.#versions.has(version) || this.#results.has(version)) return undefined;
    const path = join(this.#directory, snapshotName(version));
    const frame = await readFile(path).catch((cause) => Promise.reject(fileError(path, cause)));
    this.bytes += frame.byteLength;
    try {
      const snapshot = checkSnapshot(frame, path, this.#about);
      if (snapshot.version !== version) throw new GradwireError('E_SNAPSHOT', `it is of version ${snapshot.version}`);
      this.#results.set(version, { version, ok: true, equalsFold: null });
      return snapshot;
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      this.#results.set(version, { version, ok: false, equalsFold: null });
      this.#find({ severity: 'damage', version, text: error.text });
      return undefined;
    }
  }

  /** Looks at those that the fold did not come by, and gives what became of all. */
  async finish(): Promise<VerifiedSnapshot[]> {
    for (const version of this.#versions) await this.take(version);
    return [...this.#results.values()].sort((a, b) => a.version - b.version);
  }

  #find({ severity, version, text }: Pick<Finding, 'severity' | 'text'> & { version: number }): void {
    const file = basename(snapshotName(version));
    this.findings.push({ severity, file, version, ...(severity === 'damage' ? { code: 'E_SNAPSHOT' } : {}), text });
  }
}
