// The command line of the federated example.
import { InvalidArgumentError } from 'commander';
import { trainingCount } from '../mnist/digits.ts';
import { between, type EncodingName, encodingOption, program, upTo, withPlace } from '../support/command-line.ts';

/** What a user may choose. */
export interface Options {
  readonly workers: number;
  /** Batches that make a full round; one of each worker process where it is not given. */
  readonly round?: number;
  /** How long a round waits from its first batch on, in milliseconds. */
  readonly deadline: number;
  /** Which share of each shard follows the labels, from 0 to 1. */
  readonly skew: number;
  /** Worker 1 is killed at this round of the run, or in the middle. */
  readonly drop?: number | true;
  readonly epochs: number;
  /** Digits of a pass, over all shards. */
  readonly digits: number;
  /** Digits in one batch of gradients. */
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  /** Of what the trainer tells its replicas. */
  readonly encoding: EncodingName;
  /** Of what the workers tell the trainer. */
  readonly encodingUp: EncodingName;
  /** Where the recording and the snapshots are; a fresh one where it is not given. */
  readonly directory?: string;
  /** 8080, or a free one where that is taken, unless it is given. */
  readonly port?: number;
  /** Origins of pages that may take part. */
  readonly allowOrigin?: readonly string[];
  readonly json?: boolean;
}

/** Reads the arguments after the program's name. A mistake prints one line and ends the process with exit code 2. */
export function readOptions(args: readonly string[]): Options {
  const command = program('npm run example:federated --')
    .description(
      'Learns to read 60,000 handwritten digits of which each worker process has only its own: they share gradients, never ' +
        'digits. One batch of each makes a round, and its mean one version. A replica tests the weights on 10,000 other digits.',
    )
    .option('--workers <count>', 'worker processes, each with its own shard', between(1, 64), 4)
    .option(
      '--round <batches>',
      'batches in a full round, more of them for workers elsewhere (default: one of each)',
      between(1, 1024),
    )
    .option('--deadline <ms>', 'how long a round waits for the others from its first batch on', between(1, 3_600_000), 2000)
    .option('--skew <share>', 'share of each shard that follows the labels: 0 are fair draws, 1 is sorted', shareOf, 0)
    .option('--drop [round]', 'kill worker 1 at this round of the run, or in the middle; it comes back', between(1, 1e9))
    .option('--epochs <count>', 'passes over the shards', between(1, 1000), 1)
    .option('--digits <count>', 'digits of a pass, over all shards', between(1, trainingCount), trainingCount)
    .option('--batch <digits>', 'digits in one batch of gradients', between(1, 4096), 32)
    .option('--lr <rate>', 'learning rate', upTo(1), 0.003)
    .option('--seed <number>', 'of the first weights, the shards and the order in each', between(0, 1e9), 1)
    .addOption(encodingOption('--encoding <name>', 'of the updates').default('f32'))
    .addOption(encodingOption('--encoding-up <name>', 'of the gradients that workers send').default('f16'));
  const options = withPlace(command, 'federated')
    .option('--allow-origin <origins...>', 'pages from elsewhere that may take part, as http://localhost:5173')
    .option('--json', 'print nothing but the final summary, as one line of JSON')
    .addHelpText('after', '\nExample:\n  $ npm run example:federated -- --skew 0.5 --encoding-up int8 --drop')
    .parse([...args], { from: 'user' })
    .opts<Options>();
  if (options.digits < options.workers) command.error(`error: --digits must be at least ${options.workers}, one for each worker`);
  return options;
}

function shareOf(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}
