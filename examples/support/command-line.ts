// What the command lines of the examples share.
import { Command, InvalidArgumentError } from 'commander';

/** A command of this name. A mistake prints one line and ends the process with exit code 2. */
export function program(name: string): Command {
  return new Command(name).exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Reads a whole number from `least` to `most`. */
export function between(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}
