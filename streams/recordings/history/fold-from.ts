// foldFrom: the state that a recording's batches are folded into: what it begins with, or a snapshot.
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import { readHistory } from './history.ts';
import { type FoldStart, newestStart, startOfRecording, startOfSnapshot } from './start.ts';

/** Which state a fold starts from; what the recording begins with unless told. */
export interface FoldFromOptions {
  /** A snapshot of the same run. */
  readonly snapshot?: string;
  /** The newest sound snapshot beside the recording that is of this version or an earlier one; what the recording begins with where there is none. */
  readonly notAfter?: number;
}

/**
 * The state to fold a recording's batches into: what it begins with, or a snapshot of the same run. It begins with its initial
 * weights, with a snapshot in it, or, where its first segments have been removed, with the oldest sound snapshot beside it.
 *
 * @throws GradwireError `E_SNAPSHOT`; `E_RECORDING_GAP` for a recording that begins later than version 1 and has no
 *   snapshot that leads to its first batch; `E_CONFIG` for options that do not do; the codes of {@link replay}.
 */
export async function foldFrom<Name extends string = string>(
  path: string,
  options: FoldFromOptions = {},
): Promise<FoldStart<Name>> {
  refuseUnknownOptions('foldFrom', options, ['snapshot', 'notAfter']);
  const { snapshot, notAfter } = options;
  if (snapshot !== undefined && notAfter !== undefined)
    throw new GradwireError('E_CONFIG', 'foldFrom takes a snapshot or notAfter, not both');
  const history = await readHistory(path);
  if (snapshot !== undefined) return (await startOfSnapshot(history, snapshot)) as FoldStart<Name>;
  const start = notAfter === undefined ? startOfRecording(history) : newestStart(history, { notAfter });
  return (await start) as FoldStart<Name>;
}
