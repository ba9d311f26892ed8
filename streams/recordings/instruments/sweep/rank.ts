// The order of a sweep's combinations: the best first.
import type { Better } from './evaluation.ts';
import type { Folded } from './fold.ts';

/** By evaluation, the best first; without one by distance, the nearest first. What is not a number comes last, equals stay in order. */
export function bestFirst<Each extends Pick<Folded, 'evaluation' | 'distance'>>(
  given: readonly Each[],
  better: Better | null,
): Each[] {
  const sign = better === 'higher' ? -1 : 1;
  const key = ({ evaluation = Number.NaN, distance }: Each): number => {
    const value = better === null ? distance : evaluation * sign;
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
  };
  return [...given].sort((a, b) => (key(a) === key(b) ? 0 : key(a) - key(b)));
}
