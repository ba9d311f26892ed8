// A grid of hyper-parameters: every combination of their values, in order, each checked.
import { GradwireError, quote } from '../../../../src/errors.ts';
import type { RMSpropConfig, RMSpropOptions } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { type ForkedOptions, mergeOptions } from '../forking/options.ts';

/** Hyper-parameters, each with the values to try: `{ lr: [0.001, 0.01], rho: [0.9, 0.99] }`. */
export type Grid = Readonly<Record<string, readonly unknown[]>>;

/** One combination of a grid. */
export interface Combination {
  /** The values of the grid's hyper-parameters. */
  readonly optimizer: Readonly<Record<string, unknown>>;
  /** The whole configuration: the recorded one with those over it. */
  readonly options: RMSpropOptions;
}

// a sweep folds the recording once for each
const mostCombinations = 1000;

/**
 * All combinations of a grid over the recorded configuration; the last hyper-parameter's values change fastest.
 *
 * @throws GradwireError `E_CONFIG` for a grid that is none, for more than 1,000 combinations, and for one that no optimizer takes.
 */
export function combinationsOf(grid: Grid, recorded: RMSpropConfig): Combination[] {
  const axes = axesOf(grid);
  const count = axes.reduce((product, [, values]) => product * values.length, 1);
  if (count > mostCombinations)
    throw new GradwireError(
      'E_CONFIG',
      `the grid has ${count} combinations, the limit is ${mostCombinations}; take fewer values`,
    );
  return Array.from({ length: count }, (_, i) => {
    const optimizer = Object.fromEntries(valuesAt(axes, i));
    return { optimizer, options: merged(recorded, optimizer) };
  });
}

/** A combination as a person reads it: `lr 0.01, rho 0.9`. */
export function nameOf(optimizer: Combination['optimizer']): string {
  return Object.entries(optimizer)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
}

/** An error with the combination that it is of. */
export function namedError(
  optimizer: Combination['optimizer'],
  cause: { code: GradwireError['code']; text: string },
): GradwireError {
  return new GradwireError(cause.code, `${nameOf(optimizer)}: ${cause.text}`, { cause });
}

type Axis = readonly [name: string, values: readonly unknown[]];

function axesOf(grid: Grid): Axis[] {
  if (typeof grid !== 'object' || grid === null || Object.keys(grid).length === 0)
    throw new GradwireError('E_CONFIG', 'a grid has at least one hyper-parameter, as in { lr: [0.001, 0.01] }');
  for (const [name, values] of Object.entries(grid)) {
    if (!Array.isArray(values) || values.length === 0)
      throw new GradwireError('E_CONFIG', `the values of ${quote(name)} must be a list of at least one`);
    if (new Set(values.map((value) => JSON.stringify(value))).size < values.length)
      throw new GradwireError('E_CONFIG', `a value of ${quote(name)} stands twice in the grid`);
  }
  return Object.entries(grid);
}

function valuesAt(axes: readonly Axis[], place: number): [string, unknown][] {
  let rest = place;
  const chosen = [...axes].reverse().map(([name, values]): [string, unknown] => {
    const value = values[rest % values.length];
    rest = Math.floor(rest / values.length);
    return [name, value];
  });
  return chosen.reverse();
}

function merged(recorded: RMSpropConfig, optimizer: Combination['optimizer']): RMSpropOptions {
  try {
    return mergeOptions(recorded, optimizer as ForkedOptions);
  } catch (cause) {
    throw cause instanceof GradwireError ? namedError(optimizer, cause) : cause;
  }
}
