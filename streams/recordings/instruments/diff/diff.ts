// diff: the first version and tensor at which two runs differ, and by how much.
import { GradwireError, quote, refuseUnknownOptions } from '../../../../src/errors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { isRecording } from '../../history/is-recording.ts';
import { diffFiles } from './files.ts';
import type { Diff } from './finding.ts';
import { diffRecordings } from './recordings.ts';

/** Who hears about a diff. */
export interface DiffOptions {
  /** Told how far the reading of both recordings has come. */
  readonly progress?: (progress: ReadProgress) => void;
}

/**
 * Compares two recordings, or two safetensors files (weights, snapshots, any other), as bits: -0 is not 0.
 *
 * Recordings begin with version 1 and are read and folded side by side, bounded in memory: layout, optimizer, initial weights,
 * then version by version gradients and folded parameters, then their lengths. What is no bit of a weight or a gradient, such as
 * run ids, producers and times, stands in the notes and makes no difference.
 *
 * @throws GradwireError `E_CONFIG` for a recording and a file of another kind; the codes of `replay`, `foldFrom` and `deserialize`.
 */
export async function diff(a: string, b: string, options: DiffOptions = {}): Promise<Diff> {
  refuseUnknownOptions('diff', options, ['progress']);
  const { progress = () => undefined } = options;
  const [one, other] = await Promise.all([isRecording(a), isRecording(b)]);
  if (one !== other) {
    const [recording, file] = one ? [a, b] : [b, a];
    const text = `${quote(recording)} is a recording, ${quote(file)} is none; compare two recordings, or two safetensors files`;
    throw new GradwireError('E_CONFIG', text);
  }
  return one ? await diffRecordings(a, b, progress) : await diffFiles(a, b);
}
