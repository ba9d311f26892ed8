// Records that do not count: written by a trainer after another had taken its place.
import type { About } from '../segment/about.ts';

/**
 * The version from which on the records of segment `i` do not count: a later epoch begins there, so that their writer could
 * acknowledge none of them. Infinity where all count. The segments are in the order of the run.
 */
export function fencedFromOf(
  segments: readonly { readonly about: About | undefined; readonly firstVersion: number }[],
  i: number,
): number {
  const epoch = segments[i].about?.epoch ?? Number.POSITIVE_INFINITY;
  const later = segments.slice(i + 1).filter(({ about }) => about !== undefined && about.epoch > epoch);
  return Math.min(...later.map(({ firstVersion }) => firstVersion));
}
