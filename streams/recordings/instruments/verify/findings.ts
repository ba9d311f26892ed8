// What a verification finds and proves: its findings, and the plain data that it comes to.
import type { ErrorCode } from '../../../../src/errors.ts';

/**
 * One thing found. `damage`: bytes are not those that were written. `torn`: the unfinished last write of a process that
 * died, which nobody was told of. `note`: something to know.
 */
export interface Finding {
  readonly severity: 'damage' | 'torn' | 'note';
  /** The file's name in its directory. */
  readonly file: string;
  /** Where in the file. */
  readonly offset?: number;
  /** The version that is damaged, or would have come next. */
  readonly version?: number;
  readonly code?: ErrorCode;
  readonly text: string;
}

/** A snapshot that was looked at. */
export interface VerifiedSnapshot {
  readonly version: number;
  /** Whether its check and its digest hold, and it belongs to the run. */
  readonly ok: boolean;
  /** Whether it is the fold of the recording, to the bit; null where it could not be compared. */
  readonly equalsFold: boolean | null;
}

/** What a verification came to: plain data. */
export interface Verification {
  /** Whether nothing is damaged. */
  readonly ok: boolean;
  /** `recording`, `snapshot frame`, `weights frame`, …, or `safetensors`. */
  readonly what: string;
  readonly run: string | null;
  /** The model's name. */
  readonly model: string | null;
  readonly firstVersion: number | null;
  /** One below `firstVersion` where there is no batch. */
  readonly lastVersion: number | null;
  /** Batches whose every check holds. */
  readonly batches: number;
  readonly segments: number;
  readonly snapshots: readonly VerifiedSnapshot[];
  /** Bytes checked. */
  readonly bytes: number;
  /** Of the weights at `lastVersion`; null where they could not be folded. */
  readonly digest: string | null;
  /** What was proved, in sentences. */
  readonly proved: readonly string[];
  /** What could not be. */
  readonly unproved: readonly string[];
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

/** A count with its word: `1 batch`, `48,211 batches`. */
export function counted(count: number, word: string, words: string = `${word}s`): string {
  return `${grouped(count)} ${count === 1 ? word : words}`;
}

/** 48211 as 48,211. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
