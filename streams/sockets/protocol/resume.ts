// The resume decision: all or nothing. A client goes on only where its gap is proven filled; otherwise it is told why not.
import type { ResetReason, Resume } from './words.ts';

/** Epochs of a run, oldest first, each with the first version that was or will be made in it: [[1, 1], [2, 501]]. */
export type Epochs = readonly (readonly [epoch: number, firstVersion: number])[];

/** What the decision is made from: the trainer's history, and what is known of it. */
export interface Known {
  readonly run: string;
  readonly epochs: Epochs;
  /** The trainer's version. */
  readonly version: number;
  /** What the client holds, weights unless told: batches are the same for every epoch, weights depend on what was published in one. */
  readonly holds?: 'weights' | 'batches';
  /** The digest of the published weights at a version, where it is known. */
  digestAt(version: number): string | undefined;
  /** Whether every update after that version is at hand. */
  covers(version: number): boolean;
}

/**
 * Why a client cannot go on from where it stood; null where it can.
 *
 * `other-run`: another history, or an epoch that this one does not have. `ahead`: a version that this history has not reached,
 * or not in that epoch. `diverged`: the same version with other weights, or with weights of an earlier epoch that no digest
 * proves to be the same: what an encoding owed may be lost with the process. `backlog`: too far behind.
 */
export function refuseResume(resume: Resume, known: Known): ResetReason | null {
  if (resume.run !== known.run) return 'other-run';
  const last = lastVersionOf(resume.epoch, known);
  if (last === undefined) return 'other-run';
  if (resume.version > last) return 'ahead';
  const digest = known.digestAt(resume.version);
  if (digest !== undefined && resume.digest !== undefined && digest !== resume.digest) return 'diverged';
  if (!known.covers(resume.version)) return 'backlog';
  const isProven =
    resume.epoch === known.epochs.at(-1)?.[0] || known.holds === 'batches' || (digest !== undefined && digest === resume.digest);
  return isProven ? null : 'diverged';
}

/** The last version that belongs to this history and to the epoch: the one before the next epoch's first, or the newest. */
function lastVersionOf(epoch: number, { epochs, version }: Known): number | undefined {
  const i = epochs.findIndex(([each]) => each === epoch);
  if (i < 0) return undefined;
  return i + 1 < epochs.length ? Math.min(epochs[i + 1][1] - 1, version) : version;
}
