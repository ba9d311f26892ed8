// Figures of rounds: the median, the quartiles, and ratios taken round by round.
import { type Row, rounded } from '../report.ts';
import type { Timing } from './rounds.ts';

/** The value below which `share` of the figures lie, interpolated. */
function quantile(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((x, y) => x - y);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

/** Half of the figures lie below. */
export function median(figures: readonly number[]): number {
  return quantile(figures, 0.5);
}

/** The median of `one` divided by `other` in the same rounds, or undefined where one of them was skipped. */
export function ratio(one: Timing | undefined, other: Timing | undefined): number | undefined {
  if (one === undefined || other === undefined) return undefined;
  const common = Math.min(one.rounds.length, other.rounds.length);
  if (common === 0) return undefined;
  return rounded(median(one.rounds.slice(0, common).map((time, round) => time / other.rounds[round])));
}

/** A row of median and quartiles in the unit of which a step holds `nanoseconds`, or of the reason that there are none. */
export function rowOf({ what, rounds, skipped }: Timing, unit: string, nanoseconds: number): Row {
  if (skipped !== undefined) return { what, [unit]: `skipped: ${skipped}` };
  const [q1, middle, q3] = [0.25, 0.5, 0.75].map((share) => rounded(quantile(rounds, share) / nanoseconds));
  return { what, [unit]: middle, 'first quartile': q1, 'third quartile': q3, rounds: rounds.length };
}

/** The figures that are defined, rounded, for a row. */
export function defined(figures: Record<string, number | undefined>): Record<string, number> {
  const known = Object.entries(figures).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(known.map(([name, figure]) => [name, rounded(figure)]));
}
