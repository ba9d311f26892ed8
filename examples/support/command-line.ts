// What the command lines of the examples share.
import { Command, InvalidArgumentError, Option } from 'commander';

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

/** Reads a number above 0, up to `most`. */
export function upTo(most: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value > 0 && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number above 0, up to ${most}.`);
  };
}

/** The options `--directory` and `--port` of an example of this name. */
export function withPlace(command: Command, example: string): Command {
  const ports = 'port of the trainer, 0 for a free one (default: 8080, or a free one where it is taken)';
  return command
    .option('--directory <path>', `recording and snapshots; an earlier run there goes on (default: a fresh runs/${example}-N)`)
    .option('--port <number>', ports, between(0, 65_535));
}

/** In which form values travel. */
export type EncodingName = 'f32' | 'f16' | 'bf16' | 'int8' | 'topk';

/** An option that takes an encoding. */
export function encodingOption(flags: string, what: string): Option {
  return new Option(flags, what).choices(['f32', 'f16', 'bf16', 'int8', 'topk'] satisfies EncodingName[]);
}
