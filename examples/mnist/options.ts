// The command line of the digits example.
import { between, type EncodingName, encodingOption, program, upTo, withPlace } from '../support/command-line.ts';
import { trainingCount } from './digits.ts';

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

/** Reads the arguments after the program's name. A mistake prints one line and ends the process with exit code 2. */
export function readOptions(args: readonly string[]): Options {
  const command = program('npm run example:mnist --')
    .description(
      'Learns to read 60,000 handwritten digits with TensorFlow.js: a trainer, workers that compute gradients on the live ' +
        'weights, and a replica that tests them on 10,000 other digits as they arrive.',
    )
    .option('--workers <count>', 'worker processes', between(1, 64), 3)
    .option('--epochs <count>', 'passes over the digits', between(1, 1000), 1)
    .option('--digits <count>', 'digits of a pass', between(1, trainingCount), trainingCount)
    .option('--batch <digits>', 'digits in one batch of gradients', between(1, 4096), 32)
    .option('--lr <rate>', 'learning rate', upTo(1), 0.001)
    .option('--seed <number>', 'of the first weights and of the order of the digits', between(0, 1e9), 1)
    .addOption(encodingOption('--encoding <name>', 'of the updates').default('f32'))
    .addOption(encodingOption('--push <name>', 'of the gradients').default('f16'));
  return withPlace(command, 'mnist')
    .option('--json', 'print nothing but the final summary, as one line of JSON')
    .addHelpText('after', '\nExample:\n  $ npm run example:mnist -- --encoding int8 --workers 2')
    .parse([...args], { from: 'user' })
    .opts<Options>();
}
