// What must be true of all that a page has applied, beside all that its trainer has published.
import type { Applied } from './following.ts';

/** The digests that a trainer published, by `epoch version`. */
export type PublishedDigests = ReadonlyMap<string, readonly string[]>;

/**
 * What is wrong with a history, a line for each frame: weights that are not the trainer's at that version, a version left out
 * or repeated, a step back. Empty where all is well.
 */
export function faultsIn(history: readonly Applied[], published: PublishedDigests): string[] {
  return history.flatMap((now, i) => {
    const { kind, epoch, version, digest } = now;
    const where = `${i}: ${kind} ${version} of epoch ${epoch}`;
    const expected = published.get(`${epoch} ${version}`) ?? [];
    const faults = expected.includes(digest) ? [] : [`${where}: ${digest} in place of ${expected.join(' or ') || 'nothing'}`];
    const before = history[i - 1];
    if (before === undefined) return kind === 'weights' ? faults : [...faults, `${where}: it comes first`];
    if (epoch < before.epoch || version < before.version) faults.push(`${where}: after ${before.version} of ${before.epoch}`);
    // what settles has no version of its own
    if (kind === 'update' && version !== before.version + 1 && version !== before.version)
      faults.push(`${where}: after ${before.version}`);
    if (kind === 'update' && version === before.version && !settles(now, before, expected)) faults.push(`${where}: twice`);
    return faults;
  });
}

function settles({ digest }: Applied, before: Applied, expected: readonly string[]): boolean {
  return expected.indexOf(digest) > 0 && before.digest !== digest;
}
