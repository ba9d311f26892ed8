// What must be true of all that a page has applied, beside all that its trainer has published.
import type { Applied } from './following.ts';

/** The digests that a trainer published, by `epoch version`. */
export type PublishedDigests = ReadonlyMap<string, readonly string[]>;

/**
 * What is wrong with a history, a line for each frame: weights that are not the trainer's at that version, a version left out
 * or repeated, a step back. Empty where all is well.
 */
export function faultsIn(history: readonly Applied[], published: PublishedDigests): string[] {
  return history.flatMap(({ kind, epoch, version, digest }, i) => {
    const where = `${i}: ${kind} ${version} of epoch ${epoch}`;
    const expected = published.get(`${epoch} ${version}`) ?? [];
    const faults = expected.includes(digest) ? [] : [`${where}: ${digest} in place of ${expected.join(' or ') || 'nothing'}`];
    const before = history[i - 1];
    if (before === undefined) return kind === 'weights' ? faults : [...faults, `${where}: it comes first`];
    if (epoch < before.epoch || version < before.version)
      faults.push(`${where}: after ${before.version} of epoch ${before.epoch}`);
    if (kind === 'weights' || version === before.version + 1) return faults;
    // what settles has no version of its own, and may come again to one who comes back
    const settles = version === before.version && expected.length > 1;
    return settles ? faults : [...faults, `${where}: an update after ${before.version}`];
  });
}
