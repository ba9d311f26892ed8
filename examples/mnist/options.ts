// The command line of the digits example.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { between, program } from '../support/command-line.ts';
import { trainingCount } from './digits.ts';

/** In which form values travel. */
export type EncodingName = 'f32' | 'f16' | 'bf16' | 'int8' | 'topk';

/** What a user may choose. */
export interface Options {
  readonly workers: number;
  readonly epochs: number;
  /** Digits of a pass. */
  readonly digits: number;
  /** Digits in one batch of gradients. */
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  /** Of what the trainer tells its replicas. */
  readonly encoding: EncodingName;
  /** Of what the workers tell the trainer. */
  readonly push: EncodingName;
  /** Where the recording and the snapshots are; a fresh one where it is not given. */
  readonly directory?: string;
  /** 8080, or a free one where that is taken, unless it is given. */
  readonly port?: number;
  readonly json?: boolean;
}

const encodings: readonly EncodingName[] = ['f32', 'f16', 'bf16', 'int8', 'topk'];

/** Reads the arguments after the program's name. A mistake prints one line and ends the process with exit code 2. */
export function readOptions(args: readonly string[]): Options {
  const command: Command = program('npm run example:mnist --')
    .description(
      'Learns to read 60,000 handwritten digits with TensorFlow.js: a trainer, workers that compute gradients on the live ' +
        'weights, and a replica that tests them on 10,000 other digits as they arrive.',
    )
    .option('--workers <count>', 'worker processes', between(1, 64), 3)
    .option('--epochs <count>', 'passes over the digits', between(1, 1000), 1)
    .option('--digits <count>', 'digits of a pass', between(1, trainingCount), trainingCount)
    .option('--batch <digits>', 'digits in one batch of gradients', between(1, 4096), 32)
    .option('--lr <rate>', 'learning rate', rate, 0.001)
    .option('--seed <number>', 'of the first weights and of the order of the digits', between(0, 1e9), 1)
    .addOption(new Option('--encoding <name>', 'of the updates').choices(encodings).default('f32'))
    .addOption(new Option('--push <name>', 'of the gradients').choices(encodings).default('f16'))
    .option('--directory <path>', 'recording and snapshots; an earlier run there goes on (default: a fresh runs/mnist-N)')
    .option(
      '--port <number>',
      'port of the trainer, 0 for a free one (default: 8080, or a free one where it is taken)',
      between(0, 65_535),
    )
    .option('--json', 'print nothing but the final summary, as one line of JSON')
    .addHelpText('after', '\nExample:\n  $ npm run example:mnist -- --encoding int8 --workers 2');
  return command.parse([...args], { from: 'user' }).opts<Options>();
}

function rate(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number above 0, up to 1.');
}
