// Comparisons in turn: each round runs every arm once, every other round in the opposite order, so that a noisy minute is shared.

import type { Timing } from '../kernel/rounds.ts';
import { rowOf } from '../kernel/spread.ts';
import type { Row } from '../report.ts';
import { rounded } from '../report.ts';

/** One side of a comparison; `run` does its work once and says how many seconds a unit of it took. */
export interface Arm {
  readonly what: string;
  readonly run: () => Promise<number>;
}

/** Runs the arms in turn, every other round from the last to the first unless told; the first, in which code is compiled, is not counted, or as many as are told. */
export async function alternate(
  arms: readonly Arm[],
  rounds: number,
  { reverses = true, warmUps = 1 }: { readonly reverses?: boolean; readonly warmUps?: number } = {},
): Promise<Timing[]> {
  const taken = arms.map((): number[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    const order = [...arms.keys()];
    for (const i of reverses && round % 2 !== 0 ? order.reverse() : order) {
      const seconds = await arms[i].run();
      if (round >= 0) taken[i].push(seconds * 1e9);
    }
  }
  return arms.map(({ what }, i) => ({ what, rounds: taken[i] }));
}

/** A timing as units per second with the quartiles of its rounds; `perSecond` names the unit, of which one has `units`. */
export function rateRow(timing: Timing, perSecond: string, units: number): Row {
  const { what, rounds } = timing;
  const rates = rowOf({ what, rounds: rounds.map((each) => (units * 1e9) / each) }, perSecond, 1);
  return Object.fromEntries(
    Object.entries(rates).map(([name, value]) => [name, typeof value === 'number' ? rounded(value) : value]),
  ) as Row;
}
