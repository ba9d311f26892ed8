// Options that several commands take, and how their values are read.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RMSpropConfig } from '../../src/rmsprop/options/hyperparameters.ts';

/** A finite number. */
export function number(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number.');
}

/** An integer from `least` to `most`. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `It must be an integer from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}.`,
    );
  };
}

/** A finite number above 0. */
export function factor(text: string): number {
  const value = number(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

const isoTime = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2}))?$/;

/** A version, or a time as ISO 8601 writes it: with its zone, or a date alone, which is its first moment in UTC. */
export function versionOrTime(text: string): number | Date {
  if (/^\d{1,16}$/.test(text)) return integer(0)(text);
  const [, date, time] = isoTime.exec(text) ?? [];
  const value = new Date(time === undefined ? text : text.replace(',', '.').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  // JavaScript takes the 30th of February for the 2nd of March
  const isDate = date !== undefined && new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date) === true;
  if (isDate && !Number.isNaN(value.getTime())) return value;
  throw new InvalidArgumentError('It must be a version, or a time such as 2026-11-23T08:00:00Z.');
}

/** An object in JSON. */
export function settings(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw new InvalidArgumentError('It must be an object in JSON.');
}

/** The optimizer's options as a command takes them. */
export type HyperparameterOptions = Partial<
  Pick<RMSpropConfig, 'lr' | 'rho' | 'epsilon' | 'decay' | 'clipnorm' | 'clipvalue' | 'sparse'>
>;

const hyperparameters = [
  ['lr', 'learning rate', '0.001'],
  ['rho', 'decay of the mean square', '0.9'],
  ['epsilon', 'added to the root of the mean square', '1e-8'],
  ['decay', 'lr / (1 + decay · version)', '0'],
  ['clipnorm', 'largest norm of a batch', 'off'],
  ['clipvalue', 'largest |gradient|', 'off'],
] as const;

/** Adds `--lr`, `--rho`, `--epsilon`, `--decay`, `--clipnorm`, `--clipvalue` and `--sparse`; `otherwise` says what holds without them. */
export function addHyperparameters(command: Command, otherwise?: string): Command {
  for (const [name, what, standard] of hyperparameters) {
    command.option(`--${name} <number>`, `${what} (${otherwise ?? `default: ${standard}`})`, number);
  }
  const sparse = new Option(
    '--sparse <mode>',
    `rows that a batch leaves out: decay as with zeros, or stay (${otherwise ?? 'default: exact'})`,
  );
  return command.addOption(sparse.choices(['exact', 'lazy']));
}

/** The hyper-parameters among a command's options: those that were given. */
export function hyperparametersIn(options: HyperparameterOptions): HyperparameterOptions {
  const names = [...hyperparameters.map(([name]) => name), 'sparse'];
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined));
}

/** Adds the same options for a grid: values with commas between them. */
export function addGrid(command: Command): Command {
  for (const [name, what] of hyperparameters)
    command.option(`--${name} <numbers>`, `${what}: numbers with commas between`, numbers);
  return command.option('--sparse <modes>', 'exact, lazy, or both with a comma between', modes);
}

/** The grid among a command's options: a list of values for each hyper-parameter that was given. */
export function gridIn(options: object): Record<string, readonly unknown[]> {
  const names = [...hyperparameters.map(([name]): string => name), 'sparse'];
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}

function numbers(text: string): number[] {
  return text.split(',').map(number);
}

function modes(text: string): string[] {
  const found = text.split(',').map((mode) => mode.trim());
  if (found.every((mode) => mode === 'exact' || mode === 'lazy')) return found;
  throw new InvalidArgumentError('It must be exact, lazy, or both with a comma between.');
}
